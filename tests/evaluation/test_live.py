"""Two randomised arms in production, watched: the effect is found, and nothing else is."""

import math
from random import Random

import pytest

from preceptor.evaluation.live import effect


def drawn(seed: int, n: int, chance: float, first: float, second: float) -> list[tuple[bool, float]]:
    """Yes-or-no outcomes of two arms, of which the first is drawn with `chance`."""
    random = Random(seed)
    arms = [random.random() < chance for _ in range(n)]
    return [(arm, float(random.random() < (first if arm else second))) for arm in arms]


@pytest.mark.parametrize("chance", [0.1, 0.5, 0.9])
def test_a_large_effect_is_found(chance: float) -> None:
    found = effect(drawn(1, 3000, chance, 0.8, 0.5), 0, 1, (chance, 1 - chance))
    assert found.difference.verdict == "better"
    assert found.difference.low < 0.3 < found.difference.high
    assert found.means == pytest.approx((0.8, 0.5), abs=0.08)
    assert sum(found.counts) == 3000


def test_no_effect_is_rarely_found_however_long_one_looks() -> None:
    wrong = 0
    for seed in range(40):
        told = drawn(seed, 400, 0.8, 0.6, 0.6)
        wrong += effect(told, 0, 1, (0.8, 0.2)).difference.verdict in ("better", "worse")
    # What is ruled out once stays so: the last look holds every one before. Of 40, two are expected at most.
    assert wrong < 7


def test_what_changes_with_time_for_both_is_no_effect() -> None:
    random = Random(3)
    told = [(random.random() < 0.5, float(random.random() < n / 2000)) for n in range(2000)]
    assert effect(told, 0, 1, (0.5, 0.5)).difference.verdict.startswith("not decided")


def test_one_arm_alone_says_nothing() -> None:
    found = effect([(True, 1.0)] * 50, 0, 1, (0.5, 0.5))
    assert (found.difference.low, found.difference.high, found.difference.n) == (-1, 1, 0)
    assert math.isnan(found.means[1])
