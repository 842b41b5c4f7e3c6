"""Who takes part in a teaching run."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from preceptor.dialogue.agents import ModelAgent
from preceptor.dialogue.customers import Speaker, Voice
from preceptor.dialogue.domain import Domain
from preceptor.dialogue.environment import Environment, NoTools
from preceptor.dialogue.rollout import Rollout
from preceptor.judging.judge import Judge
from preceptor.llm.model import Model
from preceptor.llm.parallel import gather
from preceptor.llm.progress import counted
from preceptor.retrieval.embedding import Embedder, StaticEmbedder
from preceptor.storage.canonical import content_hash
from preceptor.student.student import Student
from preceptor.teaching.events import Event, PhaseName
from preceptor.teaching.settings import Teaching

T = TypeVar("T")
P = ParamSpec("P")


class Hands(Protocol):
    """Who else does a run's errands, such as workers on other machines."""

    async def do(
        self,
        crew: "Crew",
        errand: Callable[..., Awaitable[T]],
        arguments: Sequence[Any],
        options: Mapping[str, Any],
    ) -> T:
        """What `errand(crew, *arguments, **options)` gives, whoever does it.

        Raises: as the errand.
        """


@dataclass(frozen=True)
class Crew:
    """The roles of a run with the settings and ears they share."""

    domain: Domain
    teacher: ModelAgent
    student: Student
    """The student alone; `student.using(…)` is the student taught so far."""
    voice: Speaker
    judge: Judge
    embedder: Embedder
    settings: Teaching
    tell: Callable[[Event], None]
    environment: Environment = field(default_factory=NoTools)
    hands: Hands | None = None
    """Who does errands; None: they are done here."""

    @classmethod
    def gather(
        cls,
        domain: Domain,
        *,
        teacher: Model,
        student: Model | Student,
        customer: Model | Speaker,
        judge: Model,
        settings: Teaching,
        embedder: Embedder | None = None,
        tell: Callable[[Event], None] = lambda event: None,
        environment: Environment | None = None,
        hands: Hands | None = None,
    ) -> "Crew":
        """Of models. Without an embedder, the embedded default (static word vectors) is used."""
        return cls(
            domain,
            ModelAgent(teacher, domain, name="teacher"),
            student if isinstance(student, Student) else Student(student, domain),
            customer if isinstance(customer, Speaker) else Voice(customer, domain),
            Judge(judge, domain),
            embedder or StaticEmbedder(),
            settings,
            tell,
            environment or NoTools(),
            hands,
        )

    @property
    def rollout(self) -> Rollout:
        """Plays this run's conversations."""
        return Rollout(self.voice, self.settings.max_turns, self.environment)

    @property
    def teacher_model(self) -> Model:
        return self.teacher.model

    async def send(
        self, errand: Callable[Concatenate["Crew", P], Awaitable[T]], *arguments: P.args, **options: P.kwargs
    ) -> T:
        """Have an errand done (`teaching.errands` lists them): here, unless there are hands for it."""
        if self.hands is None:
            return await errand(self, *arguments, **options)
        return await self.hands.do(self, errand, arguments, options)

    async def all(self, phase: PhaseName, jobs: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
        """Run jobs at once, results in order, telling of progress."""
        return await gather(self.counted(phase, jobs))

    def counted(self, phase: PhaseName, jobs: Sequence[Callable[[], Awaitable[T]]]) -> list[Callable[[], Awaitable[T]]]:
        """The jobs, each of which tells when it is done."""
        return counted(phase, jobs, self.tell)

    def seed(self, *purpose: object) -> int:
        """A seed of its own for each purpose, so that no two measurements share their luck."""
        return int(content_hash([self.settings.seed, *purpose])[:7], 16)
