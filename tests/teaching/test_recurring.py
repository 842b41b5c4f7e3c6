"""The same instruction in different words is one, if the teacher says so both ways round."""

import pytest

from preceptor.dialogue.agents import ModelAgent
from preceptor.dialogue.customers import Voice
from preceptor.dialogue.domain import Domain
from preceptor.judging.judge import Judge
from preceptor.library.model import Strategy
from preceptor.llm.messages import Request
from preceptor.llm.scripted import ScriptedModel
from preceptor.retrieval.embedding import StaticEmbedder
from preceptor.simulated.model import models
from preceptor.simulated.world import World
from preceptor.student.student import Student
from preceptor.teaching.crew import Crew
from preceptor.teaching.recurring import recurring
from preceptor.teaching.settings import Teaching

WORLD = World.shipped("broadband")


def crew(teacher: object) -> Crew:
    domain = Domain.parse(WORLD.domain, "world")
    silent = ScriptedModel("silent", lambda request: "Hm.")
    return Crew(
        domain,
        ModelAgent(teacher, domain),  # type: ignore[arg-type]
        Student(silent, domain),
        Voice(silent, domain),
        Judge(silent, domain),
        StaticEmbedder(),
        Teaching(),
        lambda event: None,
    )


def strategies(texts: dict[str, str]) -> list[Strategy]:
    return [Strategy(scenario, text, "", scenario) for scenario, text in texts.items()]


@pytest.mark.anyio
async def test_wordings_of_one_move_are_one_and_of_two_are_two() -> None:
    one, other = (move for move in WORLD.moves if move.id in ("minimise", "push-upsell"))
    written = {f"a{n}": text for n, text in enumerate(one.forbidden)} | {
        f"b{n}": t for n, t in enumerate(other.forbidden)
    }
    groups = await recurring(crew(models(WORLD)["teacher"]), strategies(written))
    assert sorted(sorted(s.scenario[0] for s in group if s.scenario) for group in groups) == [
        ["a"] * len(one.forbidden),
        ["b"] * len(other.forbidden),
    ]


@pytest.mark.anyio
async def test_one_sided_likeness_and_nonsense_make_no_group() -> None:
    def one_sided(request: Request) -> str:
        asked = request.messages[-1].content.partition("<strategy>")[2].partition("</strategy>")[0]
        return '{"same": [1, 99, 0]}' if "alpha" in asked else "no idea"

    groups = await recurring(crew(ScriptedModel("t", one_sided)), strategies({"x": "Say alpha.", "y": "Say beta."}))
    assert [group for group in groups if len(group) > 1] == []
