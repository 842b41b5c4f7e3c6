"""The models behind the gateway: which one a request goes to, and what happens when it does not answer.

Promises: another try only before the first byte of an answer has gone to the client; an upstream that fails again and
again is left alone for a while; no more calls at a time than it is said to take, and no endless queue for them.
"""

import asyncio
import io
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from preceptor.serving.refusals import Refused

KEEPALIVE = 4.0
"""Seconds an idle connection is kept. Less than any server we know keeps it: vLLM closes after 5."""
FAILURES = 3
"""Failures in a row from which on an upstream counts as down."""
DOWN_SECONDS = 5.0
"""How long it is then left alone; twice as long after each further failure, up to `DOWN_MOST`."""
DOWN_MOST = 60.0
PATHS = 100
"""Paths whose URLs are remembered."""
IN_PIECES = 1 << 18
"""Bytes from which on a body is sent in pieces."""
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
        self._urls: dict[str, URL] = {}
        self.timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=upstream.connect_timeout, sock_read=upstream.timeout
        )

    def url(self, path: str) -> URL:
        """Where a path is; the few that are asked for again and again are remembered."""
        if known := self._urls.get(path):
            return known
        url = URL(self.upstream.base_url + path, encoded=True)
        if "?" not in path and len(self._urls) < PATHS:
            self._urls[path] = url
        return url

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
    """All upstreams. Open it inside the event loop that serves."""

    def __init__(self, upstreams: Sequence[Upstream], seed: int | None = None) -> None:
        self.lines = tuple(Line(upstream) for upstream in upstreams)
        self._random = random.Random(seed)
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        # The semaphores bound what is under way; the connector need not do it again.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE, ttl_dns_cache=30),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
        )

    async def close(self) -> None:
        if self._session:
            await self._session.close()

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

    async def send(
        self, line: Line, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> aiohttp.ClientResponse:
        """An upstream's answer, its body not yet read.

        A connection that was idle may have been closed at the other end just now; then the call is made once more.

        Raises:
            aiohttp.ClientError, TimeoutError
        """
        try:
            return await self._send(line, method, path, headers, body)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as fault:
            if isinstance(fault, aiohttp.ClientConnectorError):
                raise
            return await self._send(line, method, path, headers, body)

    async def _send(
        self, line: Line, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> aiohttp.ClientResponse:
        assert self._session is not None, "open() comes first"
        return await self._session.request(
            method,
            line.url(path),
            headers=headers,
            # In one piece, a long body would be copied while everyone else waits.
            data=io.BytesIO(body) if body is not None and len(body) > IN_PIECES else body,
            allow_redirects=False,
            timeout=line.timeout,
        )
