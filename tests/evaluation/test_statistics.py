"""Intervals where there is little to go by."""

import math

from preceptor.evaluation import statistics

ALONE = [1.0, 2.0, 1.5, 2.5, 3.0, 1.2]
BETTER = [value + 1 for value in ALONE]


def test_a_library_without_effect_closes_nothing_for_certain() -> None:
    gap = statistics.gap_closed(ALONE, ALONE, BETTER)
    assert (gap.value, gap.low, gap.high) == (0.0, 0.0, 0.0)


def test_a_teacher_no_better_leaves_the_gap_undecided() -> None:
    gap = statistics.gap_closed(BETTER, ALONE, ALONE)
    assert not math.isfinite(gap.value)
    assert (gap.low, gap.high) == (-math.inf, math.inf)


def test_a_difference_that_is_always_the_same() -> None:
    difference = statistics.difference(BETTER, ALONE)
    assert (difference.low, difference.high, difference.verdict) == (1.0, 1.0, "better")


def test_an_interval_holds_its_estimate() -> None:
    mean = statistics.mean(ALONE)
    assert mean.low < mean.value < mean.high
