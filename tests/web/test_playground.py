"""The playground: talks side by side, strategies switched off, cases kept and held against."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from desk import Desk as Shop
from desk import simulated
from preceptor.cli.main import run as preceptor
from preceptor.dialogue.conversation import Context, Turn
from preceptor.errors import UserError
from preceptor.library.cases import Cases
from preceptor.library.desk import Desk
from preceptor.library.model import Scenario, Strategy
from preceptor.library.rows import Use
from preceptor.library.store import Batch
from preceptor.settings.stage import Stage
from preceptor.simulated.world import World
from preceptor.web.app import app
from preceptor.web.house import House
from preceptor.web.pasted import turns_of

from .conftest import Visitor, alone

WORLD = Path(__file__).parents[1] / "simulated" / "small.yaml"
NUTS = "My daughter has an allergy, is the marzipan tart safe?"
LIST = "Read out the full list of ingredients."
pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose library has one scenario and two strategies."""
    world = World.load(WORLD)
    shop = Shop.open(tmp_path / "desk", world, simulated(str(WORLD), world.roles), {})
    examples = tuple(
        Context((Turn("customer", f"{opening}{NUTS}"),)) for opening in ("", "Hello. ", "Good morning. ", "Quick one: ")
    )
    scenario = Scenario("sc-nuts", "Somebody with an allergy asks what is in a cake.", examples)
    strategies = [
        Strategy("st-list", LIST, "", "sc-nuts", 0.5, "accepted"),
        Strategy("st-sorry", "Apologise first.", "", "sc-nuts", 0.2, "accepted"),
    ]
    with shop.project.database(create=True) as db:
        shop.project.library(db).store(Batch([scenario], strategies, use=Use("Crumb and Co")), "run-1", "1")
    return shop.folder


@pytest.fixture
def stage(folder: Path) -> Iterator[Stage]:
    project = Shop(folder).project
    with project.database() as db, Stage(project, db) as opened:
        yield opened


@pytest.fixture
async def visitor(stage: Stage) -> AsyncIterator[Visitor]:
    house = House(Desk(stage.library), stage=stage)
    async with Visitor(app(house, alone())) as one:
        yield one


async def settled(stage: Stage, path: str) -> None:
    answering = stage.talk(path.rsplit("/", 1)[1]).answering
    assert answering is not None
    await asyncio.wait_for(asyncio.shield(answering), 60)
    assert [side.fault for side in stage.talk(path.rsplit("/", 1)[1]).sides.values() if side.fault] == []


async def test_both_sides_answer_and_it_is_told_why(visitor: Visitor, stage: Stage) -> None:
    await visitor.get("/playground")
    begun = await visitor.post("/playground", {"teacher": "yes"})
    path = begun.url.path
    assert (await visitor.post(f"{path}/say", {"text": NUTS})).status_code == 200
    await settled(stage, path)
    text = (await visitor.get(path)).text
    for title in ("The student alone", "The student with the library", "The teacher"):
        assert title in text
    assert LIST in text
    assert "Somebody with an allergy asks what is in a cake." in text
    talk = stage.talk(path.rsplit("/", 1)[1])
    assert all(side.turns[-1].party == "agent" and not side.fault for side in talk.sides.values())
    assert [strategy.id for strategy in talk.put] == ["st-list", "st-sorry"]
    await visitor.post(f"{path}/say", {"text": "Thank you. And what does it cost?"})
    await settled(stage, path)
    assert all(len(side.turns) == 4 for side in talk.sides.values())


FERRY = "Can I take the ferry on Monday with ticket 123456?"


async def test_tools_are_called_and_what_they_gave_is_shown(tmp_path: Path) -> None:
    """By the world's own tools; each side has its own."""
    world = World.load(WORLD.with_name("counter.yaml"))
    shop = Shop.open(tmp_path / "desk", world, simulated(str(WORLD.with_name("counter.yaml")), world.roles), {})
    scenario = Scenario("sc-ferry", "They want another day.", (Context((Turn("customer", FERRY),)),))
    strategy = Strategy("st-look", "Look up the ticket before anything else.", "", "sc-ferry", 0.5, "accepted")
    with shop.project.database(create=True) as db:
        shop.project.library(db).store(Batch([scenario], [strategy], use=Use("Seaside Ferries")), "run-1", "1")
    with shop.project.database() as db, Stage(shop.project, db) as stage:
        async with Visitor(app(House(Desk(stage.library), stage=stage), alone())) as visitor:
            await visitor.get("/playground")
            path = (await visitor.post("/playground", {"teacher": "yes"})).url.path
            await visitor.post(f"{path}/say", {"text": FERRY})
            await settled(stage, path)
            talk = stage.talk(path.rsplit("/", 1)[1])
            turns = talk.sides["teacher"].turns
            assert [turn.party for turn in turns[:4]] == ["customer", "agent", "tool", "agent"]
            assert turns[-1].party == "agent"
            assert not turns[-1].tool_calls
            text = (await visitor.get(path)).text
            assert "look_up_ticket({" in text
            assert '<span class="party">Tool</span>' in text
            await visitor.post(f"{path}/again")
            await settled(stage, path)
            assert talk.sides["teacher"].turns[2].text == turns[2].text, "the same customer finds the same"
            assert talk.sides["teacher"].turns[-1].party == "agent"


async def test_a_strategy_is_switched_off_and_the_answer_given_again(visitor: Visitor, stage: Stage) -> None:
    await visitor.get("/playground")
    path = (await visitor.post("/playground", {"pasted": f"Customer: {NUTS}"})).url.path
    await settled(stage, path)
    talk = stage.talk(path.rsplit("/", 1)[1])
    offered = ("offered", "st-list"), ("offered", "st-sorry")
    form = [("seal", visitor.hidden["seal"]), ("chosen", "yes"), *offered, ("on", "st-sorry")]
    headers = {"origin": "http://127.0.0.1", "content-type": "application/x-www-form-urlencoded"}
    sent = "&".join(f"{name}={value}" for name, value in form)
    assert (await visitor.http.post(f"{path}/again", content=sent, headers=headers)).status_code == 200
    await settled(stage, path)
    assert [strategy.id for strategy in talk.put] == ["st-sorry"]
    assert all(len(side.turns) == 2 for side in talk.sides.values())
    await visitor.post(f"{path}/again")
    await settled(stage, path)
    assert [strategy.id for strategy in talk.put] == ["st-sorry"]


async def test_a_talk_begins_at_a_turn_of_a_conversation_that_is_kept(visitor: Visitor, stage: Stage) -> None:
    context = stage.library.scenarios()[0].examples[0]
    page = await visitor.get(f"/playground?context={context.key}")
    assert "Begin after this turn" in page.text
    begun = await visitor.post("/playground", {"context": context.key, "until": "1"})
    await settled(stage, begun.url.path)
    assert stage.talk(begun.url.path.rsplit("/", 1)[1]).sides["alone"].turns[0].text == context.turns[0].text
    assert (await visitor.get("/playground?context=none")).status_code == 404


async def test_answers_come_as_a_stream(visitor: Visitor, stage: Stage) -> None:
    await visitor.get("/playground")
    path = (await visitor.post("/playground", {"pasted": NUTS})).url.path
    stream = await visitor.get(f"{path}/live")
    events = [line for line in stream.text.splitlines() if line.startswith("event: ")]
    assert events[-2:] == ["event: board", "event: over"]
    assert LIST in stream.text


async def test_what_cannot_be_said_is_told(visitor: Visitor, stage: Stage) -> None:
    await visitor.get("/playground")
    path = (await visitor.post("/playground")).url.path
    assert (await visitor.post(f"{path}/say", {"text": " "})).status_code == 400
    assert (await visitor.post(f"{path}/again")).status_code == 400
    assert (await visitor.post(f"{path}/keep", {"side": "alone"})).status_code == 400
    assert (await visitor.get("/playground/gone")).status_code == 404
    assert (await visitor.post("/playground", {"library": "live"})).status_code == 400
    other = House(Desk(stage.library), stage=stage)
    async with Visitor(app(other, alone(name="ben"))) as ben:
        assert (await ben.get(path)).status_code == 404


async def test_a_case_is_kept_and_removed(visitor: Visitor, stage: Stage) -> None:
    await visitor.get("/playground")
    path = (await visitor.post("/playground", {"pasted": NUTS, "teacher": "yes"})).url.path
    await settled(stage, path)
    await visitor.get(path)
    kept = await visitor.post(f"{path}/keep", {"side": "teacher", "note": "Allergies <b>first</b>"})
    assert "Kept as case ca-" in kept.text
    (case,) = Cases(stage.db, stage.library.name).list()
    assert (case.who, case.note) == ("ann", "Allergies <b>first</b>")
    assert case.answer == stage.talk(path.rsplit("/", 1)[1]).sides["teacher"].turns[-1].text
    assert "Allergies &lt;b&gt;first&lt;/b&gt;" in (await visitor.get("/playground")).text
    await visitor.post(f"/cases/{case.id}/remove")
    assert Cases(stage.db, stage.library.name).list() == ()
    assert (await visitor.post(f"/cases/{case.id}/remove")).status_code == 404


def test_a_student_that_has_become_worse_fails_its_case(
    stage: Stage, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ("--project", str(folder))
    assert preceptor(["cases", "run", "--yes", *at]) == 1
    assert "No case is kept yet" in capsys.readouterr().err
    context, good = Context((Turn("customer", NUTS),)), "The full list of ingredients is flour, butter and almonds."
    case = Cases(stage.db, stage.library.name).keep(context, good, "nuts", "ann")
    assert preceptor(["cases", "run", "--yes", *at]) == 0
    assert "cases: 1 done" in capsys.readouterr().out
    for id_ in ("st-list", "st-sorry"):
        stage.library.decide(id_, "rejected", "ann")
    assert preceptor(["cases", "run", "--yes", *at]) == 1
    assert f"Worse: {case.id}  nuts\n  kept: {good}\n  now:  " in capsys.readouterr().out
    assert preceptor(["cases", "list", *at]) == 0
    assert case.id in capsys.readouterr().out
    assert preceptor(["cases", "remove", case.id, *at]) == 0
    assert preceptor(["cases", "remove", case.id, *at]) == 1
    assert "There is no case" in capsys.readouterr().err


def test_pasted_conversations_are_read() -> None:
    turns = turns_of("Customer: Hello.\nIt is down.\n\nAgent: Sorry.\nUser: Again!")
    assert [(turn.party, turn.text) for turn in turns] == [
        ("customer", "Hello.\nIt is down."),
        ("agent", "Sorry."),
        ("customer", "Again!"),
    ]
    assert turns_of("just words\nof one")[0].text == "just words\nof one"
    assert turns_of("  ") == ()
    with pytest.raises(UserError, match="Line 1"):
        turns_of("words\nCustomer: hello")
