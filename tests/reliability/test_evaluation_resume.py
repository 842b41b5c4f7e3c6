"""The short form of `make bench-evaluation-resume`: the real command, killed while it evaluates."""

from pathlib import Path

import pytest

from bench_evaluation_resume import over_http
from preceptor.simulated.world import World

pytestmark = pytest.mark.slow


def test_an_evaluation_that_is_killed_ends_like_one_that_is_not_and_asks_nothing_twice(tmp_path: Path) -> None:
    figures = over_http(World.shipped("broadband"), 5, 1, 3, tmp_path)
    assert figures["kills"] == 1
    assert figures["in_flight_at_kills"] > 0
    assert {key: figures[key] for key in ("twice_not_in_flight", "other_report", "not_in_ledger")} == {
        "twice_not_in_flight": 0,
        "other_report": 0,
        "not_in_ledger": 0,
    }
