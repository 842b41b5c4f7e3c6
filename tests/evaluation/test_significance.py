"""Tests: known answers, and their level."""

import numpy as np
import pytest

from preceptor.evaluation import significance
from preceptor.evaluation.significance import holm, mcnemar, sign_flip

DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
"""Cross-fertilised minus self-fertilised plants, in eighths of an inch. Fisher (The Design of Experiments, 1935,
section 21) counted 863 of the 32,768 ways to flip them with a sum as large, on one side."""


def test_fishers_own_example() -> None:
    assert sign_flip(DARWIN) == pytest.approx(2 * 863 / 2**15, abs=0.006)  # drawn: 15 differ


@pytest.mark.parametrize(
    ("differences", "p"),
    [([1.0, 1.0, 1.0, 1.0, 1.0], 2 / 32), ([3.0, 2.0, -1.0], 4 / 8), ([1.0, -1.0], 1.0), ([0.0, 0.0], 1.0), ([], 1.0)],
)
def test_few_are_counted_out(differences: list[float], p: float) -> None:
    assert sign_flip(differences) == pytest.approx(p)


def test_customers_without_a_difference_change_nothing() -> None:
    assert sign_flip([1.0, 2.0, -0.5, 3.0] + [0.0] * 500) == sign_flip([1.0, 2.0, -0.5, 3.0])


def test_rows_of_a_customer_flip_together() -> None:
    assert sign_flip([1.0] * 40, [n % 4 for n in range(40)]) == pytest.approx(2 / 16)


def test_p_is_never_0() -> None:
    assert sign_flip([1.0] * 300) == pytest.approx(2 / (significance.DRAWS + 1))


def test_both_sides_alike() -> None:
    values = np.random.default_rng(1).normal(0.5, 1, 12)
    assert sign_flip(values.tolist()) == pytest.approx(sign_flip((-values).tolist()))


def test_the_level_is_kept() -> None:
    """Ties and lattices make the exact test stricter than its level, never laxer."""
    rng = np.random.default_rng(5)
    p_values = [sign_flip(rng.choice([-2, -1, 0, 0, 1, 2], 12).tolist()) for _ in range(200)]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_a_real_difference_is_found() -> None:
    assert sign_flip(np.random.default_rng(2).normal(1, 1, 60).tolist()) < 0.001


@pytest.mark.parametrize(
    ("gained", "lost", "p"), [(0, 0, 1.0), (6, 0, 2 / 64), (8, 2, 112 / 1024), (2, 8, 112 / 1024), (5, 5, 1.0)]
)
def test_mcnemar(gained: int, lost: int, p: float) -> None:
    pairs = [(True, False)] * gained + [(False, True)] * lost + [(True, True)] * 30 + [(False, False)] * 7
    assert mcnemar(pairs) == pytest.approx(p)


def test_holm() -> None:
    # Holm 1979's procedure on an example worked by hand: 3 x 0.01, then 2 x 0.03, then at least as much.
    assert holm([0.04, 0.01, 0.03]) == pytest.approx((0.06, 0.03, 0.06))
    assert holm([0.5, 0.9]) == (1.0, 1.0)
    assert holm([]) == ()
