"""What is believed of many tests at once."""

import random

import pytest
from scipy import stats

from preceptor.teaching.consolidation import discoveries


@pytest.mark.parametrize("seed", range(20))
def test_as_many_discoveries_as_scipy_makes(seed: int) -> None:
    luck = random.Random(seed)
    chances = [luck.random() ** luck.choice([1, 3, 9]) for _ in range(luck.randint(1, 30))]
    level = luck.choice([0.02, 0.1, 0.3])
    assert discoveries(chances, level) == [bool(p <= level) for p in stats.false_discovery_control(chances)]


def test_no_tests_no_discoveries() -> None:
    assert discoveries([], 0.05) == []
