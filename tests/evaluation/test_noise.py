"""The judge's share of the variance."""

import math

import numpy as np
import pytest

from preceptor.evaluation.noise import judge_share


def test_shrout_and_fleiss() -> None:
    """The six targets by four judges of their table 2: ICC(1,1) is 0.17."""
    table = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert 1 - judge_share(table).value == pytest.approx(0.17, abs=0.005)


def test_a_judge_who_never_wavers() -> None:
    share = judge_share([[1 + n % 5] * 2 for n in range(40)])
    assert (share.value, share.low, share.high) == (0, 0, 0)


def test_a_judge_who_guesses() -> None:
    rng = np.random.default_rng(3)
    assert judge_share(rng.normal(size=(80, 3)).tolist()).high > 0.9


def test_unequal_repeats_find_the_same_share() -> None:
    rng = np.random.default_rng(4)
    worth = rng.normal(size=400)
    rows = [(w + rng.normal(0, 0.5, rng.integers(1, 5))).tolist() for w in worth]
    share = judge_share(rows)
    assert share.low < 0.2 < share.high  # 0.25 / (1 + 0.25)
    assert share.high - share.low < 0.1


@pytest.mark.parametrize("repeats", [[], [[3.0]], [[3.0], [4.0], [2.0]], [[3.0, 3.0], [3.0, 3.0]], [[], []]])
def test_nothing_to_go_by(repeats: list[list[float]]) -> None:
    share = judge_share(repeats)
    assert math.isnan(share.value)
    assert (share.low, share.high) == (-math.inf, math.inf)
