"""Worlds with tools that are drawn from seeds: whole, readable by their own readers, neither trivial nor hopeless."""

import anyio
import pytest

from invented_world import invented, text_of
from preceptor import Customers, Domain, ModelAgent
from preceptor.dialogue.agent import Agent
from preceptor.dialogue.world import WorldTools
from preceptor.evaluation.arms.null import null
from preceptor.simulated.check import inspect
from preceptor.simulated.model import models


@pytest.mark.parametrize("seed", [4, 5])
def test_an_invented_world_is_a_good_one(seed: int) -> None:
    world = invented(seed)
    report = inspect(world)
    assert not report.errors
    assert text_of(seed) == text_of(seed) != text_of(seed + 1)
    domain, cast = Domain.parse(world.domain, world.name), models(world)
    customers = Customers.draw(domain, cast[world.roles["unseen"]], 20, environment=WorldTools(world))

    async def passed(agent: Agent) -> int:
        talks = [await customers.talk(agent, who) for who in customers.who]
        return sum(talk.outcome is not None and talk.outcome.passed for talk in talks)

    assert anyio.run(passed, ModelAgent(cast["teacher"], domain)) >= 16
    assert anyio.run(passed, ModelAgent(cast["student-a"], domain)) <= 10
    assert anyio.run(passed, null()) <= 5
