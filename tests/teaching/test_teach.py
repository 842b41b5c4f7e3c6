"""The loop as a whole: a pure function of its models and settings."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

import anyio
import pytest

from preceptor import Domain, Teaching, World, teach
from preceptor.llm.messages import Reply, Request
from preceptor.llm.model import Model
from preceptor.simulated.model import models
from preceptor.teaching.events import Event, Progress
from preceptor.teaching.teach import Taught

pytestmark = pytest.mark.anyio
SETTINGS = Teaching(
    iterations=2, customers=14, held_out=2, min_contexts=3, looks=(6, 12), alpha=0.4, choose_placement=False
)
"""A gate so wide that strategies pass early, and no placement to wait for: scenarios are written for and tested side by
side."""


@dataclass(frozen=True)
class Shuffled:
    """Answers as its model, but after others that were asked later."""

    model: Model
    luck: random.Random

    @property
    def name(self) -> str:
        return self.model.name

    async def ask(self, request: Request) -> Reply:
        for _ in range(self.luck.randrange(12)):
            await anyio.lowlevel.checkpoint()
        return await self.model.ask(request)


async def taught(world: World, cast: Mapping[str, Model], order: int) -> tuple[Taught, list[Event]]:
    told: list[Event] = []
    who = {role: Shuffled(cast[world.roles[role]], random.Random(order)) for role in world.roles}
    result = await teach(
        Domain.parse(world.domain, world.name),
        teacher=who["teacher"],
        student=who["student"],
        customer=who["customer"],
        judge=who["judge"],
        settings=SETTINGS,
        tell=lambda event: None if isinstance(event, Progress) else told.append(event),
    )
    return result, told


async def test_the_order_in_which_replies_come_back_changes_nothing() -> None:
    world = World.shipped("broadband")
    cast = models(world)
    (one, events), (other, other_events) = [await taught(world, cast, order) for order in (1, 2)]
    assert one.accepted
    assert one.guidance.hash == other.guidance.hash
    assert (events, one.evidence, one.reach) == (other_events, other.evidence, other.reach)
    assert set(one.reach) == {strategy.scenario or "" for strategy in one.accepted}
    assert len({turns for _, turns in one.reach.values()}) == 1
    assert all(0 <= hits <= turns and turns for hits, turns in one.reach.values())
