"""The short forms of `make bench-reliability`: the real command, killed, out of budget, and over HTTP."""

import random
from fractions import Fraction
from pathlib import Path

import pytest

from bench_reliability import Baseline, Bench, baseline, climb, kill, verdicts
from desk import TINY, Desk, simulated
from preceptor.cli.main import run
from preceptor.simulated.world import World
from witness import Tally

pytestmark = pytest.mark.slow
WORLD = Path(__file__).parents[1] / "simulated" / "small.yaml"
"""Small, so that what is tested is the machinery; the benchmark does the same on the shipped worlds."""
RUN = {**TINY, "customers": 12, "min_contexts": 2, "looks": (4, 8)}
"""Some 240 calls; a strategy is accepted."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("bench")
    # What is in flight at a kill is charged at its worst. Of a few calls that is never all of a budget.
    few = {"concurrency": 4}
    return Bench(World.load(WORLD), folder, RUN, random.Random(1), here=True, endpoint=few)


@pytest.fixture(scope="module")
def whole(bench: Bench) -> Baseline:
    return baseline(bench)


def test_a_run_that_is_killed_twice_ends_like_one_that_is_not(bench: Bench, whole: Baseline) -> None:
    figures = kill(bench, whole, kills=2)
    assert figures["kills"] == 2
    missed = {key: told for key, told in verdicts({"kills": figures}).items() if not told["ok"]}
    assert not missed


def test_budgets_hold_at_the_server_over_kills_and_faults(bench: Bench, whole: Baseline) -> None:
    total = whole.total("tokens")
    climbed = climb(bench, whole, "budget", "tokens", [Fraction(total // 2), Fraction(3 * total // 5)])
    assert not climbed.other_hash
    assert [(step.over, step.clean) for step in climbed.steps] == [(False, True)] * 2
    assert climbed.steps[-1].used > 0.1


def test_over_http_the_library_is_the_same_as_in_process(bench: Bench, whole: Baseline) -> None:
    here = Desk.open(bench.folder / "here", bench.world, simulated(str(WORLD), bench.world.roles), RUN)
    assert run(["teach", "--yes", "--project", str(here.folder)]) == 0
    assert here.hash == whole.hash
    assert whole.memory.accepted
    assert len(whole.memory.rows) == whole.tally.calls > 200


def test_the_witness_tells_what_comes_again() -> None:
    tally = Tally()
    tally.arrivals.update([("a", "1"), ("a", "1"), ("b", "1")])
    assert tally.calls == 3
    assert tally.again == {("a", "1"): 1}
