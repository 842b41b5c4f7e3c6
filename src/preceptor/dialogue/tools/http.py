"""One HTTP endpoint for all tools: each call is a POST, its answer's body the result."""

from collections.abc import Mapping
from typing import Any

import httpx2
import orjson

from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.outcome import Outcome
from preceptor.dialogue.tools.backend import Visit, without
from preceptor.errors import ToolFailed, UserError

LONGEST = 1_000_000
"""Bytes of an answer that are read at most."""
_UNSENT = (
    *(httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout),
    *(httpx2.ProxyError, httpx2.UnsupportedProtocol, httpx2.InvalidURL, httpx2.LocalProtocolError),
)
"""Faults from before anything was sent: nothing was done."""


class HttpTools:
    """A `Backend`. Nothing is asked a second time: an endpoint may have done what it did not answer."""

    def __init__(
        self, url: str, key: str = "", timeout: float = 30.0, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        """`key`: sent as bearer token; empty for none."""
        self._url, self._key = url, key
        headers = {"authorization": f"Bearer {key}"} if key else {}
        # No redirects: they would carry a customer's data, and the key, to wherever an answer says.
        self._http = httpx2.AsyncClient(headers=headers, timeout=timeout, transport=transport, follow_redirects=False)

    async def call(self, name: str, arguments: Mapping[str, Any], visit: Visit, key: str) -> str:
        """Raises: ToolFailed, UserError"""
        asked = {
            "name": name,
            "arguments": arguments,
            "conversation": visit.conversation,
            "customer": {"key": visit.customer, "topic": visit.topic, "seed": visit.seed},
        }
        headers = {"content-type": "application/json", "idempotency-key": key}
        try:
            async with self._http.stream("POST", self._url, content=orjson.dumps(asked), headers=headers) as response:
                body = await _read(response)
        except _UNSENT as fault:
            said = without(str(fault) or type(fault).__name__, [self._key])
            raise UserError(f"{self._url} does not answer: {said}.") from None
        except httpx2.TimeoutException:
            raise TimeoutError from None
        except (httpx2.HTTPError, OSError) as fault:
            said = "The tool's server went away. It is not known whether this was done."
            raise ToolFailed(said, "unreachable", type(fault).__name__) from None
        text = without(body.decode("utf-8", "replace"), [self._key])
        if response.is_success:
            return text
        if response.is_client_error and (said := _refusal(text)):
            raise ToolFailed(said)
        raise ToolFailed("The tool failed.", "broken", f"HTTP {response.status_code}")

    async def ready(self, visit: Visit) -> None:
        pass

    def outcome(self, visit: Visit, conversation: Conversation) -> Outcome | None:
        return None

    async def leave(self, visit: Visit) -> None:
        pass

    async def aclose(self) -> None:
        await self._http.aclose()


async def _read(response: httpx2.Response) -> bytes:
    parts, size = [], 0
    async for part in response.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size >= LONGEST:
            break
    return b"".join(parts)[:LONGEST]


def _refusal(text: str) -> str:
    """What an endpoint says against a request, where it says so in the form ``{"error": "…"}``."""
    try:
        said = orjson.loads(text)["error"]
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return ""
    return said if isinstance(said, str) else ""
