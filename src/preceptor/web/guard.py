"""The gate before every page: under which Host it is asked, where forms may come from, what browsers must not do.

Raw ASGI, around everything, so that no route can forget it. A page on the open web can make a visitor's browser ask
this machine: by name (DNS rebinding), which the Host header gives away, or with a form of its own, which Origin does.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
"""No inline script or style, nothing from elsewhere, no frame around us."""
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
}
"""What every answer carries unless its page says otherwise."""
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names of this machine that nobody else can own."""
_SAFE = frozenset({"GET", "HEAD"})


class Guard:
    """Lets a request through to `app`, or refuses it.

    Args:
        hosts: names (without port) that it may be asked under.
        https: browsers come by https, whatever the proxy in front speaks to us.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], https: bool = False) -> None:
        self._app = app
        self._https = https
        self._hosts = frozenset(host.casefold().strip("[]") for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if self._https:
            scope = {**scope, "scheme": "https"}
        if refusal := self._refusal(scope):
            await _refuse(answer, refusal)
        else:
            await self._app(scope, receive, answer)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _name(hosts[0]) not in self._hosts:
            shown = ", ".join(hosts)[:100]
            return 421, f"This address is not asked as {shown!r} here. If it should be, add it to review.hosts."
        if not scope["query_string"].isascii():
            # Servers refuse such addresses; what mounts us may not, and Starlette cannot read them.
            return 400, "This address is none: what is not ASCII in it must be percent-encoded."
        if scope["method"] not in _SAFE and not _from_here(headers, hosts[0]):
            return 403, "This form came from another site, so nothing was done."
        return None


def _name(host: str) -> str:
    """A Host header without its port; empty for what is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").casefold() if "@" not in host else ""
    except ValueError:
        return ""


def _from_here(headers: Headers, host: str) -> bool:
    """Whether a page of ours sent it. Browsers always say where a form comes from; what does not is no browser."""
    origins = headers.getlist("origin")
    if len(origins) != 1 or headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    parts = urlsplit(origins[0])
    return parts.scheme in ("http", "https") and parts.netloc.casefold() == host.casefold()


async def _refuse(send: Send, refusal: tuple[int, str]) -> None:
    status, text = refusal
    body = text.encode()
    about = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": about})
    await send({"type": "http.response.body", "body": body})
