"""A small scene: three arms, a few customers and a judge of a simulated world."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from preceptor.dialogue.agents import ModelAgent
from preceptor.dialogue.crowd import Customers
from preceptor.dialogue.domain import Domain
from preceptor.judging.judge import Judge
from preceptor.llm.model import Model
from preceptor.simulated.model import models
from preceptor.simulated.world import World
from preceptor.student.student import Student


@dataclass(frozen=True)
class Scene:
    domain: Domain
    models: Mapping[str, Model]

    @property
    def student(self) -> Student:
        return Student(self.models["student"], self.domain)

    @property
    def teacher(self) -> ModelAgent:
        return ModelAgent(self.models["teacher"], self.domain, name="teacher")

    @property
    def judge(self) -> Judge:
        return Judge(self.models["judge"], self.domain)

    def customers(self, count: int) -> Customers:
        return Customers.draw(self.domain, self.models["unseen"], count)


@pytest.fixture(scope="session")
def scene() -> Scene:
    world = World.shipped("broadband")
    known = models(world)
    domain = Domain.parse(world.domain, "the broadband world")
    return Scene(domain, {role: known[name] for role, name in world.roles.items()})
