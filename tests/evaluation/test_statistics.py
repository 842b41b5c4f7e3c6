"""Intervals: known answers, how often they hold the truth, and where there is little to go by."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from preceptor.evaluation import statistics
from preceptor.evaluation.statistics import Interval

ALONE = [1.0, 2.0, 1.5, 2.5, 3.0, 1.2]
BETTER = [value + 1 for value in ALONE]
REPEATS = 300
CHANCE = 0.038
"""Three standard errors of a share of 95 % among `REPEATS`."""


def test_a_library_without_effect_closes_nothing_for_certain() -> None:
    gap = statistics.gap_closed(ALONE, ALONE, BETTER)
    assert (gap.value, gap.low, gap.high) == (0.0, 0.0, 0.0)


def test_a_teacher_no_better_leaves_the_gap_undecided() -> None:
    gap = statistics.gap_closed(BETTER, ALONE, ALONE)
    assert not math.isfinite(gap.value)
    assert (gap.low, gap.high) == (-math.inf, math.inf)


def test_a_teacher_who_cannot_be_told_from_the_student_leaves_the_gap_undecided() -> None:
    teacher = [value + shift for value, shift in zip(ALONE, (1.0, -0.9, 0.2, -0.3, 0.1, 0.2), strict=True)]
    gap = statistics.gap_closed(BETTER, ALONE, teacher)
    assert (gap.low, gap.high) == (-math.inf, math.inf)


def test_the_gap_closed_has_an_interval() -> None:
    teacher = [value + 2 + shift for value, shift in zip(ALONE, (0.1, -0.2, 0.0, 0.3, -0.1, -0.1), strict=True)]
    gap = statistics.gap_closed(BETTER, ALONE, teacher)
    assert gap.value == pytest.approx(0.5)
    assert 0.44 < gap.low < 0.5 < gap.high < 0.55


def test_a_difference_that_is_always_the_same() -> None:
    difference = statistics.difference([value + 1.5 for value in ALONE], ALONE)
    assert (difference.low, difference.high, difference.verdict) == (1.5, 1.5, "better")


def test_yes_or_no_of_customers_who_all_agree_leaves_room() -> None:
    nobody = statistics.difference([1.0] * 60, [1.0] * 60)
    assert nobody.value == 0
    assert -0.05 < nobody.low < -0.02
    assert 0.02 < nobody.high < 0.05


def test_agresti_and_min() -> None:
    """By hand: (8 + 0.5) / 52 won, (2 + 0.5) / 52 lost, so 6/52 plus or minus 1.96 sqrt((11/52 - 36/52^2) / 52)."""
    difference = statistics.mean([1.0] * 8 + [-1.0] * 2 + [0.0] * 40)
    assert (difference.value, difference.low, difference.high) == pytest.approx((0.12, -0.0057, 0.2364), abs=1e-3)


def test_an_interval_holds_its_estimate() -> None:
    mean = statistics.mean(ALONE)
    assert mean.low < mean.value < mean.high


@pytest.mark.parametrize("values", [[], [2.0]])
def test_one_customer_says_nothing(values: list[float]) -> None:
    mean = statistics.mean(values)
    assert (mean.low, mean.high, mean.n) == (-math.inf, math.inf, len(values))
    assert mean.verdict.startswith("not decided")


def test_rows_of_a_customer_are_not_more_customers() -> None:
    customers = list(range(len(ALONE)))
    once, often = statistics.mean(ALONE), statistics.mean(ALONE * 5, customers * 5)
    assert (often.value, often.low, often.high) == pytest.approx((once.value, once.low, once.high))
    assert often.n == once.n


def test_customers_with_more_rows_weigh_more() -> None:
    mean = statistics.mean([1.0, 1.0, 1.0, 5.0, 3.0], ["a", "a", "a", "b", "c"])
    assert mean.value == pytest.approx(11 / 5)
    assert mean.n == 3


def test_a_symmetric_sample_gets_about_students_interval() -> None:
    values = stats.norm.ppf((np.arange(40) + 0.5) / 40)
    mean = statistics.mean(values.tolist())
    student = stats.t.ppf(0.975, 39) * values.std(ddof=1) / math.sqrt(40)
    assert (-mean.low, mean.high) == pytest.approx((student, student), rel=0.03)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(17, 20, 0.6396, 0.9476), (850, 1000, 0.8265, 0.8708), (0, 10, 0.0, 0.2775)],
)
def test_wilsons_interval(successes: int, n: int, low: float, high: float) -> None:
    rate = statistics.rate(successes, n)
    assert (rate.value, rate.low, rate.high) == pytest.approx((successes / n, low, high), abs=1e-4)


def test_a_rate_of_nothing_is_not_known() -> None:
    assert math.isnan(statistics.rate(0, 0).value)


@pytest.mark.parametrize(("low", "high", "verdict"), [(0.1, 1, "better"), (-1, -0.1, "worse"), (-1, 1, "not decided")])
def test_the_verdict(low: float, high: float, verdict: str) -> None:
    assert Interval(0, low, high, 9).verdict.startswith(verdict)


def coverage(draw: Callable[[np.random.Generator], Interval], truth: float) -> float:
    rng = np.random.default_rng(7)
    intervals = [draw(rng) for _ in range(REPEATS)]
    return sum(interval.low <= truth <= interval.high for interval in intervals) / REPEATS


def test_intervals_hold_the_truth_of_skewed_differences() -> None:
    """One customer in five gains 1 to 4 points, nobody loses: `make bench-statistics` has more shapes and draws."""

    def draw(rng: np.random.Generator) -> Interval:
        return statistics.mean(((rng.random(60) < 0.2) * rng.integers(1, 5, 60)).tolist())

    assert coverage(draw, 0.5) == pytest.approx(0.95, abs=CHANCE)


def test_intervals_hold_the_truth_where_customers_have_several_rows() -> None:
    whose = [customer for customer in range(60) for _ in range(1 + customer % 5)]

    def rows(rng: np.random.Generator) -> np.ndarray:
        return rng.normal(size=60)[whose] + 0.5 * rng.normal(size=len(whose))

    assert coverage(lambda rng: statistics.mean(rows(rng).tolist(), whose), 0.0) == pytest.approx(0.95, abs=CHANCE)
