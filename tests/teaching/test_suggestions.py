"""The teacher says where else a strategy matters; most contexts of a scenario must agree."""

from collections.abc import Sequence

import pytest

from preceptor.dialogue.agents import ModelAgent
from preceptor.dialogue.conversation import Context, Turn
from preceptor.dialogue.customers import Voice
from preceptor.dialogue.domain import Domain
from preceptor.judging.judge import Judge
from preceptor.library.model import Scenario
from preceptor.llm.messages import Request
from preceptor.llm.model import Model
from preceptor.llm.scripted import ScriptedModel
from preceptor.retrieval.embedding import StaticEmbedder
from preceptor.simulated.model import models
from preceptor.simulated.world import World
from preceptor.student.student import Student
from preceptor.teaching.crew import Crew
from preceptor.teaching.settings import Teaching
from preceptor.teaching.suggestions import fitting

WORLD = World.shipped("broadband")


def crew(teacher: Model) -> Crew:
    domain = Domain.parse(WORLD.domain, "world")
    silent = ScriptedModel("silent", lambda request: "Hm.")
    return Crew(
        domain,
        ModelAgent(teacher, domain),
        Student(silent, domain),
        Voice(silent, domain),
        Judge(silent, domain),
        StaticEmbedder(),
        Teaching(),
        lambda event: None,
    )


def scenario(id_: str, said: Sequence[str]) -> Scenario:
    return Scenario(id_, "A kind of call.", tuple(Context((Turn("customer", text),)) for text in said))


@pytest.mark.anyio
async def test_most_contexts_of_a_scenario_must_agree() -> None:
    def answer(request: Request) -> str:
        said = request.messages[-1].content
        if "first" in said:
            return '{"fitting": [1, 2, 7]}'
        return '{"fitting": [2]}' if "second" in said else "I could not say."

    teacher = ScriptedModel("teacher", answer)
    asked = scenario("sc-1", ["The first.", "The second.", "The third."])
    found = await fitting(crew(teacher), [asked], ["Do this.", "Do that."])
    assert found == {"sc-1": ["Do that."]}
    assert all("Do this." in request.messages[1].content for request in teacher.requests)


@pytest.mark.anyio
async def test_nothing_to_suggest_asks_nothing() -> None:
    teacher = ScriptedModel("teacher", [])
    assert await fitting(crew(teacher), [scenario("sc-1", ["Hello."])], []) == {}


@pytest.mark.anyio
async def test_a_simulated_teacher_names_what_a_situation_calls_for() -> None:
    """With its insight, and little else: the rest would only be in the way."""
    situations = [one for one in WORLD.situations if len(one.required) > 1][:12]
    texts = [move.told[0] for move in WORLD.moves]
    asked = [scenario(one.id, one.customer[:3]) for one in situations]
    found = await fitting(crew(models(WORLD)["teacher"]), asked, texts)
    wanted = {one.id: {WORLD.move[move].told[0] for move in one.required} for one in situations}
    right = sum(len(wanted[id_] & set(named)) for id_, named in found.items())
    assert right >= 0.8 * sum(map(len, wanted.values()))
    assert sum(len(set(named) - wanted[id_]) for id_, named in found.items()) <= 0.1 * right
