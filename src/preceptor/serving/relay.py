"""A request on its way to an upstream, and the answer on its way back, byte for byte.

Promises: a client that hangs up ends the upstream's call, streaming or not; an answer once begun is never begun again;
nothing of an answer is parsed, reordered or held back.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from preceptor.serving.connection import Connection, Unreachable
from preceptor.serving.protocols import openai
from preceptor.serving.refusals import Refused
from preceptor.serving.upstream import ELSEWHERE, Keyed, Line, Upstream, Upstreams, ask

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

WHOLE = 1 << 20
"""Answers up to this many bytes that are no stream are read before they are passed on: one that is cut can then be
asked for again."""
NOT_ON = frozenset(
    (
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailer"),
        *(b"transfer-encoding", b"upgrade", b"host", b"content-length", b"expect"),
        # Replies are read on the side, for what they took; a packed one could not be.
        b"accept-encoding",
        # Ours: no key of a client's and no cookie is an upstream's business.
        *(b"authorization", b"x-api-key", b"api-key", b"cookie"),
    )
)
"""Headers of a request that are not passed on; nor is any that begins with ``x-preceptor-``."""
NOT_BACK = frozenset(
    (b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"trailer", b"set-cookie", b"server")
)
"""Headers of an answer that are not passed back; nor is any that begins with ``x-preceptor-``: those are ours."""


JSON = (b"application/json", b"text/event-stream")
"""What successes say they are."""
MOVED = frozenset({301, 302, 303, 307, 308})


class Nonsense(ConnectionError):
    """An answer that cannot be passed on; its text says what the upstream did."""


class Ear(Protocol):
    """Listens to an answer on the side."""

    def hear(self, piece: bytes) -> None:
        """A piece of it, before it is passed on."""

    def over(self) -> None:
        """That was all, or it was cut; called before the client can know. A second time changes nothing."""


class Traced(Protocol):
    """Follows one request and its calls to upstreams."""

    def calling(self, upstream: Upstream, headers: Headers) -> Headers:
        """An upstream is about to be asked; the headers it is to get."""

    def called(self, status: int, fault: str) -> None:
        """That is over. `status`: what the upstream answered; 0: nothing. `fault`: what went wrong, if anything."""


@dataclass
class Trip:
    """One request, and what became of it; for metrics and logs."""

    method: str
    path: str
    """Below the upstream's base URL."""
    body: bytes | None
    """As the upstream gets it."""
    headers: Headers
    """Without the upstream's key and what belongs to the connection."""
    answer_headers: Headers
    """Ours, added to the answer."""
    model: str | None = None
    body_for: Callable[[str], bytes] | None = None
    """The body with another model's name in it, for upstreams that want their own."""
    keyed: Keyed = openai.keyed
    """The headers that carry an upstream's key."""
    broken: Callable[[Refused], bytes] | None = None
    """How a stream that was cut says so."""
    ear: Ear | None = None
    traced: Traced | None = None
    began: float = field(default_factory=time.perf_counter)
    upstream: str = ""
    """Who answered."""
    tries: int = 0
    status: int = 0
    said: int = 0
    """The status that an upstream answered with last, whether or not it was passed on; 0: none."""
    first_byte: float = 0.0
    """Seconds until the upstream's first byte."""
    started: bool = False
    """The answer to the client has begun."""
    cut: bool = False
    """It was not brought to its end."""


def forwarded(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers of a request that an upstream gets."""
    return [header for header in headers if header[0] not in NOT_ON and not header[0].startswith(b"x-preceptor-")]


async def relay(upstreams: Upstreams, trip: Trip, receive: Receive, send: Send) -> None:
    """Pass a request on and its answer back. The request's body has been received.

    Raises:
        Refused: no upstream answered; nothing has been sent to the client.
    """
    task = asyncio.current_task()
    assert task is not None
    watch = asyncio.ensure_future(receive())
    gone = False

    def hung_up(done: "asyncio.Future[Event]") -> None:
        nonlocal gone
        if not done.cancelled() and not done.exception() and done.result()["type"] == "http.disconnect":
            gone = True
            task.cancel()

    watch.add_done_callback(hung_up)
    try:
        await _pass(upstreams, trip, send)
    except asyncio.CancelledError:
        if not gone or task.uncancel() > 0:
            raise
        trip.cut = True
    finally:
        watch.remove_done_callback(hung_up)
        watch.cancel()


async def _pass(upstreams: Upstreams, trip: Trip, send: Send) -> None:
    refused: Refused | None = None
    lines = list(upstreams.order(trip.model))
    for line in lines:
        last = line is lines[-1]
        if line.full:
            refused = refused or Refused(
                503,
                "Too many requests are waiting. Try again shortly.",
                code="overloaded",
                headers={"retry-after": "1"},
            )
            continue
        async with line:
            trip.said, wrong = 0, ""
            try:
                if await _ask(line, trip, send, settle=last):
                    return
            except OSError as fault:
                line.did(well=False)
                told = _told(line.upstream.name, fault)
                wrong = told.code or told.kind
                if trip.started:
                    trip.cut = True
                    return
                refused = told
            finally:
                if trip.traced is not None:
                    trip.traced.called(trip.said, wrong)
    raise refused or Refused(502, "No upstream answered.", code="upstream_error")


async def _ask(line: Line, trip: Trip, send: Send, *, settle: bool) -> bool:
    """Ask one upstream and pass its answer on; `settle`: whatever it is. False: it cannot at present, another may.

    Raises:
        OSError: it did not answer, or not to the end.
    """
    upstream = line.upstream
    trip.tries += 1
    trip.upstream = upstream.name
    body = trip.body
    if upstream.model and trip.body_for and upstream.model != trip.model:
        body = trip.body_for(upstream.model)
    headers = trip.headers if trip.traced is None else trip.traced.calling(upstream, trip.headers)
    head = line.head(trip.method, trip.path, trip.keyed, headers, body)
    answer = await ask(line, head, body or b"")
    try:
        trip.first_byte = time.perf_counter() - trip.began
        trip.said = answer.status
        line.did(well=answer.status < 500)
        if answer.status in ELSEWHERE and not settle:
            return False
        kind = _kind(answer)
        _check(answer, kind)
        if _is_stream(answer, kind):
            trip.status = answer.status
            await _stream(answer, trip, send)
        else:
            whole = await answer.whole()
            if answer.status < 300 and not _is_json(whole):
                raise Nonsense("answered something that is no JSON")
            trip.status = answer.status
            _hear(trip, whole)
            trip.started = True
            await send(_start(answer, trip))
            await send({"type": "http.response.body", "body": whole})
        return True
    finally:
        # One whose answer was not read to its end is closed.
        line.pool.put_back(answer)


async def _stream(answer: Connection, trip: Trip, send: Send) -> None:
    trip.started = True
    await send(_start(answer, trip))
    tail = b""
    try:
        while piece := await answer.piece():
            tail = (tail + piece)[-4:] if len(piece) < 4 else piece[-4:]
            if trip.ear:
                trip.ear.hear(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except OSError as fault:
        # Between two events the client can be told; within one, or in what is no event stream, the connection is cut,
        # as the upstream has cut it.
        if trip.broken is None or not _between_events(answer, tail):
            raise
        trip.cut = True
        piece = trip.broken(_told(trip.upstream, fault))
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    _hear(trip)
    await send({"type": "http.response.body", "body": b""})


def _hear(trip: Trip, last: bytes = b"") -> None:
    """The end of an answer."""
    if trip.ear:
        if last:
            trip.ear.hear(last)
        trip.ear.over()


def _start(answer: Connection, trip: Trip) -> Event:
    # The length of what an answer without a body stands for is not its own.
    dropped = NOT_BACK | {b"content-length"} if answer.status == 304 else NOT_BACK
    headers = [
        header for header in answer.headers if header[0] not in dropped and not header[0].startswith(b"x-preceptor-")
    ]
    headers += [*trip.answer_headers, (b"x-preceptor-upstream", trip.upstream.encode("ascii", "replace"))]
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


def _kind(answer: Connection) -> bytes:
    """What the answer says its body is."""
    return next((value for name, value in answer.headers if name == b"content-type"), b"")


def _check(answer: Connection, kind: bytes) -> None:
    """Raises: Nonsense: the answer's head cannot be passed on."""
    status = answer.status
    if status in MOVED:
        # Not followed, with our key in hand, nor passed on, for the client to take its own there.
        raise Nonsense(f"sent us elsewhere ({status}); its base_url should name the place")
    if status in (204, 205) or not 200 <= status < 600:
        raise Nonsense(f"answered with the status {status}")
    if status < 300 and kind and not kind.startswith(JSON) and b"json" not in kind.lower():
        raise Nonsense(f"answered with {kind[:60].decode('latin-1')!r}, which is no JSON")


def _is_json(whole: bytes) -> bool:
    """Whether an answer looks it from both ends; reading it is the client's business."""
    inside = whole.strip()
    return inside[:1] in (b"{", b"[") and inside[-1:] in (b"}", b"]")


def _is_events(kind: bytes) -> bool:
    return kind.startswith(b"text/event-stream")


def _between_events(answer: Connection, tail: bytes) -> bool:
    """Whether something can be said after the bytes that were passed on."""
    plain = _is_events(_kind(answer)) and all(name != b"content-encoding" for name, _ in answer.headers)
    return plain and (not tail or tail.endswith((b"\n\n", b"\r\n\r\n")))


def _is_stream(answer: Connection, kind: bytes) -> bool:
    return answer.length is None or answer.length > WHOLE or _is_events(kind)


def _told(upstream: str, fault: Exception) -> Refused:
    """A failure to get an answer, in words that name no address and no key."""
    if isinstance(fault, Nonsense):
        return Refused(502, f"The upstream {upstream!r} {fault}.", code="upstream_nonsense")
    if isinstance(fault, TimeoutError):
        return Refused(504, f"The upstream {upstream!r} did not answer in time.", code="upstream_timeout")
    if isinstance(fault, Unreachable):
        return Refused(502, f"The upstream {upstream!r} cannot be reached.", code="upstream_unreachable")
    return Refused(502, f"The upstream {upstream!r} broke off its answer.", code="upstream_broke_off")
