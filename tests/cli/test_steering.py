"""Runs stopped and taken up again by somebody who is not at the terminal that does them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from desk import Desk, Ended, Teaching, endpoints, simulated
from preceptor.cli.main import run as preceptor
from preceptor.settings import pulse
from preceptor.settings.control import standing
from preceptor.settings.launching import Launcher
from preceptor.simulated.world import World
from preceptor.storage.runs import Run, Runs
from preceptor.storage.signals import Signals
from witness import Hold, Served, serving

WORLD = Path(__file__).parents[1] / "simulated" / "small.yaml"
SMALL = {"customers": 6, "iterations": 1, "held_out": 4, "consolidate": False, "choose_placement": False}
LONGEST = 180.0


@pytest.fixture(scope="module")
def world() -> World:
    return World.load(WORLD)


@pytest.fixture
def hold() -> Iterator[Hold]:
    """No run comes to its end before it is let go."""
    made = Hold(12)
    yield made
    made.let_go()


@pytest.fixture
def served(world: World, hold: Hold) -> Iterator[Served]:
    with serving(world, latency=0.1, sleep=hold) as found:
        yield found
        hold.let_go()


@contextmanager
def under_way(folder: Path, world: World, served: Served) -> Iterator[tuple[Desk, Teaching]]:
    desk = Desk.open(folder / "desk", world, endpoints(served.url, world.roles), SMALL)
    teaching = desk.start()
    try:
        wait(lambda: served.tally.calls > 12)
        yield desk, teaching
    finally:
        if teaching.running:
            teaching.kill()
            teaching.ended()


def wait(until: Callable[[], bool]) -> None:
    last = time.monotonic() + LONGEST
    while not until():
        assert time.monotonic() < last, "it never came"
        time.sleep(0.02)


def the_run(desk: Desk) -> Run:
    assert desk.run is not None
    return desk.run


def stands(desk: Desk) -> str:
    with desk.project.database() as db:
        return standing(Runs(db), Runs(db).list()[0])


def stopped_by(desk: Desk, teaching: Teaching, hold: Hold, what: str) -> Ended:
    assert preceptor(["runs", what, the_run(desk).id, "--author", "Anna", "--project", str(desk.folder)]) == 0
    hold.let_go()
    return teaching.ended()


def test_a_run_is_paused_from_elsewhere_and_taken_up_again_there(
    world: World, served: Served, hold: Hold, tmp_path: Path
) -> None:
    whole = Desk.open(tmp_path / "whole", world, simulated(str(WORLD), world.roles), SMALL, here=True)
    assert whole.teach().code == 0
    with under_way(tmp_path, world, served) as (desk, teaching):
        ended = stopped_by(desk, teaching, hold, "pause")
        run = the_run(desk)
        assert (ended.code, run.status, run.reason) == (1, "stopped", "Paused by Anna.")
        assert ended.resumable
        with Launcher(desk.folder) as launcher:
            launcher.resume(run)
            wait(lambda: not launcher.going(run.id))
            assert launcher.trouble(run.id) == ""
    assert stands(desk) == "done"
    assert served.tally.again == {}
    assert desk.hash == whole.hash


def test_a_cancelled_run_does_not_go_on(
    world: World, served: Served, hold: Hold, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with under_way(tmp_path, world, served) as (desk, teaching):
        ended = stopped_by(desk, teaching, hold, "cancel")
    assert ended.code == 1
    assert "--resume" not in ended.err
    assert stands(desk) == "cancelled"
    capsys.readouterr()
    again = ["teach", "--resume", the_run(desk).id, "--yes", "--project", str(desk.folder)]
    assert preceptor(again) == 1
    assert "Cancelled by Anna. Begin another one." in capsys.readouterr().err
    assert preceptor(["runs", "pause", the_run(desk).id, "--project", str(desk.folder)]) == 1
    assert "is cancelled: there is nothing to pause" in capsys.readouterr().err


def test_a_run_whose_process_was_killed_can_be_cancelled(world: World, served: Served, tmp_path: Path) -> None:
    with under_way(tmp_path, world, served) as (desk, teaching):
        teaching.kill()
        teaching.ended()
        assert stands(desk) == "broken off"
        assert preceptor(["runs", "cancel", the_run(desk).id, "--author", "Anna", "--project", str(desk.folder)]) == 0
    assert (stands(desk), the_run(desk).reason) == ("cancelled", "Cancelled by Anna.")


def test_a_run_tells_how_it_is_getting_on(world: World, served: Served, hold: Hold, tmp_path: Path) -> None:
    with under_way(tmp_path, world, served) as (desk, _), desk.project.database() as db:
        hold.let_go()
        run = the_run(desk).id

        def told() -> pulse.Pulse | None:
            beat = Signals(db).last(run)
            return pulse.read(beat) if beat else None

        wait(lambda: bool((now := told()) and now.phase.done and sum(used.calls for used in now.usage.values())))
        now = told()
    assert now is not None
    assert now.phase.name
    assert now.phase.done <= now.phase.total
    assert now.remaining is not None
    assert now.remaining >= 0
    assert set(now.usage) <= {"student", "teacher", "customer", "judge"}


def test_trouble_at_taking_a_run_up_is_told(world: World, served: Served, hold: Hold, tmp_path: Path) -> None:
    with under_way(tmp_path, world, served) as (desk, teaching):
        stopped_by(desk, teaching, hold, "pause")
    (desk.folder / "preceptor.toml").write_text("no settings")
    with Launcher(desk.folder) as launcher:
        launcher.resume(Run("r", "teach", "stopped", {}, 0, ""))
        wait(lambda: bool(launcher.trouble("r")))
        assert "preceptor.toml" in launcher.trouble("r")
