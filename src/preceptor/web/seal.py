"""The cookie, and what is derived from it: the seal that ties a form to its session, and messages across a redirect.

The cookie holds 256 random bits. Its hashes tell a form of this browser from one that another site put together, and
a message of ours from one that another program on this machine left (cookies know no ports).
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Literal

import orjson
from starlette.requests import HTTPConnection
from starlette.responses import Response

COOKIE = "preceptor"
SAID = "preceptor-said"
FIELD = "seal"
"""The hidden field of every form."""
TEXT, LINK = 300, 600
"""Longest parts of a message: browsers drop a cookie of more than 4,096 bytes, and a cut link leads nowhere."""
_SHORTEST = 40

Tone = Literal["good", "bad"]


@dataclass(frozen=True)
class Said:
    """A message for the next page."""

    text: str
    tone: Tone = "good"
    link: str = ""
    """Where one can look at it again: an address of ours."""


def value_of(request: HTTPConnection) -> str | None:
    """The cookie's value, if it can be one of ours."""
    value = request.cookies.get(COOKIE, "")
    return value if len(value) >= _SHORTEST else None


def fresh() -> str:
    return secrets.token_urlsafe(32)


def seal_of(value: str) -> str:
    """What a form of this browser carries."""
    return hmac.new(value.encode(), b"form", hashlib.sha256).hexdigest()


def sealed(value: str, given: str) -> bool:
    return hmac.compare_digest(seal_of(value).encode(), given.encode())


def put(response: Response, value: str, request: HTTPConnection) -> None:
    """Give the browser its cookie."""
    _set(response, COOKIE, value, request)


def say(response: Response, said: Said, value: str, request: HTTPConnection) -> None:
    """Leave a message for the page that comes next."""
    body = base64.urlsafe_b64encode(
        orjson.dumps([said.text[:TEXT], said.tone, said.link if len(said.link) <= LINK else ""])
    ).decode()
    _set(response, SAID, f"{body}.{_mark(value, body)}", request, seconds=60)


def hear(request: HTTPConnection, value: str) -> Said | None:
    """The message that was left, if it is ours."""
    body, _, mark = request.cookies.get(SAID, "").partition(".")
    if not body or not hmac.compare_digest(_mark(value, body).encode(), mark.encode()):
        return None
    return Said(*orjson.loads(base64.urlsafe_b64decode(body)))


def forget(response: Response, request: HTTPConnection) -> None:
    """The message was shown."""
    response.delete_cookie(SAID, path=_path(request), httponly=True, samesite="strict")


def _mark(value: str, body: str) -> str:
    return hmac.new(value.encode(), b"said" + body.encode(), hashlib.sha256).hexdigest()


def _set(response: Response, name: str, text: str, request: HTTPConnection, seconds: int | None = None) -> None:
    secure = request.url.scheme == "https"
    response.set_cookie(
        name, text, max_age=seconds, path=_path(request), secure=secure, httponly=True, samesite="strict"
    )


def _path(request: HTTPConnection) -> str:
    return str(request.scope.get("root_path") or "/")
