"""How many calls may be in flight to one endpoint, and how many a second may go out: found out, not configured.

At a time: starts at `start` and doubles after each round (as many replies as the limit) until the maximum or the first
429; from then on it grows by 5 % a round. It grows only while at least 80 % of it was used, or it would drift away
from anything tested. What fails does not count: it says nothing about how much is too much.

A second: see `pacing`. It is the pace that a 429 slows. A limit of calls at a time cannot be set so that it holds to
twenty a second with a server that answers in 5 ms; but a pace holds to a limit of calls at a time, too, which is one of
calls a second for as long as they take the same time (Little's law).

Before a call is sent, its row must be on disk, which takes as long as a commit does. So that no place stands empty
meanwhile, half as many again are let in to prepare (`Admitted`) as may be in flight (`Limited`).
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from math import ceil
from typing import Protocol

from preceptor.errors import RateLimited, Unavailable
from preceptor.llm.clock import Clock, SystemClock
from preceptor.llm.leaving import Door, Held, leaving
from preceptor.llm.messages import Reply, Request
from preceptor.llm.model import Model
from preceptor.llm.pacing import Pace
from preceptor.llm.stopping import Stop

_GROWTH = 1.05
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
    pace: float | None
    """Calls a second that 429s have slowed it to; None: they have not."""


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


class Turns(Protocol):
    """Who may call an endpoint when, where only so many calls a minute are allowed."""

    async def take(self, spacing: float) -> float:
        """Take the next turn, `spacing` seconds or more after the one before; how many seconds from now it is."""


class OwnTurns:
    """The turns of one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next = float("-inf")

    async def take(self, spacing: float) -> float:
        now = self._clock.now()
        start = max(now, self._next)
        self._next = start + spacing
        return start - now


class Limiter:
    """A limit for one endpoint; share it between the roles that share the endpoint. Use ``async with limiter.place():``
    around each call."""

    def __init__(
        self,
        start: int = 16,
        maximum: int = 64,
        requests_per_minute: float | None = None,
        clock: Clock | None = None,
        stop: Stop | None = None,
        turns: Turns | None = None,
    ) -> None:
        """`stop` ends waits for a turn. `turns`: keeps the calls of several processes apart, as `requests_per_minute`
        asks; without it, those of this one."""
        self._limit = min(start, maximum)
        self._maximum = maximum
        self._spacing = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._clock = clock or SystemClock()
        self._stop = stop or Stop()
        self._pace = Pace(self._clock, self._stop)
        self._turns = turns or OwnTurns(self._clock)
        self._places = Gate(lambda: self._limit)
        self.door = Gate(lambda: ceil(self._limit * _AHEAD))
        """Where calls wait that nothing has been prepared for."""
        self._clean = 0
        self._peak = 0
        self._limited = 0

    @property
    def traffic(self) -> Traffic:
        waiting = self._places.waiting + self.door.waiting
        return Traffic(self._limit, self._places.inside, waiting, self._limited, self._pace.rate)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Door]:
        """A place in flight, once there is one and it is its turn. What the call raises tells how it went; `Held`, that
        it was not made.

        Raises:
            Stopped: while it waited for its turn.
        """
        async with self._places:
            self._peak = max(self._peak, self._places.inside)
            await self._spaced()
            call = await self._pace.turn()
            try:
                yield self._pace
            except RateLimited as fault:
                self._limited += 1
                self._pace.refused(call)
                self._pace.hold(fault.retry_after)
                self._new_round()
                raise
            except Unavailable as fault:
                self._pace.hold(fault.retry_after)
                raise
            self._succeeded()

    async def _spaced(self) -> None:
        if not self._spacing:
            return
        wait = await self._turns.take(self._spacing)
        if wait > 0:
            await self._stop.pause(self._clock, wait)

    def _succeeded(self) -> None:
        self._clean += 1
        if self._clean < self._limit:
            return
        if self._peak >= _WELL_USED * self._limit:
            grown = max(self._limit + 1, int(self._limit * _GROWTH)) if self._limited else self._limit * 2
            self._limit = min(self._maximum, grown)
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
        while True:
            with suppress(Held):
                async with self.limiter.place() as door:
                    with leaving(door):
                        return await self.model.ask(request)
