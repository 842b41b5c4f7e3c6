"""A world's people in one room: a student, its teacher, a judge, and customers nobody was taught with.

Simulated. What benchmarks that teach in process share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from desk import load_world
from preceptor import Customers, Domain, Judge, ModelAgent, Student, Teaching, World, teach
from preceptor.dialogue.environment import Environment, NoTools
from preceptor.dialogue.world import WorldTools
from preceptor.llm.messages import Reply, Request
from preceptor.llm.model import Model
from preceptor.simulated.model import models
from preceptor.storage.canonical import content_hash
from preceptor.teaching.events import Event
from preceptor.teaching.teach import Taught

ROLES = ("teacher", "student", "customer", "judge")
ALONE, TAUGHT, WHOLE, TEACHER = "student", "with library", "whole library", "teacher"


@dataclass
class Counted:
    """A model with a count of the different requests made to it: what a ledger would have sent."""

    model: Model
    asked: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.model.name

    async def ask(self, request: Request) -> Reply:
        self.asked.add(content_hash(request))
        return await self.model.ask(request)


@dataclass(frozen=True)
class Classroom:
    """Models that teaching asks are counted; those of the evaluation are not."""

    world: World
    domain: Domain
    models: dict[str, Counted]
    """By role, while teaching."""
    student: Student
    teacher: ModelAgent
    judge: Judge
    customers: Customers
    """Unseen: held-out wordings, and seeds that teaching never draws."""
    environment: Environment
    """The world's tools, where it has some."""

    @classmethod
    def open(
        cls,
        world: str | World,
        unseen: int,
        seed: int,
        *,
        student: str | None = None,
        teacher: str | None = None,
        max_turns: int = 8,
    ) -> Classroom:
        """`world`: one that is loaded, a shipped one or a file; `unseen`: how many customers; `student` and `teacher`:
        profiles, the world's own when not given."""
        loaded = load_world(world) if isinstance(world, str) else world
        domain = Domain.parse(loaded.domain, loaded.name)
        environment = WorldTools(loaded) if loaded.tools else NoTools()
        cast = models(loaded)
        ids = dict(loaded.roles) | {"teacher": teacher or loaded.roles["teacher"]}
        ids |= {"student": student or loaded.roles["student"]}
        return cls(
            loaded,
            domain,
            {role: Counted(cast[ids[role]]) for role in ROLES},
            Student(cast[ids["student"]], domain, name=ALONE),
            ModelAgent(cast[ids["teacher"]], domain, name=TEACHER),
            Judge(cast[ids["judge"]], domain),
            # Seeds drawn while teaching are never negative.
            Customers.draw(
                domain,
                cast[loaded.roles["unseen"]],
                unseen,
                seed=-1 - seed,
                max_turns=max_turns,
                environment=environment,
            ),
            environment,
        )

    async def teach(self, settings: Teaching, tell: Callable[[Event], None]) -> Taught:
        asked = self.models
        return await teach(
            self.domain,
            teacher=asked["teacher"],
            student=asked["student"],
            customer=asked["customer"],
            judge=asked["judge"],
            environment=self.environment,
            settings=settings,
            tell=tell,
        )
