"""Arms, customers and a judge in; what was measured out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from preceptor.dialogue.agent import Agent
from preceptor.dialogue.conversation import Context
from preceptor.errors import Conflict, UserError
from preceptor.evaluation import keeping
from preceptor.evaluation.evaluate import LOOK, evaluate
from preceptor.evaluation.events import Event, Progress
from preceptor.evaluation.keeping import Keeper
from preceptor.evaluation.results import Cost, Served
from preceptor.judging.verdicts import Comparison, Unscored
from preceptor.library.model import Strategy
from preceptor.llm.budget import Budget
from preceptor.llm.ledger import Ledger
from preceptor.llm.limits import Limiter
from preceptor.llm.messages import Sampling
from preceptor.llm.prices import Price
from preceptor.llm.scripted import ScriptedModel
from preceptor.llm.stack import stack
from preceptor.llm.stopping import Stop
from preceptor.retrieval.selector import Found
from preceptor.simulated.faults import Faults, Faulty
from preceptor.storage.database import Database
from preceptor.storage.records import Records

if TYPE_CHECKING:
    from tests.evaluation.conftest import Scene

pytestmark = pytest.mark.anyio
SORRY = Strategy("st-sorry", "Apologise for the trouble.", "They are upset.", None)
"""To be told so changes what this world's students say."""


@dataclass(frozen=True)
class OnFirstTurn:
    """Finds one strategy, and only in a customer's first context."""

    def find(self, context: Context) -> Found:
        first = len(context.customer_turns) == 1
        return Found((("sc-1", 0.9),), not first, (SORRY,) if first else ())


async def nap(seconds: float) -> None:
    """Takes no time."""


async def test_each_arm_serves_each_customer_and_what_was_done_is_counted(scene: Scene) -> None:
    taught = replace(scene.student, finder=OnFirstTurn(), name="taught")
    kept: list[Served] = []
    arms: list[Agent] = [scene.student, taught, scene.teacher]
    report = await evaluate(arms, scene.customers(4), scene.judge, repeats=3, duels=2, keep=kept.append)
    assert [arm.name for arm in report.arms] == ["student", "taught", "teacher"]
    assert sorted(map(repr, kept)) == sorted(repr(one) for arm in report.arms for one in arm.served)
    for arm in report.arms:
        for one in arm.served:
            assert len(one.ratings) == 3
            assert one.cost.calls == one.agent_turns
            assert one.cost.prompt_tokens > one.cost.completion_tokens > 0
    assert all(not one.duels and not one.guided for one in report.arm("student").served)
    for first, one in zip(report.arm("student").served, report.arm("taught").served, strict=True):
        assert [bool(turn.strategies) for turn in one.guided] == [n == 0 for n in range(one.agent_turns)]
        assert len(one.duels) == min(2, first.agent_turns)
        for duel in one.duels:
            assert first.conversation.turns[duel.turn].party == "agent"
            assert duel.reply


async def test_a_duel_is_fought_in_the_first_arms_conversation(scene: Scene) -> None:
    arms = [scene.student, replace(scene.student, name="same")]
    report = await evaluate(arms, scene.customers(3), scene.judge, duels=1)
    (fought,) = {duel.verdict for one in report.arm("same").served for duel in one.duels}
    assert fought == Comparison("tie", "The replies are the same.", orders_agree=True)


async def test_an_arm_that_gives_no_reply_loses_no_other(scene: Scene) -> None:
    mute = replace(scene.student, model=ScriptedModel("mute", lambda _: ""), name="mute")
    report = await evaluate([scene.student, mute], scene.customers(2), scene.judge, duels=1)
    assert report.arm("mute").unscored == 2
    assert {type(duel.verdict) for one in report.arm("mute").served for duel in one.duels} == {Unscored}
    assert report.arm("student").unscored == 0


async def test_arms_need_names_of_their_own(scene: Scene) -> None:
    with pytest.raises(UserError, match="names of their own"):
        await evaluate([scene.student, scene.student], scene.customers(1), scene.judge)


async def test_money_and_seconds_are_those_of_the_arms_calls_and_a_replay_tells_the_same(
    scene: Scene, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("db") / "p.db"

    async def run(latency: float) -> tuple[Cost, Ledger]:
        with Database.open(place) as db:
            ledger = Ledger(db, "r")
            slow = Faulty(scene.models["student"], Faults(), latency, nap)
            price = Price(Decimal(2), Decimal(8))
            model = stack(slow, "student", ledger, Budget(), Limiter(), Stop(), price=price)
            student = replace(scene.student, model=model, sampling=Sampling(max_tokens=60))
            report = await evaluate([student], scene.customers(2), scene.judge)
            return sum((one.cost for one in report.arms[0].served), Cost()), ledger

    cost, ledger = await run(0.5)
    charged = ledger.charged
    assert (cost.calls, cost.prompt_tokens, cost.nano) == (charged.calls, charged.prompt_tokens, charged.nano)
    assert cost.nano == 2000 * cost.prompt_tokens + 8000 * cost.completion_tokens
    assert cost.seconds == 0.5 * cost.calls
    assert (await run(2.0))[0] == cost


async def test_what_was_measured_is_read_back_exactly(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> None:
    taught = replace(scene.student, finder=OnFirstTurn(), name="taught")
    mute = replace(scene.student, model=ScriptedModel("mute", lambda _: ""), name="mute")
    arms: list[Agent] = [scene.student, taught, mute]
    customers = scene.customers(3)
    with Database.open(tmp_path_factory.mktemp("db") / "p.db") as db:
        keeper = Keeper(Records(db), "r", [arm.name for arm in arms], customers.who)
        report = await evaluate(
            arms, customers, scene.judge, repeats=2, duels=2, rules=scene.domain.rules, keep=keeper.keep
        )
        keeper.written()
        assert keeping.report(Records(db), "r") == report
        records = Records(db)
        records.keep("r", keeping.KIND, "another", {"arm": 1})
        records.written()
        with pytest.raises(Conflict, match="another version"):
            keeping.report(records, "r")


async def test_it_stops_early_when_the_second_arm_is_decided_and_only_then(scene: Scene) -> None:
    heard: list[Event] = []
    arms = [scene.student, replace(scene.student, model=scene.models["teacher"], name="better")]
    report = await evaluate(arms, scene.customers(300), scene.judge, stop_early=True, tell=heard.append)
    assert report.customers < 300
    assert report.customers % LOOK == 0
    verdict = report.verdict("better")
    assert (verdict.word, math.isnan(verdict.p)) == ("better", True)
    assert verdict.difference.low < report.difference("better", "student").low
    assert heard[0] == Progress("conversations", 0, 600)
    assert [type(event).__name__ for event in heard[-2:]] == ["Decided", "Finished"]
    same = [scene.student, replace(scene.student, name="same")]
    report = await evaluate(same, scene.customers(2 * LOOK), scene.judge, stop_early=True)
    assert (report.customers, report.verdict("same").word) == (2 * LOOK, "not decided")
