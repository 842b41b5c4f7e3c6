"""Teaching agents that act: what the teacher is shown, in a simulated world with tools."""

from collections.abc import Callable
from pathlib import Path

import pytest

from preceptor.dialogue.domain import Domain
from preceptor.dialogue.world import WorldTools
from preceptor.llm.messages import Reply, Request
from preceptor.llm.model import Model
from preceptor.llm.scripted import ScriptedModel
from preceptor.simulated.model import models
from preceptor.simulated.world import World
from preceptor.teaching.settings import Teaching
from preceptor.teaching.teach import teach

pytestmark = pytest.mark.anyio
WORLD = World.load(Path(__file__).parents[1] / "simulated" / "counter.yaml")


def heard(model: Model) -> ScriptedModel:
    """A model that keeps what it was asked."""

    async def ask(request: Request) -> Reply:
        return await model.ask(request)

    return ScriptedModel(model.name, ask)


def asked(model: ScriptedModel, task: str, wanted: Callable[[str], bool] = bool) -> list[str]:
    said = ["\n".join(m.content for m in r.messages) for r in model.requests if r.schema and r.schema.name == task]
    return [text for text in said if wanted(text)]


async def test_the_teacher_is_shown_tools_actions_and_results() -> None:
    cast = models(WORLD)
    teacher, judge = heard(cast[WORLD.roles["teacher"]]), heard(cast[WORLD.roles["judge"]])
    settings = Teaching(
        customers=20, iterations=1, held_out=1, min_contexts=1, consolidate=False, choose_placement=False, gate=False
    )
    await teach(
        Domain.parse(WORLD.domain, "counter"),
        teacher=teacher,
        student=cast[WORLD.roles["student"]],
        customer=cast[WORLD.roles["customer"]],
        judge=judge,
        settings=settings,
        environment=WorldTools(WORLD),
    )
    written = asked(teacher, "write_strategies")
    assert written
    assert all("- look_up_ticket: Shows a ticket." in text for text in written)
    assert all("A strategy may speak of actions" in text for text in written)
    assert asked(teacher, "write_strategies", lambda text: "(calls look_up_ticket with" in text)
    assert asked(judge, "compare_replies", lambda text: "(calls look_up_ticket with" in text)
    after_a_result = asked(judge, "compare_replies", lambda text: _last_line(text).startswith("Tool: "))
    assert after_a_result, "what is done with a result is compared, too"


def _last_line(text: str) -> str:
    conversation = text[text.index("<conversation>") : text.index("</conversation>")]
    return conversation.strip().splitlines()[-1]
