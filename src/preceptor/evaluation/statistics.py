"""Intervals for what was measured on customers. scipy does the arithmetic; what was chosen, and why, is measured.

The unit is the customer: whoever has several rows (turns, repeats, arms) is resampled with all of them. Every interval
is at 95 %. For means, differences and ratios it is the BCa bootstrap (Efron 1987), *expanded* as Hesterberg proposes
("What Teachers Should Know About the Bootstrap", The American Statistician 69(4), 2015, section 5.3): resamples vary
by a factor sqrt((n-1)/n) too little, and a normal quantile stands where Student's belongs, so plain BCa misses more
often than it says in small samples. Rates and differences of yes-or-no outcomes have intervals of their own.
`make bench-statistics` counts how often each of them holds the truth.
"""

import math
import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

RESAMPLES = 1999
"""At 2,000, drawing others moves an end by 3 % of the half width; thousands more make long reports slow for little."""
LEVEL = 0.95
CELLS = 2_000_000
"""Most numbers held at a time while resampling: 10,000 customers should not take 400 MB."""
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int
    """Customers it rests on; for a rate, trials."""

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"

    @property
    def verdict(self) -> str:
        """In words, for a difference: is it decided?"""
        if self.low > 0:
            return "better"
        if self.high < 0:
            return "worse"
        return "not decided: the interval holds 0"


def mean(values: Sequence[float], groups: Sequence[Hashable] | None = None, seed: int = 0) -> Interval:
    """The mean of all rows, every row counting alike.

    Where every value is -1, 0 or 1, as differences of yes-or-no measures are, and customers have a row each, the
    interval is Agresti & Min's (2005).

    Args:
        groups: whose each row is; each row its own customer when not given. Customers are resampled, and the mean is
            the ratio of their sums to their numbers of rows. Where all have as many rows, that is the mean of their
            means; where not, whoever has more rows weighs more. To let customers count alike, average them first.
    """
    rows = np.asarray(values, dtype=np.float64)
    if len(rows) > 1 and _is_outcomes(rows) and (groups is None or len(set(groups)) == len(rows)):
        return _outcomes(rows)
    return _ratio(rows, np.ones_like(rows), groups, seed)


def difference(
    new: Sequence[float], old: Sequence[float], groups: Sequence[Hashable] | None = None, seed: int = 0
) -> Interval:
    """Mean paired difference, new minus old; row i of both is the same customer (and turn, and repeat)."""
    return mean(np.subtract(new, old).tolist(), groups, seed)


def gap_closed(
    taught: Sequence[float],
    alone: Sequence[float],
    teacher: Sequence[float],
    groups: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> Interval:
    """G = (taught - alone) / (teacher - alone) of the means, customers resampled with their rows in all three arms.

    Unbounded where the data cannot tell the teacher from the student alone: no share of nothing is known. (The rule of
    Fieller 1954: his set is unbounded exactly where the denominator's own t-test does not reject 0.)
    """
    gained, gap = np.subtract(taught, alone), np.subtract(teacher, alone)
    return _ratio(gained.astype(np.float64), gap.astype(np.float64), groups, seed)


def rate(successes: int, n: int) -> Interval:
    """A share of `n` independent trials, with Wilson's score interval (1927).

    Raises:
        ValueError: more successes than trials, or fewer than none.
    """
    if n == 0:
        return _unknown(math.nan, 0)
    found = stats.binomtest(successes, n).proportion_ci(LEVEL, method="wilson")
    return Interval(successes / n, float(found.low), float(found.high), n)


def resampled(parts: tuple[Array, ...], statistic: Callable[..., Any], seed: int) -> Interval:
    """The expanded BCa interval of a statistic of per-customer figures.

    Args:
        parts: arrays of shape (customers,), entry i of each the same customer.
        statistic: takes them, and `axis`; vectorised. Resamples without a value make the interval unbounded.
    """
    n = len(parts[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(statistic(*parts, axis=-1)) if n else math.nan
        if n < 2:
            return _unknown(value, n)
        low, high = (value, value) if all(map(_is_constant, parts)) else _bca(parts, statistic, seed)
    return Interval(value, low, high, n) if math.isfinite(low + high) else _unknown(value, n)


def _bca(parts: tuple[Array, ...], statistic: Callable[..., Any], seed: int) -> tuple[float, float]:
    """Not a number where BCa has no interval; both ends alike where all resamples agree."""
    n = len(parts[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            parts,
            statistic,
            paired=True,
            n_resamples=RESAMPLES,
            batch=max(1, CELLS // n),
            confidence_level=_expanded(n),
            rng=np.random.default_rng(seed),
        )
    again = found.bootstrap_distribution
    if np.isfinite(again).all() and _is_constant(again):
        return float(again[0]), float(again[0])
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def by_customer(rows: Array, groups: Sequence[Hashable] | None) -> Array:
    """Sums of the rows of each customer, in order of appearance."""
    if groups is None:
        return rows
    places: dict[Hashable, int] = {}
    index = [places.setdefault(group, len(places)) for group in groups]
    return np.bincount(index, weights=rows).astype(np.float64)


def _ratio(above: Array, below: Array, groups: Sequence[Hashable] | None, seed: int) -> Interval:
    """The ratio of two sums over rows."""
    sums, sizes = by_customer(above, groups), by_customer(below, groups)
    if len(sizes) and _is_constant(sizes) and sizes[0]:
        return resampled((sums / sizes[0],), np.mean, seed)
    found = resampled((sums, sizes), _quotient, seed)
    return found if found.n < 2 or _is_told_from_0(sizes) else _unknown(found.value, found.n)


def _quotient(above: Array, below: Array, axis: int = -1) -> Array:
    return np.asarray(np.sum(above, axis=axis) / np.sum(below, axis=axis))


def _is_outcomes(values: Array) -> bool:
    return bool(np.isin(values.round(9), (-1, 0, 1)).all())


def _outcomes(values: Array) -> Interval:
    """Of losses (-1), ties (0) and wins (1): what paired yes-or-no measures, and duels, come to.

    Agresti & Min (Statistics in Medicine 24, 2005): half a customer is added to each of the four kinds of pairs. So few
    values lie on too coarse a grid for a bootstrap, and where nobody differs it would be certain of no difference.
    """
    size = len(values) + 2
    won, lost = (((values.round(9) == side).sum() + 0.5) / size for side in (1, -1))
    half = stats.norm.ppf((1 + LEVEL) / 2) * math.sqrt((won + lost - (won - lost) ** 2) / size)
    low, high = max(-1.0, won - lost - half), min(1.0, won - lost + half)
    return Interval(float(values.mean()), float(low), float(high), len(values))


def _is_constant(values: Array) -> bool:
    """Up to what adding floats in another order changes."""
    return bool(np.ptp(values) <= 1e-12 * np.abs(values).max())


def _is_told_from_0(below: Array) -> bool:
    """Whether a denominator's own t-test rejects 0, at the level of the intervals."""
    n = len(below)
    return bool(abs(below.mean()) > stats.t.ppf((1 + LEVEL) / 2, n - 1) * below.std(ddof=1) / math.sqrt(n))


def _expanded(n: int) -> float:
    """The level to ask of a normal-based bootstrap of n customers, so that it covers `LEVEL`."""
    wide = stats.t.ppf((1 + LEVEL) / 2, n - 1) * math.sqrt(n / (n - 1))
    return float(1 - 2 * stats.norm.sf(wide))


def _unknown(value: float, n: int) -> Interval:
    return Interval(value, -math.inf, math.inf, n)
