"""Server-sent events: a part of a page, each time it has changed."""

from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
from starlette.responses import Response, StreamingResponse

from preceptor.web.visits import Visit

KIND = "text/event-stream"
Look = Callable[[], Awaitable[tuple[str, bool]]]
"""The part as it is now, and whether it will still change."""


def follow(visit: Visit, look: Look, every: float) -> Response:
    """Events called ``board`` with the part, and ``over`` at the end: when nothing changes any more.

    Args:
        every: seconds between two looks. A reader who has gone ends it, too.
    """

    async def stream() -> AsyncIterator[bytes]:
        before = ""
        while not await visit.request.is_disconnected():
            drawn, going = await look()
            if drawn != before:
                yield event("board", drawn)
                before = drawn
            if not going:
                yield event("over", "")
                return
            await anyio.sleep(every)

    return StreamingResponse(stream(), media_type=KIND)


def event(name: str, text: str) -> bytes:
    """One event with a text of any number of lines."""
    lines = "".join(f"data: {line}\n" for line in text.splitlines() or [""])
    return f"event: {name}\n{lines}\n".encode()
