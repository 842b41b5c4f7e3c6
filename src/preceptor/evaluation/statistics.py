"""Intervals for paired measurements. scipy does the arithmetic."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

RESAMPLES = 4999
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int

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


def mean(values: Sequence[float], seed: int = 0) -> Interval:
    """The mean with its BCa bootstrap interval (Efron 1987)."""
    return _bootstrap((np.asarray(values, dtype=np.float64),), np.mean, seed)


def difference(new: Sequence[float], old: Sequence[float], seed: int = 0) -> Interval:
    """Mean paired difference, new minus old; entry i of both is the same customer."""
    return mean(np.subtract(new, old).tolist(), seed)


def gap_closed(taught: Sequence[float], alone: Sequence[float], teacher: Sequence[float], seed: int = 0) -> Interval:
    """G = (taught - alone) / (teacher - alone) of the means, customers resampled together."""

    def ratio(a: Array, b: Array, c: Array, axis: int = -1) -> Array:
        alone_mean = np.mean(b, axis=axis)
        return np.asarray((np.mean(a, axis=axis) - alone_mean) / (np.mean(c, axis=axis) - alone_mean))

    data = tuple(np.asarray(values, dtype=np.float64) for values in (taught, alone, teacher))
    return _bootstrap(data, ratio, seed)


def _bootstrap(data: tuple[Array, ...], statistic: Callable[..., Any], seed: int) -> Interval:
    n = len(data[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(statistic(*data))
    if n < 2 or all(np.ptp(column) == 0 for column in data):
        return Interval(value, value, value, n) if n > 1 else Interval(value, float("-inf"), float("inf"), n)
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            data,
            statistic,
            paired=True,
            n_resamples=RESAMPLES,
            confidence_level=0.95,
            method="BCa",
            rng=np.random.default_rng(seed),
        )
    low, high = map(float, found.confidence_interval)
    if not (math.isfinite(low) and math.isfinite(high)):
        low, high = _plain(found.bootstrap_distribution)
    return Interval(value, low, high, n)


def _plain(resampled: Array) -> tuple[float, float]:
    """The percentile interval, where BCa has none: all resamples agree, or some have no value."""
    if not np.isfinite(resampled).all():
        return float("-inf"), float("inf")
    low, high = np.percentile(resampled, (2.5, 97.5))
    return float(low), float(high)
