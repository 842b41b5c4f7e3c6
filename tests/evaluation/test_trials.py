"""Several conversations of each customer, where a world's tools tell what came of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from preceptor import Customers, Domain, Judge, ModelAgent
from preceptor.dialogue.agent import Agent
from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.customers import Customer
from preceptor.dialogue.domain import Persona, Topic
from preceptor.dialogue.outcome import Check, Outcome
from preceptor.dialogue.world import WorldTools
from preceptor.evaluation.arms.null import null
from preceptor.evaluation.evaluate import evaluate
from preceptor.evaluation.measures import PASSED, PASSED_EVERY_TIME
from preceptor.evaluation.results import Served
from preceptor.simulated.model import SimulatedModel, models
from preceptor.simulated.world import World

WORLD = World.load(Path(__file__).parent.parent / "simulated" / "counter.yaml")
DOMAIN = Domain.parse(WORLD.domain, WORLD.name)
CAST = models(WORLD)
WHO = Customer(Topic(id="a", description="A."), Persona(id="b", description="B."), 1)


def served(*passed: bool | None) -> Served:
    def talk(kept: bool | None) -> Conversation:
        return Conversation((), outcome=None if kept is None else Outcome((Check("end state", kept),)))

    first, *again = map(talk, passed)
    return Served("x", WHO, first, (), again=tuple(again))


def test_pass_k_is_the_chance_that_k_of_the_trials_there_were_all_went_well() -> None:
    once = served(True, True, True, False)
    assert once.pass_hat(1) == 3 / 4
    assert once.pass_hat(2) == 3 / 6
    assert once.pass_hat(3) == 1 / 4
    assert once.pass_hat(4) == 0
    assert once.pass_hat(5) is None
    assert served(None).pass_hat(1) is None
    assert served(None, True, True).pass_hat(2) == 1


def wavering() -> SimulatedModel:
    """A teacher who does what is called for half of the time."""
    profile = WORLD.profile("teacher").model_copy(update={"knack": {"default": 0.6}})
    return SimulatedModel(WORLD.model_copy(update={"models": {"x": profile}, "roles": {}}), "x")


@pytest.mark.anyio
async def test_trials_are_counted_where_tools_tell_what_came_of_a_conversation() -> None:
    customers = Customers.draw(DOMAIN, CAST["customer-unseen"], 20, environment=WorldTools(WORLD))
    judge = Judge(CAST["judge"], DOMAIN)
    arms: list[Agent] = [ModelAgent(wavering(), DOMAIN, name="wavering"), null()]
    report = await evaluate(arms, customers, judge, trials=4)
    assert all(len(one.passes) == 4 for arm in report.arms for one in arm.served)
    shown = [measure.name for measure in report.measured]
    assert shown[1:5] == ["passed", "pass_2", "pass_3", "pass_4"]
    passed = [report.mean("wavering", measure) for measure in (PASSED, *PASSED_EVERY_TIME[:3])]
    assert passed[0].value > passed[1].value > passed[3].value
    assert all(one.low <= one.value <= one.high for one in passed)
    talks = [one for one in report.arm("wavering").served if len({talk.transcript() for talk in one.again}) > 1]
    assert talks  # the agent's luck is drawn anew …
    openings = {talk.turns[0].text for talk in (talks[0].conversation, *talks[0].again)}
    assert len(openings) == 1  # … and the customer comes with the same
    nothing = report.arm("null")
    assert len(nothing.outcomes) == 80
    assert list(nothing.failed) == sorted(nothing.failed, key=lambda name: -nothing.failed[name])
    assert "policy kept" not in nothing.failed
    assert report.mean("null", PASSED).value == report.mean("null", PASSED_EVERY_TIME[2]).value


@pytest.mark.anyio
async def test_without_tools_nothing_is_tried_again() -> None:
    customers = Customers.draw(DOMAIN, CAST["customer-unseen"], 3)
    report = await evaluate([null()], customers, Judge(CAST["judge"], DOMAIN), trials=4)
    assert all(not one.again for one in report.arms[0].served)
    assert PASSED not in report.measured


class Outside(WorldTools):
    """Tools whose calls leave something behind."""

    repeatable = False


@pytest.mark.anyio
async def test_what_leaves_something_behind_is_done_once() -> None:
    customers = Customers.draw(DOMAIN, CAST["customer-unseen"], 3, environment=Outside(WORLD))
    report = await evaluate([null()], customers, Judge(CAST["judge"], DOMAIN), trials=4)
    assert all(len(one.passes) == 1 for one in report.arms[0].served)
    assert replace(report.arms[0].served[0], again=()).pass_hat(1) is not None
