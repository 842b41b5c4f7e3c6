"""Who takes part in a teaching run."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from preceptor.dialogue.agents import ModelAgent
from preceptor.dialogue.customers import Voice
from preceptor.dialogue.domain import Domain
from preceptor.dialogue.environment import Environment, NoTools
from preceptor.dialogue.rollout import Rollout
from preceptor.judging.judge import Judge
from preceptor.llm.model import Model
from preceptor.llm.parallel import gather
from preceptor.retrieval.embedding import Embedder, StaticEmbedder
from preceptor.storage.canonical import content_hash
from preceptor.student.student import Student
from preceptor.teaching.events import Event, PhaseName, Progress
from preceptor.teaching.settings import Teaching

T = TypeVar("T")


@dataclass(frozen=True)
class Crew:
    """The roles of a run with the settings and ears they share."""

    domain: Domain
    teacher: ModelAgent
    student: Student
    """The student alone; `student.using(…)` is the student taught so far."""
    voice: Voice
    judge: Judge
    embedder: Embedder
    settings: Teaching
    tell: Callable[[Event], None]
    environment: Environment = field(default_factory=NoTools)

    @classmethod
    def gather(
        cls,
        domain: Domain,
        *,
        teacher: Model,
        student: Model | Student,
        customer: Model,
        judge: Model,
        settings: Teaching,
        embedder: Embedder | None = None,
        tell: Callable[[Event], None] = lambda event: None,
        environment: Environment | None = None,
    ) -> "Crew":
        """Of models. Without an embedder, the embedded default (static word vectors) is used."""
        return cls(
            domain,
            ModelAgent(teacher, domain, name="teacher"),
            student if isinstance(student, Student) else Student(student, domain),
            Voice(customer, domain),
            Judge(judge, domain),
            embedder or StaticEmbedder(),
            settings,
            tell,
            environment or NoTools(),
        )

    @property
    def rollout(self) -> Rollout:
        """Plays this run's conversations."""
        return Rollout(self.voice, self.settings.max_turns, self.environment)

    @property
    def teacher_model(self) -> Model:
        return self.teacher.model

    async def all(self, phase: PhaseName, jobs: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
        """Run jobs at once, results in order, telling of progress."""
        return await gather(self.counted(phase, jobs))

    def counted(self, phase: PhaseName, jobs: Sequence[Callable[[], Awaitable[T]]]) -> list[Callable[[], Awaitable[T]]]:
        """The jobs, each of which tells when it is done."""
        done = 0
        self.tell(Progress(phase, 0, len(jobs)))

        def counted(job: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T]]:
            async def run() -> T:
                nonlocal done
                result = await job()
                done += 1
                self.tell(Progress(phase, done, len(jobs)))
                return result

            return run

        return [counted(job) for job in jobs]

    def seed(self, *purpose: object) -> int:
        """A seed of its own for each purpose, so that no two measurements share their luck."""
        return int(content_hash([self.settings.seed, *purpose])[:7], 16)
