"""Looking at results while they come in, without fooling oneself.

An ordinary interval holds the truth 95 times in 100 if looked at once; who looks after every customer and stops when it
leaves 0 is wrong far more often. A confidence sequence holds the truth at *all* times at once with that chance, so one
may stop whenever one likes, for whatever reason. The price is a wider interval at any one time.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from preceptor.evaluation.statistics import Interval

STAKES = np.array([0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
"""Shares of the purse staked at each customer, side by side: small ones find small differences, large ones large."""
STEPS = 400
"""The range is searched in so many steps, and the interval rounded outward to one: 0.02 between ratings."""


class Watch:
    """A confidence sequence for the mean of bounded values, such as paired differences of ratings.

    Betting against each candidate mean (Waudby-Smith & Ramdas, "Estimating means of bounded random variables by
    betting", JRSS B 2023, arXiv 2010.09686; here with several constant stakes side by side): if the candidate is the
    mean, a purse that bets on higher values, and one that bets on lower, each grow forty-fold at most once in forty
    times (Ville's inequality), however long one watches. Candidates against whom one did are ruled out for good. Valid
    for every distribution on the range and every number of values.

    Feed customers in the order in which they were drawn, not that in which they were finished: quick conversations are
    not like slow ones.
    """

    def __init__(self, low: float, high: float, alpha: float = 0.05) -> None:
        """Between `low` and `high` lie all values: -4 and 4 for differences of ratings from 1 to 5.

        Raises:
            ValueError: the range is empty.
        """
        if not low < high:
            raise ValueError(f"The range must have a width, got {low!r} to {high!r}.")
        self._low, self._width = low, high - low
        self._bar = float(np.log(2 / alpha))
        self._means = np.linspace(0, 1, STEPS + 1)[1:-1]
        self._up: NDArray[np.float64] = np.zeros((len(STAKES), len(self._means)))
        self._down: NDArray[np.float64] = np.zeros_like(self._up)
        self._ruled_low, self._ruled_high = 0, len(self._means)  # the candidates still in: [low, high)
        self._n, self._sum = 0, 0.0

    def add(self, value: float) -> Interval:
        """Take the next value in, and say where the mean is by now.

        Raises:
            ValueError: the value is outside the range.
        """
        share = (value - self._low) / self._width
        if not 0 <= share <= 1:
            raise ValueError(f"{value!r} is outside {self._low!r} to {self._low + self._width!r}.")
        self._n += 1
        self._sum += value
        self._up += np.log1p(STAKES[:, None] * (share / self._means - 1))
        self._down += np.log1p(STAKES[:, None] * ((1 - share) / (1 - self._means) - 1))
        # Each purse is monotone in the candidate, so what is ruled out lies outside an interval.
        too_low = int((_purse(self._up) >= self._bar).sum())
        too_high = int((_purse(self._down) >= self._bar).sum())
        self._ruled_low = max(self._ruled_low, too_low)
        self._ruled_high = min(self._ruled_high, len(self._means) - too_high)
        return self.interval

    @property
    def interval(self) -> Interval:
        """The mean so far, with what has not been ruled out; the whole range before the first value."""
        edges = np.concatenate([[0.0], self._means, [1.0]])  # candidate i stands between edges i and i + 2
        low, high = edges[self._ruled_low], edges[self._ruled_high + 1]
        value = self._sum / self._n if self._n else float("nan")
        return Interval(value, self._low + self._width * float(low), self._low + self._width * float(high), self._n)


def _purse(stakes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log of the mean over the stakes."""
    return np.asarray(logsumexp(stakes, axis=0) - np.log(len(STAKES)), dtype=np.float64)
