"""How many calls may be in flight to one endpoint: found out, not configured.

Starts at `start`, doubles after each clean round (as many clean replies as the limit) until the first 429; from then on
it grows by 5 % a round and shrinks to 80 % on a 429, at most once in 15 s, because calls sent together fail together.
It grows only while at least 80 % of it was used, or it would drift away from anything tested. A failing server (5xx)
ends the round without a cut: it says nothing about our rate. (The rule of inspect_ai; additive increase and
multiplicative decrease as in TCP.)

Before a call is sent, its row must be on disk, which takes as long as a commit does. So that no place stands empty
meanwhile, half as many again are let in to prepare (`Admitted`) as may be in flight (`Limited`).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from types import TracebackType

from preceptor.errors import Garbled, RateLimited, Unavailable
from preceptor.llm.clock import Clock, SystemClock
from preceptor.llm.messages import Reply, Request
from preceptor.llm.model import Model

_DEBOUNCE = 15.0
_GROWTH = 1.05
_CUT = 0.8
_WELL_USED = 0.8
_AHEAD = 1.5


@dataclass(frozen=True)
class Traffic:
    """A limiter's state, for displays."""

    limit: int
    active: int
    waiting: int
    rate_limited: int
    """429s so far."""


class Gate:
    """Lets in as many as `room()` says at a time, first come, first served. Use ``async with gate:``."""

    def __init__(self, room: Callable[[], int]) -> None:
        self._room = room
        self._queue: deque[asyncio.Future[None]] = deque()
        self.inside = 0

    @property
    def waiting(self) -> int:
        return sum(not ticket.done() for ticket in self._queue)

    async def __aenter__(self) -> None:
        if self.inside >= self._room() or self._queue:
            await self._queued()
        else:
            self.inside += 1

    async def __aexit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        self.inside -= 1
        while self._queue and self.inside < self._room():
            ticket = self._queue.popleft()
            if not ticket.done():
                ticket.set_result(None)
                self.inside += 1

    async def _queued(self) -> None:
        ticket = asyncio.get_running_loop().create_future()
        self._queue.append(ticket)
        try:
            await ticket
        except asyncio.CancelledError:
            if not ticket.cancelled():
                # The place was given in the very moment of giving up: pass it on.
                self.leave()
            raise


class Limiter:
    """A limit for one endpoint; share it between the roles that share the endpoint. Use ``async with limiter:``."""

    def __init__(
        self,
        start: int = 16,
        maximum: int = 64,
        requests_per_minute: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._limit = min(start, maximum)
        self._maximum = maximum
        self._spacing = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._clock = clock or SystemClock()
        self._places = Gate(lambda: self._limit)
        self.door = Gate(lambda: ceil(self._limit * _AHEAD))
        """Where calls wait that nothing has been prepared for."""
        self._next_start = float("-inf")
        self._steady = False
        self._clean = 0
        self._peak = 0
        self._limited = 0
        self._last_cut = float("-inf")

    @property
    def traffic(self) -> Traffic:
        return Traffic(self._limit, self._places.inside, self._places.waiting + self.door.waiting, self._limited)

    async def __aenter__(self) -> None:
        await self._places.__aenter__()
        self._peak = max(self._peak, self._places.inside)
        try:
            await self._pace()
        except BaseException:
            self._places.leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None
    ) -> None:
        if fault is None:
            self._succeeded()
        elif isinstance(fault, RateLimited):
            self._cut()
        elif isinstance(fault, Unavailable | Garbled):
            self._new_round()
        self._places.leave()

    async def _pace(self) -> None:
        if not self._spacing:
            return
        now = self._clock.now()
        start = max(now, self._next_start)
        self._next_start = start + self._spacing
        if start > now:
            await self._clock.sleep(start - now)

    def _succeeded(self) -> None:
        self._clean += 1
        if self._clean < self._limit:
            return
        if self._peak >= _WELL_USED * self._limit:
            grown = max(self._limit + 1, int(self._limit * _GROWTH)) if self._steady else self._limit * 2
            self._limit = min(self._maximum, grown)
        self._new_round()

    def _cut(self) -> None:
        self._limited += 1
        self._steady = True
        now = self._clock.now()
        if now - self._last_cut >= _DEBOUNCE:
            self._last_cut = now
            self._limit = max(1, int(self._limit * _CUT))
        self._new_round()

    def _new_round(self) -> None:
        self._clean = 0
        self._peak = self._places.inside


@dataclass(frozen=True)
class Admitted:
    """Lets calls in to prepare: half as many again as the limiter lets be in flight."""

    model: Model
    limiter: Limiter

    @property
    def name(self) -> str:
        return self.model.name

    async def ask(self, request: Request) -> Reply:
        async with self.limiter.door:
            return await self.model.ask(request)


@dataclass(frozen=True)
class Limited:
    """Keeps to a limiter, and tells it how each call went."""

    model: Model
    limiter: Limiter

    @property
    def name(self) -> str:
        return self.model.name

    async def ask(self, request: Request) -> Reply:
        async with self.limiter:
            return await self.model.ask(request)
