"""Runs on the pages: seen while they go on, stopped and taken up again, and their reports."""

import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

import desk as shop
from desk import SMALL, TINY, endpoints, simulated
from preceptor.cli.main import run as preceptor
from preceptor.library.desk import Desk
from preceptor.settings.office import Office
from preceptor.settings.project import Project
from preceptor.simulated.world import World
from preceptor.storage.database import Database
from preceptor.storage.runs import Run
from preceptor.web.app import app
from preceptor.web.house import House
from witness import Hold, serving

from .conftest import Visitor, alone

WORLD = Path(__file__).parents[1] / "simulated" / "small.yaml"
LONGEST = 180.0
pytestmark = pytest.mark.anyio


def wait(until: Callable[[], bool]) -> None:
    last = time.monotonic() + LONGEST
    while not until():
        assert time.monotonic() < last, "it never came"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a teaching run, an evaluation of it, and a wording that was tried."""
    world = World.load(WORLD)
    folder = tmp_path_factory.mktemp("finished") / "desk"
    teaching = {**SMALL, "iterations": 1, "gate": False}
    desk = shop.Desk.open(folder, world, simulated(str(WORLD), world.roles), teaching, here=True)
    assert desk.teach().code == 0
    at = ("--yes", "--project", str(folder))
    assert preceptor(["evaluate", "--arms", "student,teacher", "--customers", "3", *at]) == 0
    with desk.project.database() as db:
        strategy = desk.project.library(db).guidance("accepted").strategies[0]
    assert preceptor(["library", "measure", strategy.id, "--text", "Be <b>brief</b>.", *at]) == 0
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "desk"))


@pytest.fixture
def office(folder: Path) -> Iterator[Office]:
    project = Project.load(folder)
    with project.database() as db, Office(project, db) as opened:
        yield opened


def house(office: Office) -> House:
    return House(Desk(office.project.library(office.db)), office, simulated=True)


@pytest.fixture
async def visitor(office: Office) -> AsyncIterator[Visitor]:
    async with Visitor(app(house(office), alone())) as one:
        yield one


def the(office: Office, kind: str) -> Run:
    return next(run for run in office.runs.list() if run.kind == kind)


async def test_runs_are_listed_newest_first_in_words(visitor: Visitor) -> None:
    text = (await visitor.get("/runs")).text
    found = [text.index(kind) for kind in ("Measuring a strategy", "Evaluation", "Teaching")]
    assert found == sorted(found)
    assert "strategies accepted" in text


async def test_a_teaching_run_shows_its_curve_its_use_and_its_budget(visitor: Visitor, office: Office) -> None:
    text = (await visitor.get(f"/runs/{the(office, 'teach').id}")).text
    assert "Held-out satisfaction by iteration" in text
    assert "the student alone" in text
    assert "Accepted: " in text
    assert ">teacher</th>" in text
    assert "Go on with it" not in text


async def test_a_wording_that_was_tried_is_shown_reply_beside_reply(visitor: Visitor, office: Office) -> None:
    text = (await visitor.get(f"/runs/{the(office, 'measure').id}")).text
    assert "Be &lt;b&gt;brief&lt;/b&gt;." in text
    assert "Where it came from" in text
    assert text.count(">With it</p>") > 1


async def test_a_report_opens_in_a_frame_of_its_own_policy(visitor: Visitor, office: Office) -> None:
    run = the(office, "evaluate").id
    assert "Open the report" in (await visitor.get(f"/runs/{run}")).text
    assert f"/runs/{run}/report/report.html" in (await visitor.get(f"/runs/{run}/report")).text
    answer = await visitor.get(f"/runs/{run}/report/report.html")
    assert "“teacher”" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'self'" in policy
    assert (await visitor.get(f"/runs/{run}/report/none.html")).status_code == 404
    assert (await visitor.get(f"/runs/{the(office, 'teach').id}/report")).status_code == 409


async def test_what_cannot_be_steered_says_so(visitor: Visitor, office: Office) -> None:
    run = the(office, "teach").id
    await visitor.get("/runs")
    for what in ("pause", "cancel", "resume"):
        answer = await visitor.post(f"/runs/{run}/{what}")
        assert answer.status_code == 409, what
    assert (await visitor.get("/runs/none")).status_code == 404


async def test_a_wording_is_tried_from_the_page(visitor: Visitor, office: Office) -> None:
    strategy = office.project.library(office.db).guidance("accepted").strategies[0]
    await visitor.get("/runs")
    answer = await visitor.post(f"/strategies/{strategy.id}/try", {"text": "Say when, exactly."})
    run = answer.url.path.rsplit("/", 1)[1]
    assert "Say when, exactly." in answer.text
    wait(lambda: not office.launcher.going(run))
    text = (await visitor.get(f"/runs/{run}")).text
    assert "done" in text
    assert ">With it</p>" in text
    empty = await visitor.post(f"/strategies/{strategy.id}/try", {"text": "  "})
    assert empty.status_code == 400


async def test_a_release_is_evaluated_beside_the_student(visitor: Visitor, office: Office) -> None:
    library = office.project.library(office.db)
    for strategy in library.guidance("accepted").strategies[:2]:
        library.decide(strategy.id, "approved", "ann")
    release = library.release("ann")
    await visitor.get("/runs")
    answer = await visitor.post(f"/releases/{release.hash}/evaluate")
    run = answer.url.path.rsplit("/", 1)[1]
    assert "The evaluation has begun." in answer.text
    office.stop(run, "cancel", "ann")
    wait(lambda: not office.launcher.going(run))
    assert office.runs.get(run).settings["arms"] == ["student", "candidate"]


async def test_without_an_office_there_are_no_runs(tmp_path: Path) -> None:
    with Database.open(tmp_path / "p.db") as db:
        project = Project.load(_new(tmp_path))
        async with Visitor(app(House(Desk(project.library(db))), alone())) as visitor:
            assert (await visitor.get("/runs")).status_code == 404


def _new(tmp_path: Path) -> Path:
    assert preceptor(["init", str(tmp_path / "new")]) == 0
    return tmp_path / "new"


async def test_a_run_is_watched_paused_and_taken_up_again(tmp_path: Path) -> None:
    world = World.load(WORLD)
    hold = Hold(8)
    with serving(world, latency=0.1, sleep=hold) as models:
        desk = shop.Desk.open(tmp_path / "desk", world, endpoints(models.url, world.roles), TINY)
        teaching = desk.start()
        wait(lambda: models.tally.calls > 8)
        with desk.project.database() as db, Office(desk.project, db) as office:
            run = the(office, "teach").id
            async with Visitor(app(house(office), alone())) as visitor:
                page = await visitor.get(f"/runs/{run}")
                assert f'sse-connect="/runs/{run}/live"' in page.text
                said = await visitor.post(f"/runs/{run}/pause")
                assert "stops when what is in flight is finished" in said.text
                hold.let_go()
                assert teaching.ended().code == 1
                stream = await visitor.get(f"/runs/{run}/live")
                events = [line for line in stream.text.splitlines() if line.startswith("event: ")]
                assert events == ["event: board", "event: over"]
                page = await visitor.get(f"/runs/{run}")
                assert "Paused by ann." in page.text
                await visitor.post(f"/runs/{run}/resume")
                wait(lambda: not office.launcher.going(run))
                assert "done" in (await visitor.get(f"/runs/{run}")).text


def the_pages(office: Office) -> list[str]:
    evaluation = the(office, "evaluate").id
    return ["/runs", *(f"/runs/{run.id}" for run in office.runs.list()), f"/runs/{evaluation}/report"]
