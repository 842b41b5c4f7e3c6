"""The gate's arithmetic, and what it does with candidates that help, do nothing, or harm."""

import json
import math
import random
from collections.abc import Sequence

import pytest
from pydantic import ValidationError

from preceptor.dialogue.agents import ModelAgent
from preceptor.dialogue.conversation import Context, Turn
from preceptor.dialogue.customers import Voice
from preceptor.dialogue.domain import Domain
from preceptor.judging.judge import Judge
from preceptor.library.model import Strategy
from preceptor.llm.messages import Request
from preceptor.llm.scripted import ScriptedModel
from preceptor.retrieval.embedding import StaticEmbedder
from preceptor.student.student import Student
from preceptor.teaching.acceptance import HARMS, Trial, accept, effect_of, sign_test
from preceptor.teaching.crew import Crew
from preceptor.teaching.settings import Teaching

DOMAIN = Domain.model_validate(
    {
        "name": "Desk",
        "role": "r",
        "goal": "g",
        "topics": [{"id": "t", "description": "d"}],
        "personas": [{"id": "p", "description": "d"}],
    }
)
CONTEXTS = [Context((Turn("customer", f"My line {n} is dead."),)) for n in range(60)]


def strategy(text: str) -> Strategy:
    return Strategy(Strategy.new_id(text, "sc-1"), text, "reason", "sc-1")


def crew(obeys: Sequence[str], noise: float = 0.0, settings: Teaching | None = None) -> Crew:
    """A student that says GOOD or BAD when told to (if it obeys), and a judge that counts these, with noise."""
    quiet = ScriptedModel("unused", [])

    def student(request: Request) -> str:
        told = [word for word in obeys if word in request.messages[0].content]
        return f"{len(request.messages)} {' '.join(told)} {hash_of(request)}"

    def hash_of(request: Request) -> str:
        return str(random.Random(repr(request)).random())

    def judge(request: Request) -> str:
        said = request.messages[-1].content
        first = said[said.index("<first>") : said.index("</first>")]
        second = said[said.index("<second>") : said.index("</second>")]
        worth = [text.count("GOOD") - text.count("BAD") for text in (first, second)]
        luck = random.Random(said)
        if luck.random() < noise or worth[0] == worth[1]:
            return json.dumps({"better": luck.choice(["first", "second"])})
        return json.dumps({"better": "first" if worth[0] > worth[1] else "second"})

    return Crew(
        DOMAIN,
        ModelAgent(quiet, DOMAIN),
        Student(ScriptedModel("student", student), DOMAIN),
        Voice(quiet, DOMAIN),
        Judge(ScriptedModel("judge", judge), DOMAIN),
        StaticEmbedder(),
        settings or Teaching(),
        lambda event: None,
    )


async def trials(who: Crew, texts: Sequence[str], contexts: Sequence[Context], last_chance: bool = True) -> list[Trial]:
    return await accept(who, (), [strategy(text) for text in texts], contexts, last_chance=last_chance)


@pytest.mark.anyio
async def test_what_helps_is_accepted_and_what_harms_or_does_nothing_is_refused() -> None:
    found = await trials(crew(["GOOD", "BAD"], noise=0.1), ["Say GOOD.", "Say BAD.", "Be nice."], CONTEXTS[:40])
    assert [trial.verdict for trial in found] == ["accepted", "refused", "refused"]
    assert found[1].reason == HARMS
    assert found[2].reason != HARMS
    assert found[0].effect is not None
    assert found[0].effect.low > 0
    assert found[0].strategy.value == pytest.approx(found[0].effect.mean)


@pytest.mark.anyio
async def test_a_duplicate_of_what_was_accepted_adds_nothing() -> None:
    found = await trials(crew(["GOOD"]), ["Say GOOD.", "Do say GOOD."], CONTEXTS[:40])
    assert [trial.verdict for trial in found] == ["accepted", "refused"]


@pytest.mark.anyio
async def test_what_the_student_cannot_carry_out_is_refused() -> None:
    found = await trials(crew([]), ["Say GOOD."], CONTEXTS[:40])
    assert found[0].verdict == "refused"


@pytest.mark.anyio
async def test_too_few_contexts_wait_unless_it_is_the_last_chance() -> None:
    few = Teaching(repeats=1)
    assert (await trials(crew(["GOOD"], 0, few), ["Say GOOD."], CONTEXTS[:9], last_chance=False))[
        0
    ].verdict == "waiting"
    assert (await trials(crew(["GOOD"], 0, few), ["Say GOOD."], CONTEXTS[:9]))[0].verdict == "accepted"
    assert (await trials(crew(["GOOD"], 0, few), ["Say GOOD."], CONTEXTS[:7]))[0].verdict == "refused"


@pytest.mark.anyio
async def test_when_nothing_helps_few_scenarios_accept_anything() -> None:
    who = crew([])
    accepted = 0
    for scenario in range(60):
        contexts = [Context((Turn("customer", f"Case {scenario}, customer {n}."),)) for n in range(40)]
        found = await trials(who, [f"Platitude {scenario} {n}." for n in range(3)], contexts)
        accepted += any(trial.verdict == "accepted" for trial in found)
    assert accepted <= 3


def test_the_sign_test_is_exact() -> None:
    assert sign_test(0, 0) == 1.0
    assert sign_test(5, 0) == pytest.approx(1 / 32)
    assert sign_test(8, 1) == pytest.approx(sum(math.comb(9, k) for k in (8, 9)) / 2**9)


def test_an_effect_of_all_wins_is_not_certain() -> None:
    effect = effect_of([1] * 12)
    assert effect.mean == 1.0
    assert 0.4 < effect.low < 0.6
    assert effect.high == pytest.approx(1.0)


def test_the_interval_covers_the_truth() -> None:
    chance = random.Random(5)
    covered = 0
    for _ in range(400):
        effect = effect_of(chance.choices([1, 0, -1], [0.5, 0.3, 0.2], k=24))
        covered += effect.low <= 0.3 <= effect.high
    assert covered >= 375


@pytest.mark.anyio
async def test_where_it_hurt_is_kept_with_both_replies() -> None:
    who = crew(["GOOD", "BAD"], noise=0.3)
    (trial,) = await trials(who, ["Say BAD."], CONTEXTS)
    *lost, figures = trial.evidence
    assert figures.effect is not None
    assert {one.kind for one in lost} == {"loss"}
    assert figures.effect.n / 2 < len(lost) <= figures.effect.n
    for one in lost:
        assert one.context in CONTEXTS
        assert ("BAD" in one.before, "BAD" in one.after) == (False, True)
    (harmless,) = await trials(crew(["GOOD"]), ["Say GOOD."], CONTEXTS)
    assert [one.kind for one in harmless.evidence] == ["acceptance"]


@pytest.mark.parametrize(("looks", "said"), [((), "at least 1"), ((80, 16), "more pairs"), ((16, 16), "more pairs")])
def test_looks_come_one_after_the_other(looks: tuple[int, ...], said: str) -> None:
    """Otherwise the first would be at five times the level, or there would be none."""
    with pytest.raises(ValidationError, match=said):
        Teaching(looks=looks)
