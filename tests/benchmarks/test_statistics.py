"""What `make bench-statistics` draws and asks for."""

import numpy as np
import pytest

from bench_statistics import KNOWN, SHAPES, TESTS, Reseeded, bounds, covered, peeked, rejected, verdicts
from preceptor import Context, Turn


@pytest.mark.parametrize("name", KNOWN)
def test_the_truth_is_the_truth(name: str) -> None:
    drawn = SHAPES[name](np.random.default_rng(1), 200_000).above
    assert drawn.mean() == pytest.approx(KNOWN[name], abs=4 * drawn.std() / np.sqrt(len(drawn)))


@pytest.mark.parametrize("name", SHAPES)
def test_intervals_are_counted(name: str) -> None:
    around = SHAPES[name](np.random.default_rng(2), 30).interval().value
    counts = covered(name, 30, around, 5, [2])
    assert counts["held"] >= 3
    assert covered(name, 30, -99.0, 5, [2])["held"] == 0
    assert covered(name, 30, 99.0, 5, [2])["below"] == 5


@pytest.mark.parametrize("test", TESTS)
def test_null_differences_are_seldom_significant(test: str) -> None:
    assert rejected(test, 2, [3])["rejected"] < 2


def test_a_watched_lead_ends_early() -> None:
    counts = peeked(1.5, 60, 2, [4])
    assert counts["watch"] == 2
    assert counts["customers"] < 120


def test_what_is_asked() -> None:
    assert bounds("coverage", "gap, 60 customers", 10_000) == {"held": (0.94, 0.96)}
    low, high = bounds("coverage", "gap, 60 customers", 100)["held"]
    assert low < 0.9
    assert high > 0.96
    found = verdicts({"null": {"a": {"interval": 0.93}, "b": {"interval": 0.94}}}, 100)
    assert [one["ok"] for one in found.values()] == [False, True]


async def _said(seed: int) -> Turn:
    return Turn("agent", str(seed))


class Parrot:
    name = "parrot"

    async def reply(self, context: Context, seed: int) -> Turn:
        return await _said(seed)


@pytest.mark.anyio
async def test_the_same_arm_again_has_other_luck() -> None:
    again = Reseeded(Parrot())
    first, second = [await again.reply(Context(()), seed) for seed in (7, 8)]
    assert len({first.text, second.text, "7", "8"}) == 4
    assert first == await again.reply(Context(()), 7)
