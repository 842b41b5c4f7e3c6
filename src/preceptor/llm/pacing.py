"""How many calls a second an endpoint takes, learned from its 429s, and when it wants none at all.

Until the first 429 there is no pace. Then it begins with what went out in the last second, and doubles every two
seconds until that is too much. From there on a call that is refused cuts the pace to four fifths, or to the share of
calls that was taken if that is less; and the pace comes back along a curve that is flat just below where it was refused
and steep beyond: so it stays long near the limit, goes over it seldom, and finds a limit that was raised five-fold in
half a minute. (The shape is that of CUBIC, RFC 9438, as in the adaptive retries of the AWS SDKs; in seconds of use,
relative to the pace, and two powers steeper.)

Calls that were sent before a cut say nothing new when they are refused. A second passes between two cuts, and a few
calls: a server that counts by the second refuses all that comes until the next one. What is not used does not grow.

Some servers refuse by chance, whatever our pace: an overloaded one that is shared does. There each cut is followed by
the next, and helps nothing. So where several cuts in a row came at a lower pace each, and no more than a third of the
calls was refused, it is tried without a pace: for ten seconds, then for twenty, and so on. If more is refused for it,
the pace is back at once.

What a server says itself (Retry-After) holds for everything that is sent to it, not only for the call it refused.
"""

import asyncio
from dataclasses import dataclass
from math import sqrt

from preceptor.llm.clock import Clock
from preceptor.llm.stopping import Stop

_CUT = 0.8
_PLATEAU = 10.0
"""Seconds of use from a cut to where the curve is flat. A 429 costs a second where Retry-After counts in seconds, so
the next should come much later."""
_BELOW = 0.97
"""Where it is flat, of the pace that was refused."""
_POWER = 5
_DOUBLING = 2.0
"""Seconds in which a pace doubles that was never too much."""
_BETWEEN = 1.0
"""Seconds between two cuts, at least."""
_FEW = 5
"""Calls between two cuts, at least; and refusals before they tell anything about chance."""
_IN_VAIN = 6
"""Cuts in a row, each at a lower pace, after which the pace may not be the cause."""
_LOWER = 0.95
"""Of the pace that was refused before: how a limit's own noise is told from that."""
_MANY = 1 / 3
"""A share of calls refused that is not put down to chance."""
_TRIAL = 10.0
"""Seconds of the first trial without a pace."""
_MORE = 3.0
"""Standard deviations above what was refused before, at which a trial is broken off."""
_SLACK = 0.1
"""Seconds of the pace that a busy process may make up for."""
_NEVER = float("-inf")


@dataclass(frozen=True)
class Started:
    """A call that was let out, to tell with it how it ended."""

    cuts: int
    """How many cuts there had been."""


@dataclass
class Stretch:
    """Calls between two cuts, or over several."""

    sent: int = 0
    refused: int = 0

    @property
    def taken(self) -> float:
        """The share of calls that was not refused."""
        return 1 - self.refused / max(self.sent, 1)


class Learned:
    """A pace as refusals tell it. Takes the time with each call and waits for nothing."""

    def __init__(self) -> None:
        self._level: float | None = None
        """Calls a second: where the curve is flat; at first, what it begins with."""
        self._first = True
        self._used = 0.0
        """Seconds of use since the last cut."""
        self._cuts = 0
        self._cut_at = _NEVER
        self._cut_from = 0.0
        """The pace before it."""
        self._now = Stretch()
        """Since the last cut."""
        self._row = 0
        self._in_row = Stretch()
        """Cuts, each at a lower pace than the one before, and the calls over them."""
        self._trial_until = _NEVER
        self._trial_for = _TRIAL
        self._second = _NEVER
        """When the running second began, in which `_count` calls went out; in the one before, `_before`."""
        self._count = self._before = 0

    def rate(self, now: float) -> float | None:
        """Calls a second; None: nothing was refused yet, or only by chance."""
        if self._level is None or now < self._trial_until:
            return None
        if self._first:
            return float(self._level * 2 ** (self._used / _DOUBLING))
        away = self._used / _PLATEAU - 1
        return float(self._level * (1 + (1 - _CUT) * away**_POWER))

    def sent(self, now: float, waited: bool) -> Started:
        """A call goes out; `waited`: for the pace, which so was used."""
        if _NEVER < self._trial_until <= now:
            self._level, self._trial_until, self._trial_for = None, _NEVER, 2 * self._trial_for
            self._turn(now, 0.0)
        if now - self._second >= 1.0:
            self._before = self._count if now - self._second < 2.0 else 0
            self._second, self._count = now, 0
        self._count += 1
        self._now.sent += 1
        if waited and (rate := self.rate(now)):
            self._used += 1 / rate
        return Started(self._cuts)

    def refused(self, now: float, call: Started) -> None:
        """It was answered with 429."""
        if call.cuts != self._cuts:
            return
        self._now.refused += 1
        if now < self._trial_until:
            self._doubt(now)
        elif (rate := self.rate(now)) is None:
            self._begin(now)
        elif now - self._cut_at >= _BETWEEN and self._now.sent >= _FEW:
            self._cut(now, rate)

    def _begin(self, now: float) -> None:
        self._level, self._first = float(max(self._count, self._before, 1)), True
        self._turn(now, 0.0)

    def _cut(self, now: float, rate: float) -> None:
        if rate >= _LOWER * self._cut_from:
            self._row, self._in_row = 0, Stretch()
        self._row += 1
        self._in_row.sent += self._now.sent
        self._in_row.refused += self._now.refused
        self._level, self._first = rate * min(1.0, self._now.taken / _CUT) * _BELOW, False
        self._turn(now, rate)
        if self._row >= _IN_VAIN and self._in_row.taken > 1 - _MANY:
            self._trial_until = now + self._trial_for

    def _doubt(self, now: float) -> None:
        """More is refused without a pace: it was one, after all."""
        expected = (1 - self._in_row.taken) * self._now.sent
        if self._now.refused >= _FEW and self._now.refused > expected + _MORE * sqrt(expected):
            self._trial_until = _NEVER
            self._turn(now, 0.0)

    def _turn(self, now: float, pace: float) -> None:
        """Begin anew, after a cut of that pace."""
        self._used, self._cut_at, self._cut_from = 0.0, now, pace
        self._cuts += 1
        self._now = Stretch()


class Pace:
    """Lets calls out one by one: no faster than was learned, and not before the server said."""

    def __init__(self, clock: Clock, stop: Stop) -> None:
        """`stop` ends waits."""
        self._clock = clock
        self._stop = stop
        self._learned = Learned()
        self._turnstile = asyncio.Lock()
        self._next = _NEVER
        self._held_until = _NEVER

    @property
    def rate(self) -> float | None:
        """Calls a second at most; None: as many as come."""
        return self._learned.rate(self._clock.now())

    async def turn(self) -> Started:
        """Come back when a call may go out. Raises: Stopped: while it waited."""
        # Also behind others: a busy process wakes late, and lets out several at once.
        if waited := self._turnstile.locked() or self._wait() > 0:
            async with self._turnstile:
                while seconds := self._wait():
                    await self._stop.pause(self._clock, seconds)
        now = self._clock.now()
        if rate := self.rate:
            self._next = max(self._next, now - _SLACK) + 1 / rate
        return self._learned.sent(now, waited)

    def refused(self, call: Started) -> None:
        """It was answered with 429."""
        self._learned.refused(self._clock.now(), call)

    def hold(self, seconds: float | None) -> None:
        """The server wants nothing for so long, if it said."""
        if seconds is not None:
            self._held_until = max(self._held_until, self._clock.now() + seconds)

    def _wait(self) -> float:
        """Seconds until a call may go out."""
        paced = self._next if self.rate else _NEVER
        return max(0.0, max(paced, self._held_until) - self._clock.now())
