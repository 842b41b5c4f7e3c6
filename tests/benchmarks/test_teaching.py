"""The counting behind `make bench-teaching`: what is covered, what does harm, what is asked of whom."""

import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from bench_teaching import STUDENTS, UNINSIGHTFUL, Job, Oracle, aims, verdicts
from learned import addressed, coverage, harmful, needs
from preceptor import Context, Student, Teaching, Turn, World
from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.domain import Domain
from preceptor.library.model import Guidance, Scenario, Strategy
from preceptor.retrieval.selector import Found
from preceptor.simulated.model import SimulatedModel
from preceptor.simulated.profiles import AgentProfile
from preceptor.simulated.truth import Truth

LATE, ANGRY = "My rolls should have been here an hour ago.", "I am losing patience with your bakery."
NUTS = "Are there any nuts in the birthday cake?"
SORRY = "I am sorry about the trouble this caused."
APOLOGISE, TIME = "Apologise for the trouble.", "Tell them at what hour the driver will arrive."
REFUND, INGREDIENTS = "Promise a full refund.", "List every ingredient of the cake."


@pytest.fixture(scope="module")
def world() -> World:
    return World.load(Path(__file__).parents[1] / "simulated" / "small.yaml")


@pytest.fixture(scope="module")
def truth(world: World) -> Truth:
    return Truth(world)


def context(*said: str) -> Context:
    return Context(tuple(Turn("agent" if n % 2 else "customer", text) for n, text in enumerate(said)))


def strategy(text: str, scenario: str | None = None, value: float = 0.0) -> Strategy:
    return Strategy(Strategy.new_id(text, scenario), text, "", scenario, value)


def library(strategies: Mapping[str, str], **examples: list[str]) -> Guidance:
    """Strategies with the name of their scenario ("" for none), and what customers say in each scenario."""
    scenarios = tuple(Scenario(id_, id_, tuple(map(context, said))) for id_, said in examples.items())
    return Guidance("bakery", scenarios, tuple(strategy(text, of or None) for text, of in strategies.items()))


class Told:
    """Finds what a table holds for the customer's last message."""

    def __init__(self, table: Mapping[str, str]) -> None:
        self._table = table

    def find(self, context: Context) -> Found:
        text = self._table.get(context.customer_turns[-1])
        return Found((), text is None, (strategy(text),) if text else ())


@pytest.fixture(scope="module")
def conversations() -> list[Conversation]:
    """Three turns without an apology or a time, or with half of it; one that lacks nothing the reader knows."""
    return [
        Conversation((*context(LATE, SORRY, ANGRY, "We bake with love.").turns, Turn("customer", "Bye."))),
        Conversation(context(LATE, "We bake with love.").turns),
        Conversation(context("Qwertz.", "We bake with love.").turns),
    ]


def test_needs_are_what_a_student_left_out_and_can_learn(truth: Truth, conversations: list[Conversation]) -> None:
    lacked = [(need.situation, need.move) for need in needs(truth, "obedient", conversations)]
    angry = [("late-angry", "apologise"), ("late-angry", "offer-refund")]
    assert lacked == [("late-first", "give-time"), *angry, ("late-first", "apologise"), ("late-first", "give-time")]
    assert {need.move for need in needs(truth, "unable", conversations)} == {"apologise", "offer-refund"}
    assert needs(truth, "teacher", conversations) == ()


def test_coverage_counts_needs_whose_move_the_slot_asks_for(truth: Truth, conversations: list[Conversation]) -> None:
    wanted = needs(truth, "obedient", conversations)
    covered = coverage(truth, wanted, Told({LATE: TIME, ANGRY: "Never blame the customer."}))
    assert covered.share == pytest.approx(2 / 5)
    assert covered.by_pair == pytest.approx(1 / 4)
    assert covered.within({"late-first"}).share == pytest.approx(2 / 3)
    assert covered.within(truth.only_poor()).share == 0
    assert coverage(truth, wanted, Told({})).share == 0
    assert math.isnan(coverage(truth, (), Told({})).share)


def test_harmful_strategies_are_those_that_hurt_where_they_apply(truth: Truth) -> None:
    right = {APOLOGISE: "late", "Never blame the customer.": "late"}
    assert harmful(truth, library(right, late=[LATE, LATE, ANGRY])) == ()
    for text in (REFUND, "Blame the address they typed in.", "Never say sorry."):
        assert [bad.text for bad in harmful(truth, library({text: "late"}, late=[LATE]))] == [text]


def test_a_stray_example_does_not_make_a_right_strategy_harmful(truth: Truth) -> None:
    assert harmful(truth, library({REFUND: "angry"}, angry=[ANGRY, ANGRY, LATE])) == ()
    assert harmful(truth, library({REFUND: "angry"}, angry=[ANGRY, LATE, LATE]))
    assert harmful(truth, library({REFUND: "nuts"}, nuts=[NUTS, NUTS, LATE]))


def test_a_general_strategy_is_held_against_all_situations(truth: Truth) -> None:
    assert harmful(truth, library({APOLOGISE: "", INGREDIENTS: ""})) == ()
    assert harmful(truth, library({"Never say sorry.": ""}))


def test_a_situation_is_addressed_by_a_scenario_of_its_own(truth: Truth) -> None:
    guidance = library({APOLOGISE: "angry", TIME: ""}, angry=[ANGRY, ANGRY, LATE], nuts=[NUTS])
    assert addressed(truth, guidance) == {"late-angry"}


@pytest.mark.anyio
async def test_the_oracle_tells_what_can_be_done_and_what_must_not(truth: Truth, world: World) -> None:
    able, unable, near = (world.profile(name) for name in ("obedient", "unable", "near"))
    assert isinstance(able, AgentProfile)
    assert isinstance(unable, AgentProfile)
    assert isinstance(near, AgentProfile)
    told = [one.text for one in Oracle(truth, able).find(context(LATE)).strategies]
    assert told[:2] == [APOLOGISE, TIME]
    assert set(map(truth.forbids, told[2:])) == {frozenset({"blame"}), frozenset({"offer-refund"})}
    assert TIME not in [one.text for one in Oracle(truth, unable).find(context(LATE)).strategies]
    assert Oracle(truth, able).find(context("Qwertz.")).abstained
    assert Oracle(truth, near).placement == "in_last"

    domain = Domain.parse(world.domain, "small.yaml")
    student = Student(SimulatedModel(world, "obedient"), domain, finder=Oracle(truth, able))
    assert truth.moves((await student.reply(context(LATE), 1)).text) == {"apologise", "give-time"}


def job(part: str, variant: str) -> Job:
    return Job(part, "small.yaml", "bakery", "obedient", "teacher", variant, Teaching(), 1, 0)  # type: ignore[arg-type]


def test_targets_are_asked_of_students_who_can_and_of_controls() -> None:
    figures: dict[str, float | None] = {
        "ceiling": 0.9,
        "gap_closed": 0.85,
        "gap_closed_low": 0.69,
        "coverage": None,
        "harmful_share": 0.02,
    }
    asked = verdicts([(job("students", "obedient"), figures)])
    prefix = "students: bakery obedient"
    assert {key: told["ok"] for key, told in asked.items()} == {
        f"{prefix} gap_closed": True,
        f"{prefix} gap_closed_low": False,
        f"{prefix} coverage": False,
        f"{prefix} harmful_share": True,
    }
    assert aims(job("students", "unable"), {"ceiling": 0.6}) == ()
    assert aims(job("beside", "no gate"), figures) == ()
    assert len(STUDENTS) == len(asked)


@pytest.mark.parametrize(("low", "high", "ok"), [(-0.1, 0.1, True), (0.01, 0.1, False), (-0.2, -0.1, False)])
def test_with_nothing_to_learn_the_interval_has_to_hold_zero(low: float, high: float, ok: bool) -> None:
    figures: dict[str, float | None] = {"taught_share": 0.0, "difference_low": low, "difference_high": high}
    found = verdicts([(job("controls", UNINSIGHTFUL), figures)])
    assert all(told["ok"] for told in found.values()) is ok
