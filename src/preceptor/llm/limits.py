"""How many calls may be in flight to one endpoint: found out, not configured.

Starts at `start`, doubles after each clean round (as many clean replies as the limit) until the first 429; from then on
it grows by 5 % a round and shrinks to 80 % on a 429, at most once in 15 s, because calls sent together fail together.
It grows only while at least 80 % of it was used, or it would drift away from anything tested. A failing server (5xx)
ends the round without a cut: it says nothing about our rate. (The rule of inspect_ai; additive increase and
multiplicative decrease as in TCP.)
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from types import TracebackType

from preceptor.errors import Garbled, RateLimited, Unavailable
from preceptor.llm.clock import Clock, SystemClock
from preceptor.llm.messages import Reply, Request
from preceptor.llm.model import Model

_DEBOUNCE = 15.0
_GROWTH = 1.05
_CUT = 0.8
_WELL_USED = 0.8


@dataclass(frozen=True)
class Traffic:
    """A limiter's state, for displays."""

    limit: int
    active: int
    waiting: int
    rate_limited: int
    """429s so far."""


class Limiter:
    """A gate for one endpoint; share it between the roles that share the endpoint. Use ``async with limiter:``."""

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
        self._active = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._next_start = float("-inf")
        self._steady = False
        self._clean = 0
        self._peak = 0
        self._limited = 0
        self._last_cut = float("-inf")

    @property
    def traffic(self) -> Traffic:
        waiting = sum(not ticket.done() for ticket in self._queue)
        return Traffic(self._limit, self._active, waiting, self._limited)

    async def __aenter__(self) -> None:
        if self._active >= self._limit or self._queue:
            await self._queued()
        else:
            self._take()
        try:
            await self._pace()
        except BaseException:
            self._leave()
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
        self._leave()

    async def _queued(self) -> None:
        ticket = asyncio.get_running_loop().create_future()
        self._queue.append(ticket)
        try:
            await ticket
        except asyncio.CancelledError:
            if ticket.cancelled():
                self._queue = deque(other for other in self._queue if other is not ticket)
            else:
                # The place was given in the very moment of giving up: pass it on.
                self._leave()
            raise

    def _take(self) -> None:
        self._active += 1
        self._peak = max(self._peak, self._active)

    def _leave(self) -> None:
        self._active -= 1
        self._admit()

    def _admit(self) -> None:
        while self._queue and self._active < self._limit:
            ticket = self._queue.popleft()
            if not ticket.done():
                ticket.set_result(None)
                self._take()

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
        self._peak = self._active


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
