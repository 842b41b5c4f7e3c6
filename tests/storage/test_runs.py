"""Runs: created, found, followed, locked, finished."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from desk import memory
from preceptor.errors import Conflict, NotFound
from preceptor.storage.database import Database
from preceptor.storage.runs import Runs


@pytest.fixture
def runs(db: Database) -> Runs:
    return Runs(db)


def test_a_run_remembers_what_it_was_given(runs: Runs) -> None:
    made = runs.create("teach", {"models": {"student": "small"}, "rate": 0.1}, 7)
    assert runs.get(made.id) == made
    assert (made.kind, made.status, made.seed, made.settings["rate"]) == ("teach", "running", 7, 0.1)


def test_ids_are_found_by_their_beginning_and_the_nearest_is_named(runs: Runs) -> None:
    with pytest.raises(NotFound, match="nor any other"):
        runs.get("2026")
    one, two = runs.create("teach", {}, 0), runs.create("teach", {}, 0)
    assert runs.get(one.id[:-1] if one.id[:-1] != two.id[:-1] else one.id) == one
    with pytest.raises(Conflict, match=r"could be run .* or"):
        runs.get(one.id[:2])
    with pytest.raises(NotFound, match=one.id):
        runs.get(one.id + "x")
    with pytest.raises(NotFound):
        runs.get("%")


def test_runs_are_listed_newest_first(runs: Runs) -> None:
    made = [runs.create("teach", {}, n) for n in range(3)]
    assert [run.id for run in runs.list()] == [run.id for run in reversed(made)]


def test_of_many_begun_at_once_each_has_an_id_of_its_own() -> None:
    """Two of so many would draw the same four digits within a second in most cases."""
    with tempfile.TemporaryDirectory(dir=memory()) as folder, Database.open(Path(folder) / "p.db") as db:
        made = {Runs(db).create("teach", {}, n).id for n in range(500)}
        assert len(made) == Runs(db).count() == 500


def test_a_run_is_finished_and_reopened(runs: Runs) -> None:
    run = runs.create("teach", {}, 0)
    runs.finish(run.id, "stopped", {"accepted": 3})
    assert (runs.get(run.id).status, runs.get(run.id).result) == ("stopped", {"accepted": 3})
    assert runs.get(run.id).finished is not None
    runs.finish(run.id, "running")
    assert (runs.get(run.id).finished, runs.get(run.id).result) == (None, {"accepted": 3})
    with pytest.raises(NotFound):
        runs.finish("none", "done")


def test_events_stay_in_order_and_can_be_followed(runs: Runs) -> None:
    run, other = runs.create("teach", {}, 0), runs.create("teach", {}, 0)
    for n in range(5):
        assert runs.event(run.id, "progress", {"done": n}) == n + 1
    assert runs.event(other.id, "note", "x") == 1
    assert [event.body["done"] for event in runs.events(run.id, after=3)] == [3, 4]


def test_a_held_run_cannot_be_taken_and_a_released_one_can(runs: Runs) -> None:
    run = runs.create("teach", {}, 0)
    with runs.lock(run.id), pytest.raises(Conflict, match="in use"), runs.lock(run.id):
        pass
    for _ in range(2):
        assert not runs.held(run.id)
        with runs.lock(run.id):
            assert runs.held(run.id)


def test_whoever_looks_at_a_run_takes_nothing(runs: Runs, db: Database) -> None:
    run = runs.create("teach", {}, 0)
    with Database.open(db.name) as other:
        assert not Runs(other).held(run.id)
        with runs.lock(run.id):
            assert Runs(other).held(run.id)
            with pytest.raises(Conflict, match=f"process {os.getpid()}"), Runs(other).lock(run.id):
                pass
        assert not Runs(other).held(run.id)


def test_a_lock_may_have_any_name(db: Database) -> None:
    with db.lock("watch bread/and\x07butter"):
        assert db.locked("watch bread/and\x07butter")
    assert not db.locked("watch bread/and\x07butter")


HOLDER = """
import sys, time
from preceptor.storage.database import Database
from preceptor.storage.runs import Runs
with Database.open(sys.argv[1]) as db, Runs(db).lock(sys.argv[2]):
    print("held", flush=True)
    time.sleep(3600)
"""


def test_a_killed_process_leaves_no_lock(runs: Runs, db: Database) -> None:
    run = runs.create("teach", {}, 0)
    command = [sys.executable, "-c", HOLDER, db.name, run.id]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(Conflict, match=f"process {child.pid}"), runs.lock(run.id):
            pass
        child.send_signal(signal.SIGKILL)
    until = time.monotonic() + 120
    while True:
        # A server needs a moment to notice; how long that is on a busy machine is not ours to say.
        with contextlib.suppress(Conflict), runs.lock(run.id):
            break
        assert time.monotonic() < until


@pytest.mark.anyio
async def test_an_event_with_a_number_is_written_once(runs: Runs) -> None:
    run = runs.create("teach", {}, 0).id
    for n, body in ((2, "b"), (1, "a"), (2, "again"), (1, "again")):
        assert await runs.note(run, "n", body, n) == n
    assert await runs.note(run, "n", "c") == 3
    assert [event.body for event in runs.events(run)] == ["a", "b", "c"]
