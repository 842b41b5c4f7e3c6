"""How many calls a second an endpoint takes, learned from its 429s, and when it wants none at all.

Until the first 429 there is no pace. Then it begins with what went out in the last second, and doubles every two
seconds until that is too much. From there on a call that is refused cuts the pace to four fifths, or to the share of
calls that was taken if that is less; and the pace comes back along a curve that is flat just below where it was refused
and steep beyond: so it stays long near the limit, goes over it seldom, and finds a limit that was raised five-fold in
half a minute. (The shape is that of CUBIC, RFC 9438, as in the adaptive retries of the AWS SDKs; in seconds of use,
relative to the pace, and two powers steeper.)

Calls that were sent before a cut say nothing new when they are refused. A second passes between two cuts, and a few
calls: a server that counts by the second refuses all that comes until the next one. What is not used does not grow.

Some servers refuse by chance, whatever our pace: an overloaded one that is shared does. There a pace helps nothing, but
each refusal cuts it, until one comes in about every ten seconds: of a server that refuses one call in twenty, two calls
a second would be left, however many it takes. So after sixteen cuts, or eight in a row at a lower pace each, the pace
is on trial. It doubles every two seconds, and a refusal does not cut it. If more is refused for it than was, or no more
is taken, it had been right, and is back; after the former, twice as many cuts pass until the next trial. If not, there
is none until more is refused than was.

What a server says itself (Retry-After) holds for everything that is sent to it, not only for the call it refused: for
what has had its turn and not been sent, too (`leaving`).
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
"""Calls between two cuts, at least."""
_IN_ROW = 8
"""Cuts in a row, each at a lower pace, that may be in vain. To a limit that fell to a fifth there are seven."""
_LOWER = 0.95
"""Of the pace that was refused before: how a limit's own noise is told from that."""
_IN_VAIN, _MOST = 16, 32
"""Cuts in all that may be: at first, and at most, after trials in which more was refused. Under a limit of calls a
second they take minutes, so that what a trial costs, a handful of refusals, is lost among the rest."""
_TRIAL = 10.0
"""Seconds of a trial, and of each look at what is refused without a pace;"""
_ENOUGH = 50
"""and calls, at least."""
_GAIN = 1.5
"""How many times as much must be taken in a trial. Half as much again is more than a server gives from what it saved
up, and less than the trial asks for."""
_RECENT = 1000
"""Calls after which those before count half."""
_MANY = 1 / 3
"""A share of calls refused that is not put down to chance."""
_TOLD = 3
"""Refusals that tell anything, at least."""
_DOUBT, _PROOF = 3.0, 4.0
"""Standard deviations above what was refused before that are no chance, in a trial and after one. It is looked at with
each refusal, so that three would be passed by chance in some minutes; a trial is short."""
_SLACK = 0.1
"""Seconds of the pace that a busy process may make up for."""
_NEVER = float("-inf")


@dataclass(frozen=True)
class Started:
    """A call that was let out, to tell with it how it ended."""

    turns: int
    """How many turns the pace had taken."""


@dataclass
class Stretch:
    """Calls between two cuts, or over several."""

    sent: int = 0
    refused: int = 0

    @property
    def taken(self) -> int:
        return self.sent - self.refused

    @property
    def share(self) -> float:
        """Of calls that were taken."""
        return self.taken / max(self.sent, 1)

    def add(self, more: "Stretch") -> None:
        self.sent += more.sent
        self.refused += more.refused
        if self.sent > _RECENT:
            self.sent, self.refused = self.sent // 2, self.refused // 2

    def is_worse(self, than: "Stretch", deviations: float) -> bool:
        """More of these calls were refused than of those, by more than chance."""
        expected = self.sent * (than.refused + 1) / (than.sent + 1)
        spread = sqrt(expected * (1 + self.sent / (than.sent + 1)))
        return self.refused >= _TOLD and self.refused > expected + deviations * spread


@dataclass(frozen=True)
class Proven:
    """What was there before a trial."""

    level: float
    taken: float
    """Calls a second, over what came before the last cut."""


class Learned:
    """A pace as refusals tell it. Takes the time with each call and waits for nothing."""

    def __init__(self) -> None:
        self._level: float | None = None
        """Calls a second: where the curve is flat; while the pace doubles, what it began with."""
        self._doubles = True
        self._used = 0.0
        """Seconds of use since the last turn."""
        self._turns = 0
        """Cuts, and other moments from which on all is counted anew."""
        self._turned_at = _NEVER
        self._cut_from = 0.0
        """The pace before the last cut."""
        self._now = Stretch()
        """Since the last turn."""
        self._past = Stretch()
        """Before it, as far as it tells what is refused by chance."""
        self._row = self._in_vain = 0
        """Cuts in a row at a lower pace each, and cuts since the last trial."""
        self._patience = _IN_VAIN
        self._chance = False
        """In a trial or after it: refusals are put down to chance as long as there are not more than there were."""
        self._proven: Proven | None = None
        """In a trial: what to go back to."""
        self._second = _NEVER
        """When the running second began, in which `_count` calls went out; in the one before, `_before`."""
        self._count = self._before = 0

    def rate(self, now: float) -> float | None:
        """Calls a second; None: nothing was refused yet, or only by chance."""
        if self._level is None:
            return None
        if self._doubles:
            return float(self._level * 2 ** (self._used / _DOUBLING))
        away = self._used / _PLATEAU - 1
        return float(self._level * (1 + (1 - _CUT) * away**_POWER))

    def sent(self, now: float, waited: bool) -> Started:
        """A call goes out; `waited`: for the pace, which so was used."""
        if self._chance and now - self._turned_at >= _TRIAL and self._now.sent >= _ENOUGH:
            self._judge(now)
        if now - self._second >= 1.0:
            self._before = self._count if now - self._second < 2.0 else 0
            self._second, self._count = now, 0
        self._count += 1
        self._now.sent += 1
        if waited and (rate := self.rate(now)):
            self._used += 1 / rate
        return Started(self._turns)

    def refused(self, now: float, call: Started) -> None:
        """It was answered with 429."""
        if call.turns != self._turns:
            return
        self._now.refused += 1
        if self._chance:
            if self._now.is_worse(self._past, _DOUBT if self._proven else _PROOF):
                self._convict(now)
        elif (rate := self.rate(now)) is None:
            self._begin(now)
        elif now - self._turned_at >= _BETWEEN and self._now.sent >= _FEW:
            self._cut(now, rate)

    def _begin(self, now: float) -> None:
        self._level, self._doubles = float(max(self._count, self._before, 1)), True
        self._turn(now)

    def _cut(self, now: float, rate: float) -> None:
        done, seconds = self._now, now - self._turned_at
        self._level, self._doubles = rate * min(1.0, done.share / _CUT) * _BELOW, False
        # A limit that fell refuses very many for a moment, which tells nothing of chance.
        if done.share > 1 - _MANY or done.refused < _TOLD:
            self._past.add(done)
        self._in_vain += 1
        self._row = self._row + 1 if rate < _LOWER * self._cut_from else 0
        self._cut_from = rate
        self._turn(now)
        if self._in_vain >= self._patience or self._row >= _IN_ROW:
            self._chance, self._doubles = True, True
            self._proven = Proven(self._level, done.taken / seconds)

    def _judge(self, now: float) -> None:
        """Ten seconds are over, and no more was refused than before."""
        if self._proven and self._now.taken < _GAIN * self._proven.taken * (now - self._turned_at):
            self._go_back(now, self._proven)
            return
        self._past.add(self._now)
        self._level, self._proven, self._patience = None, None, _IN_VAIN
        self._turn(now)

    def _convict(self, now: float) -> None:
        """There is a limit, after all."""
        if self._proven:
            self._patience = min(_MOST, 2 * self._patience)
            self._go_back(now, self._proven)
        else:
            self._chance, self._past, self._row, self._in_vain = False, Stretch(), 0, 0
            self._begin(now)

    def _go_back(self, now: float, proven: Proven) -> None:
        self._level, self._doubles = proven.level, False
        self._proven, self._chance, self._past, self._row, self._in_vain = None, False, Stretch(), 0, 0
        self._turn(now)

    def _turn(self, now: float) -> None:
        self._used, self._turned_at = 0.0, now
        self._turns += 1
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

    @property
    def held(self) -> bool:
        """The server wants nothing now."""
        return self._clock.now() < self._held_until

    def _wait(self) -> float:
        """Seconds until a call may go out."""
        paced = self._next if self.rate else _NEVER
        return max(0.0, max(paced, self._held_until) - self._clock.now())
