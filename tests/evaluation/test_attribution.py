"""Which strategies help and which hurt, in a world in which that is known."""

from dataclasses import dataclass, field, replace

import pytest

from preceptor.dialogue.conversation import Context
from preceptor.errors import UserError
from preceptor.evaluation.arms.library import Fixed, whole_library
from preceptor.evaluation.attribution import Attribution, Contribution, attribute
from preceptor.evaluation.evaluate import evaluate
from preceptor.evaluation.omissions import plan
from preceptor.evaluation.report import Report
from preceptor.library.model import Guidance, Strategy
from preceptor.llm.messages import Reply, Request
from preceptor.llm.model import Model
from preceptor.llm.scripted import ScriptedModel
from preceptor.retrieval.selector import Found
from preceptor.simulated.truth import Truth
from preceptor.simulated.world import World
from preceptor.storage.canonical import content_hash
from preceptor.student.student import Student

from .conftest import Scene

pytestmark = pytest.mark.anyio
WORLD = World.shipped("broadband")


TRUTH = Truth(WORLD)
CUSTOMERS = 30


def commonest(kind: str) -> str:
    """What is most often required, or most often does harm."""
    everywhere: list[str] = [move for situation in WORLD.situations for move in getattr(situation, kind)]
    return max(sorted(set(everywhere)), key=everywhere.count)


GOOD = Strategy("st-good", WORLD.move[commonest("required")].told[0], "", "sc-1", 0.3)
BAD = Strategy("st-bad", WORLD.move[commonest("harmful")].told[0], "", "sc-1", 0.2)
IDLE = Strategy("st-idle", "Sit up straight.", "", "sc-2", 0.1)


class Knowing:
    """Finds the good strategy where it is called for, and the others everywhere."""

    def find(self, context: Context) -> Found:
        here = TRUTH.situation(*context.customer_turns)
        fits = here and commonest("required") in WORLD.situation[here].required
        return Found((), False, (GOOD, BAD, IDLE) if fits else (BAD, IDLE))


@dataclass
class Counted:
    """A model with the different requests made to it."""

    model: Model
    asked: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.model.name

    async def ask(self, request: Request) -> Reply:
        self.asked.add(content_hash(request))
        return await self.model.ask(request)


@pytest.fixture
def student(scene: Scene) -> Student:
    return replace(scene.student, finder=Knowing(), name="taught")


@pytest.fixture
async def report(scene: Scene, student: Student) -> Report:
    return await evaluate([student], scene.customers(CUSTOMERS), scene.judge)


def row(found: Attribution, id_: str) -> Contribution:
    return next(one for one in (*found.strategies, *found.scenarios) if one.id == id_)


async def test_what_helps_comes_first_and_what_hurts_is_flagged(scene: Scene, student: Student) -> None:
    report = await evaluate([student], scene.customers(100), scene.judge)
    found = await attribute(student, report, scene.judge, contexts=100)
    assert found.strategies[0].id == GOOD.id
    assert found.strategies[-1].id == BAD.id
    assert row(found, GOOD.id).verdict == "helps"
    assert row(found, BAD.id).verdict == "hurts"
    assert row(found, IDLE.id).verdict == "not decided"
    assert BAD.id in [one.id for one in found.hurting]


async def test_how_often_it_fired_and_what_was_counted(scene: Scene, student: Student, report: Report) -> None:
    found = await attribute(student, report, scene.judge, contexts=10, repeats=3)
    bad, good = row(found, BAD.id), row(found, GOOD.id)
    assert (bad.turn_share, bad.customer_share, bad.customers) == (1.0, 1.0, CUSTOMERS)
    assert 0 < good.turn_share < good.customer_share < 1
    assert bad.effect
    assert bad.effect.n == 10
    assert bad.wins + bad.ties + bad.losses + bad.unscored == 30
    assert bad.effect.value == pytest.approx((bad.wins - bad.losses) / (30 - bad.unscored), abs=0.05)


async def test_a_scenarios_set_is_left_out_together(scene: Scene, student: Student, report: Report) -> None:
    planned = plan(student, report, contexts=5)
    (subject,) = [one for one in planned.subjects if one.id == "sc-1"]
    assert [s.id for s in subject.without(subject.chosen[0])] == [IDLE.id]


async def test_moments_are_of_different_customers_and_drawn_by_the_seed(student: Student, report: Report) -> None:
    first, again, other = (plan(student, report, contexts=10, seed=seed).subjects[0].chosen for seed in (0, 0, 1))
    assert first == again != other
    assert len({firing.customer for firing in first}) == 10


async def test_the_plan_says_what_will_be_asked(scene: Scene, student: Student, report: Report) -> None:
    models = {"student": Counted(student.model), "judge": Counted(scene.judge.model)}
    counted = replace(student, model=models["student"])
    judge = replace(scene.judge, model=models["judge"])
    planned = plan(counted, report, contexts=6).calls
    await attribute(counted, report, judge, contexts=6)
    assert len(models["student"].asked) == planned["student"]
    # Two verdicts that cannot be read are asked for once more.
    assert 0 < len(models["judge"].asked) <= 1.1 * planned["judge"]


async def test_a_finder_without_a_library_is_known_by_what_it_finds(scene: Scene, report: Report) -> None:
    class Once:
        def find(self, context: Context) -> Found:
            return Found((), False, (GOOD,) if len(context.turns) == 1 else ())

    found = await attribute(replace(scene.student, finder=Once(), name="taught"), report, scene.judge, contexts=4)
    assert [one.id for one in found.strategies] == [GOOD.id]
    assert found.strategies[0].turn_share < found.strategies[0].customer_share == 1


async def test_what_never_stood_in_a_slot_is_shown_as_not_measured(scene: Scene, report: Report) -> None:
    student = replace(scene.student.using(Guidance("x", strategies=(GOOD,))), name="taught")
    found = await attribute(student, report, scene.judge)
    assert (found.strategies[0].turns, found.strategies[0].verdict) == (0, "not measured")


async def test_too_few_customers_are_no_measurement(scene: Scene, student: Student, report: Report) -> None:
    found = await attribute(student, report, scene.judge, contexts=5)
    assert {one.verdict for one in found.strategies} == {"not measured"}
    assert row(found, BAD.id).wins + row(found, BAD.id).ties + row(found, BAD.id).losses > 0


async def test_a_reply_nobody_could_be_shown_loses(scene: Scene, report: Report) -> None:
    def recites(request: Request) -> str:
        return f"({request.messages[0].content})" if BAD.text in request.messages[0].content else "Certainly."

    student = replace(scene.student, model=ScriptedModel("m", recites), finder=Fixed((BAD,)), name="taught")
    found = await attribute(student, report, scene.judge, contexts=12, repeats=2)
    assert found.strategies[0].losses == 24
    assert found.strategies[0].verdict == "hurts"


async def test_without_a_library_there_is_nothing_to_leave_out(scene: Scene, report: Report) -> None:
    with pytest.raises(UserError, match="nothing to leave out"):
        plan(replace(scene.student, name="taught"), report)
    with pytest.raises(UserError, match="no arm 'whole library'"):
        plan(whole_library(scene.student, Guidance("x")), report)
