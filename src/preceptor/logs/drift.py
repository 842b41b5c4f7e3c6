"""Whether customers come with other things than before: the share of moments to which no scenario is near."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean, variance

from preceptor.logs.looks import Look

LEVEL = 0.005
"""Chance of an alarm about conversations that are like those before: windows follow one another for years."""
FEWEST = 30
"""Conversations after the first ones that an alarm needs."""


@dataclass(frozen=True)
class Drift:
    """The newest conversations held against the first ones, both since the scenarios were what they are."""

    first: float
    """Mean share of a conversation's moments to which no scenario is near."""
    now: float
    conversations: int
    """The newest ones, that `now` is the mean of."""
    low: float
    """How much more it is now, at least: the lower end of the one-sided interval at 1 - `LEVEL`."""
    alarm: bool

    @property
    def rise(self) -> float:
        return self.now - self.first


def drift(looks: Sequence[Look], window: int, smallest: float) -> Drift | None:
    """None: too few were looked at to tell.

    Welch's interval, conversations being the units: moments of one are alike. Looked at are the newest `window`
    conversations, half of them, and so on, so that what changed lately is not drowned by what came before; they share
    `LEVEL`. Told is the one that speaks most for a change.

    Args:
        looks: oldest first.
        window: how many the first ones are, and the newest ones at most.
        smallest: rise of the share that is worth an alarm.
    """
    shares = [look.share for look in looks if look.contexts]
    first, later = shares[:window], shares[window:]
    sizes = [size for size in _halves(min(window, len(later))) if size >= min(FEWEST, window)]
    if not sizes:
        return None
    told = [_held(first, later[-size:], LEVEL / len(sizes), smallest) for size in sizes]
    return max(told, key=lambda found: (found.alarm, found.low))


def _halves(size: int) -> Iterator[int]:
    while size > 1:
        yield size
        size //= 2


def _held(first: Sequence[float], now: Sequence[float], level: float, smallest: float) -> Drift:
    error = sqrt(variance(first) / len(first) + variance(now) / len(now))
    rise = fmean(now) - fmean(first)
    low = rise - NormalDist().inv_cdf(1 - level) * error
    return Drift(fmean(first), fmean(now), len(now), low, low > 0 and rise >= smallest)
