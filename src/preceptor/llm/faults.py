"""Provider faults, sorted: from what the SDK raises to what `Retrying` acts on.

The sorting follows the OpenAI client's own: 408, 409, 429 and 5xx are worth another try, ``x-should-retry`` overrides
the status, and the wait is read from ``retry-after-ms``, then ``retry-after`` as seconds or as a date.
However long it is, it is passed on (the OpenAI client takes no notice beyond 120 s): `Retrying` says what to do.
"""

import re
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any

import httpx2
import openai

from preceptor.errors import Denied, Garbled, ProviderError, RateLimited, Rejected, Unavailable

_TRANSIENT = frozenset({408, 409})
_NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
    httpx2.ProxyError,
)
_ADVICE = {
    401: "Check its API key.",
    402: "Check the account's credit.",
    403: "Check its API key and what it may use.",
    404: "Check base_url and the model's name.",
    405: "Check base_url.",
    429: "Check the account's quota.",
}
"""Statuses that refuse us whatever we ask; 429 only when it is not a rate limit."""
_MODERATED = re.compile("flagged|moderation")


def classify(fault: openai.APIError, who: str, secret: str) -> ProviderError:
    """`who` names the model in messages; `secret` is the key, which some servers repeat and no message may hold."""
    told = _sort(fault, who)
    if secret and secret in str(told):
        if isinstance(told, RateLimited | Unavailable | Rejected | Denied):
            told.message = told.message.replace(secret, "[key]")
        else:
            told = type(told)(str(told).replace(secret, "[key]"))
    return told


def whole(fault: openai.APIStatusError) -> str:
    """Everything an error body says, in one line; for reading signs off, not for people."""
    return " ".join(str(fault.body).split())


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait as the headers say. `now` is Unix time, for dates.

    None: they say nothing one could act on.
    """
    for header, divisor in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        seconds = _number(headers.get(header))
        if seconds is not None:
            return _sensible(seconds / divisor)
    return _until(headers.get("retry-after"), now)


def _sort(fault: openai.APIError, who: str) -> ProviderError:
    if isinstance(fault, openai.APIStatusError):
        return _status(fault, who)
    if isinstance(fault, openai.APITimeoutError):
        return Unavailable(f"{who} did not answer in time.", reached=_was_sent(fault))
    if isinstance(fault, openai.APIConnectionError):
        if _was_sent(fault):
            return Unavailable(f"The connection to {who} broke: {_reason(fault)}.")
        return Unavailable(f"{who} cannot be reached: {_reason(fault)}. Check base_url.", reached=False)
    return Garbled(f"{who} sent a reply that cannot be read: {fault.message}")


def _status(fault: openai.APIStatusError, who: str) -> ProviderError:
    status, headers = fault.status_code, fault.response.headers
    text, param, code = _details(fault)
    wait = retry_after(headers, time.time())
    if not _worth_retrying(status, code, headers.get("x-should-retry")):
        return _refusal(status, text, param, who)
    if status == 429:
        return RateLimited(f"{who} asks to slow down (429): {text}", wait)
    return Unavailable(f"{who} failed ({status}): {text}", wait)


def _refusal(status: int, text: str, param: str | None, who: str) -> ProviderError:
    # Some providers answer 403 to a text they find offensive: that is about the request.
    if status in _ADVICE and not _MODERATED.search(text.lower()):
        return Denied(f"{who} refuses us ({status}): {text} {_ADVICE[status]}", status)
    return Rejected(f"{who} refused the request ({status}): {text}", status, param)


def _worth_retrying(status: int, code: object, said: str | None) -> bool:
    if said in ("true", "false"):
        return said == "true"
    # A quota that is spent looks like a rate limit, but no waiting refills it.
    return code != "insufficient_quota" and (status in _TRANSIENT or status == 429 or status >= 500)


def _details(fault: openai.APIStatusError) -> tuple[str, str | None, object]:
    """Message, field and code of an error body; servers wrap them in different ways."""
    body: Any = fault.body
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        body = body["error"]
    if not isinstance(body, dict):
        return _shortened(str(body or fault.response.reason_phrase or "no reason given")), None, None
    text = body.get("message") or body.get("detail") or body.get("error") or body
    param = body.get("param")
    return _shortened(str(text)), param if isinstance(param, str) else None, body.get("code")


def _shortened(text: str, longest: int = 500) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[:longest]}…"


def _was_sent(fault: openai.APIConnectionError) -> bool:
    return not isinstance(fault.__cause__, _NOT_SENT)


def _reason(fault: openai.APIConnectionError) -> str:
    return _shortened(str(fault.__cause__ or fault)).rstrip(".") or type(fault.__cause__).__name__


def _number(value: str | None) -> float | None:
    try:
        return float(value) if value is not None else None
    except ValueError:
        return None


def _until(date: str | None, now: float) -> float | None:
    """A form of old has no zone in it and means UTC like the others (RFC 9110, 5.6.7)."""
    try:
        at = parsedate_to_datetime(date) if date else None
        return None if at is None else _sensible((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _sensible(seconds: float) -> float | None:
    return max(seconds, 0.0) if isfinite(seconds) else None
