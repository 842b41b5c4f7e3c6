"""The models behind the gateway: which one a request goes to, and what happens when it does not answer.

Promises: another try only before the first byte of an answer has gone to the client; an upstream that fails again and
again is left alone for a while; no more calls at a time than it is said to take, and no endless queue for them.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from preceptor.serving.connection import Broken, Connection, Headers, Place, Pool
from preceptor.serving.refusals import Refused

Keyed = Callable[[str], Mapping[str, str]]
"""The headers that carry a key."""
FAILURES = 3
"""Failures in a row from which on an upstream counts as down."""
DOWN_SECONDS = 5.0
"""How long it is then left alone; twice as long after each further failure, up to `DOWN_MOST`."""
DOWN_MOST = 60.0
PATHS = 100
"""Beginnings of requests that are remembered."""
PATH = "/:?=&%~!$'()*+,;@"
"""What may stand in a path and query as it is."""
ELSEWHERE = frozenset({429, 500, 502, 503, 504, 529})
"""Answers after which another upstream is tried, if there is one: this one cannot at present."""


@dataclass(frozen=True)
class Upstream:
    """A server of models."""

    name: str
    base_url: str
    """Up to and including its version, such as ``http://127.0.0.1:8000/v1``."""
    key: str = field(default="", repr=False)
    """Sent as bearer token, and as ``x-api-key`` with Anthropic's protocol; empty: none is sent."""
    model: str | None = None
    """Put in place of the model a request names; None leaves it."""
    models: frozenset[str] = frozenset()
    """Models it answers for; empty: all."""
    weight: float = 1.0
    """Its share of requests, relative to the others'. 0: only when all others fail."""
    timeout: float = 120.0
    """Seconds it may say nothing, before its first byte or between two."""
    connect_timeout: float = 5.0
    """Seconds to reach it."""
    most: int = 256
    """Calls at a time."""
    waiting: int = 256
    """Calls that may wait for one of those to end; what comes beyond is refused at once."""


class Line:
    """The way to one upstream, and how it has been."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.running = 0
        self.failures = 0
        """In a row."""
        self.rests_until = 0.0
        """On the monotonic clock."""
        self._room = asyncio.Semaphore(upstream.most)
        place = Place.of(upstream.base_url)
        self.pool = Pool(place, upstream.connect_timeout, upstream.timeout)
        self._place = place
        self._begins: dict[tuple[str, str, Keyed], bytes] = {}

    def head(self, method: str, path: str, keyed: Keyed, headers: Headers, body: bytes | None) -> bytes:
        """The head of a request. `headers`: what the client sent for the upstream.

        Raises:
            Refused: a header that would be two.
        """
        more = b"".join([b"%b: %b\r\n" % header for header in headers])
        if more.count(b"\n") != len(headers) or more.count(b"\r") != len(headers):
            raise Refused(400, "A header of the request holds a line break.", code="bad_header")
        length = b"" if body is None else b"content-length: %d\r\n" % len(body)
        return b"%b%b%b\r\n" % (self._begin(method, path, keyed), length, more)

    def _begin(self, method: str, path: str, keyed: Keyed) -> bytes:
        """What is alike in all requests of a kind; the few that are made again and again are remembered."""
        if known := self._begins.get((method, path, keyed)):
            return known
        key = keyed(self.upstream.key) if self.upstream.key else {}
        # Replies are read on the side, for what they took; a packed one could not be.
        about = {"host": self._place.name, "accept-encoding": "identity", **key}
        lines = [f"{method} {quote(self._place.base + path, safe=PATH)} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in about.items()]
        begin = "".join(f"{line}\r\n" for line in lines).encode("latin-1")
        if "?" not in path and len(self._begins) < PATHS:
            self._begins[method, path, keyed] = begin
        return begin

    @property
    def healthy(self) -> bool:
        return self.failures < FAILURES or time.monotonic() >= self.rests_until

    @property
    def full(self) -> bool:
        return self.running >= self.upstream.most + self.upstream.waiting

    def did(self, well: bool) -> None:
        """Take note of how a call went."""
        if well:
            self.failures = 0
            return
        self.failures += 1
        if self.failures >= FAILURES:
            pause = min(DOWN_SECONDS * 2 ** (self.failures - FAILURES), DOWN_MOST)
            self.rests_until = time.monotonic() + pause

    async def __aenter__(self) -> "Line":
        self.running += 1
        try:
            await self._room.acquire()
        except BaseException:
            self.running -= 1
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.running -= 1
        self._room.release()


class Upstreams:
    """All upstreams."""

    def __init__(self, upstreams: Sequence[Upstream], seed: int | None = None) -> None:
        self.lines = tuple(Line(upstream) for upstream in upstreams)
        self._random = random.Random(seed)

    async def close(self) -> None:
        for line in self.lines:
            line.pool.close()
        # A connection is gone when the event loop comes round to it.
        await asyncio.sleep(0)

    @property
    def ready(self) -> bool:
        """Whether any upstream is thought to be up."""
        return any(line.healthy for line in self.lines)

    def order(self, model: str | None) -> Iterator[Line]:
        """The upstreams to try, one after the other.

        Raises:
            Refused: none answers for this model.
        """
        able = [line for line in self.lines if not line.upstream.models or model in line.upstream.models]
        if not able:
            raise Refused(404, f"The model {model!r} is served by no upstream.", "model", "model_not_found")
        if len(able) == 1:
            return iter(able)
        # Those that are down come last: better a try than a refusal.
        ranked = sorted(able, key=lambda line: (not line.healthy or line.full, -self._lot(line)))
        return iter(ranked)

    def _lot(self, line: Line) -> float:
        """Drawn so that sorting by it picks each first in proportion to its weight (Efraimidis, Spirakis 2006)."""
        return self._random.random() ** (1 / line.upstream.weight) if line.upstream.weight > 0 else -1.0


async def ask(line: Line, head: bytes, body: bytes) -> Connection:
    """The connection with an upstream's answer, its body not yet read; to be put back.

    A connection that was idle may have been closed at the other end just now; then another takes its place, once.

    Raises:
        Broken, Unreachable, TimeoutError
    """
    kept = line.pool.idle()
    if kept is not None:
        try:
            return await _asked(kept, head, body)
        except Broken:
            if kept.heard:
                raise
    return await _asked(await line.pool.connect(), head, body)


async def _asked(connection: Connection, head: bytes, body: bytes) -> Connection:
    try:
        await connection.ask(head, body)
    except BaseException:
        connection.close()
        raise
    return connection
