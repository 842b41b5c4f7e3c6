"""Watching while results come in."""

import math
from itertools import pairwise

import numpy as np
import pytest

from preceptor.evaluation.sequential import Watch
from preceptor.evaluation.statistics import Interval


def watch(values: np.ndarray) -> list[Interval]:
    watched = Watch(-4, 4)
    return [watched.add(float(value)) for value in values]


def differences(shift: float, n: int, seed: int) -> np.ndarray:
    """Ratings of two arms on the same customers, whole numbers from 1 to 5."""
    rng = np.random.default_rng(seed)
    customer = rng.normal(size=n)
    ratings = [np.clip(np.round(3.5 + s + 0.6 * customer + 0.8 * rng.normal(size=n)), 1, 5) for s in (shift, 0.0)]
    return np.asarray(ratings[0] - ratings[1])


def test_a_real_difference_ends_it_early() -> None:
    seen = watch(differences(0.7, 300, 1))
    decided = [n for n, interval in enumerate(seen, 1) if interval.verdict == "better"]
    assert 10 < decided[0] < 150
    assert decided[-1] == len(seen)  # what is ruled out stays so


def test_worse_is_found_as_well() -> None:
    assert watch(differences(-0.7, 300, 1))[-1].verdict == "worse"


def test_looking_all_the_time_does_not_fool_it() -> None:
    """40 null comparisons, looked at after each of 100 customers: an ordinary interval would err in a quarter."""
    wrong = sum(any(i.verdict in ("better", "worse") for i in watch(differences(0, 100, seed))) for seed in range(40))
    assert wrong <= 40 * 0.05 + 2 * math.sqrt(40 * 0.05 * 0.95)


def test_the_interval_only_narrows_and_holds_the_mean() -> None:
    seen = watch(differences(0.3, 200, 4))
    assert all(a.low <= b.low and b.high <= a.high for a, b in pairwise(seen))
    assert seen[-1].low < 0.3 < seen[-1].high
    assert seen[-1].value == pytest.approx(differences(0.3, 200, 4).mean())


def test_before_the_first_the_whole_range_is_open() -> None:
    interval = Watch(0, 1).interval
    assert (interval.low, interval.high, interval.n) == (0, 1, 0)


def test_values_at_the_ends_of_the_range() -> None:
    watched = Watch(0, 1)
    for _ in range(200):
        watched.add(1.0)
    assert watched.interval.low > 0.9
    assert watched.interval.high == 1


@pytest.mark.parametrize("value", [-4.5, 5, math.nan])
def test_a_value_outside_the_range_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="outside"):
        Watch(-4, 4).add(value)


def test_a_range_without_width_is_refused() -> None:
    with pytest.raises(ValueError, match="width"):
        Watch(1, 1)
