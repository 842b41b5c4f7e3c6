"""A simulated world behind the environment's contract."""

from pathlib import Path

import pytest

from preceptor import Customers, Domain, ModelAgent
from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.world import WorldTools
from preceptor.evaluation.arms.null import null
from preceptor.simulated.model import models
from preceptor.simulated.world import World

WORLD = World.load(Path(__file__).parent.parent / "simulated" / "counter.yaml")
DOMAIN = Domain.parse(WORLD.domain, WORLD.name)


@pytest.fixture
def customers() -> Customers:
    return Customers.draw(DOMAIN, models(WORLD)["customer-unseen"], 12, environment=WorldTools(WORLD))


def _names(conversation: Conversation) -> list[str]:
    assert conversation.outcome is not None
    return [check.name for check in conversation.outcome.checks if not check.kept]


@pytest.mark.anyio
async def test_who_does_all_that_is_called_for_passes(customers: Customers) -> None:
    teacher = ModelAgent(models(WORLD)["teacher"], DOMAIN, name="teacher")
    talks = [await customers.talk(teacher, who) for who in customers.who]
    assert all(talk.ending == "resolved" and not _names(talk) for talk in talks)
    assert any(turn.tool_calls for talk in talks for turn in talk.turns)


@pytest.mark.anyio
async def test_who_does_nothing_passes_where_nothing_was_to_be_done(customers: Customers) -> None:
    talks = {who.topic.id: await customers.talk(null(), who) for who in customers.who}
    assert not _names(talks["hours"])
    assert _names(talks["change"])
    assert _names(talks["cancel"])
