"""Strategies tried or measured by themselves: runs of a project, under its budget, recorded and resumed.

Trying shows the student's replies with a wording that nobody has saved, and keeps nothing in the library. Measuring
puts the strategy as it stands through the gate, and what comes of it is its new evidence.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pydantic

from preceptor.dialogue.conversation import Context
from preceptor.dialogue.domain import Domain
from preceptor.dialogue.outlay import TALK, TURN_TOKENS, Role, Share, share, system_tokens
from preceptor.errors import Conflict, UserError
from preceptor.library.model import Guidance, Placement, Strategy
from preceptor.library.rows import STALE
from preceptor.library.store import Batch, Library
from preceptor.llm.progress import Progress
from preceptor.settings.journal import Journal, Recorded, carry_out
from preceptor.settings.project import Project
from preceptor.settings.team import Team
from preceptor.storage.database import Database
from preceptor.storage.runs import Run, Runs
from preceptor.student.student import Student
from preceptor.teaching.acceptance import Trial
from preceptor.teaching.crew import Crew
from preceptor.teaching.events import Event as TeachingEvent
from preceptor.teaching.settings import Teaching
from preceptor.teaching.trying import Compared, measure, others, sources, try_out

KIND = "measure"
OTHERS = 10
"""Contexts a wording is tried in, beside the one the strategy came from."""
Event = Progress | Compared
RECORDED: Recorded[Event] = Recorded(Compared)


class Kept(pydantic.BaseModel):
    """What decides the outcome, as the run keeps it beside the settings."""

    settings: dict[str, Any]
    domain: Domain
    strategy: Strategy
    base: tuple[Strategy, ...]
    """What else would stand in the slot."""
    placement: Placement
    contexts: tuple[Context, ...]
    trying: bool
    """Only show; nothing is kept in the library."""

    @classmethod
    def plan(cls, project: Project, db: Database, prefix: str, text: str | None = None) -> "Kept":
        """To measure a strategy as it stands; or with a `text`, to try that wording of it.

        Raises:
            NotFound, Conflict: no such strategy.
            UserError: the text is empty, or there is no context to try it in.
            SettingsError: the domain cannot be read.
        """
        library = project.library(db)
        strategy, trying = library.strategy(prefix), text is not None
        if text is not None:
            strategy = replace(strategy, text=" ".join(text.split()))
        if not strategy.text:
            raise UserError("There is no text to try. Write the instruction the student is to follow.")
        guidance = library.guidance("accepted")
        came_from = sources(library.evidence(strategy.id))
        homes = [s for s in guidance.scenarios if strategy.scenario in (None, s.id)]
        further = others(homes, came_from)
        contexts = (*came_from[:1], *further[:OTHERS]) if trying else further
        least = 1 if trying else project.settings.teaching.min_contexts
        if len(contexts) < least:
            raise UserError(
                f"There are {len(contexts)} contexts in which {strategy.id!r} could be tried, and {least} are needed "
                "(teaching.min_contexts). `preceptor teach` finds more."
            )
        return cls(
            settings=project.resolved(),
            domain=project.equipped(),
            strategy=strategy,
            base=_beside(guidance, strategy),
            placement=guidance.placement,
            contexts=contexts,
            trying=trying,
        )

    @property
    def teaching(self) -> Teaching:
        return Teaching.model_validate(self.settings["teaching"])


@dataclass(frozen=True)
class MeasuringRun:
    """A run in a project's database, new or taken up again."""

    project: Project
    db: Database
    run: Run
    kept: Kept

    @classmethod
    def begin(cls, project: Project, db: Database, kept: Kept) -> "MeasuringRun":
        run = Runs(db).create(KIND, kept.model_dump(mode="json"), project.settings.teaching.seed)
        return cls(project, db, run, kept)

    @classmethod
    def resume(cls, project: Project, db: Database, prefix: str) -> "MeasuringRun":
        """Raises: NotFound, Conflict: no such run, or one that is done."""
        run = Runs(db).again(prefix)
        if run.kind != KIND:
            raise Conflict(f"Run {run.id!r} is of kind {run.kind!r}, and measures no strategy.")
        if run.status == "done":
            raise Conflict(f"Run {run.id!r} is done. `preceptor library measure` begins another.")
        return cls(project, db, run, Kept.model_validate(run.settings))

    async def try_out(self, team: Team, tell: Callable[[Event], None]) -> tuple[Compared, ...]:
        """Do a run that tries, or what is left of it.

        Raises:
            Conflict: another process is at it.
            Stopped, ProviderError: as for teaching; resume it.
        """

        async def work(journal: Journal[Event]) -> tuple[Compared, ...]:
            kept, heard = self.kept, 0
            journal.hear(Progress("replies", 0, len(kept.contexts)))

            def hear(compared: Compared) -> None:
                nonlocal heard
                heard += 1
                journal.hear(compared)
                journal.hear(Progress("replies", heard, len(kept.contexts)))

            return await try_out(self._crew(team), kept.base, kept.strategy, kept.contexts, hear)

        return await carry_out(self.db, self.run.id, team, self._journal(tell), work, _shown)

    async def measure(self, team: Team, tell: Callable[[Event], None]) -> Trial:
        """Do a run that measures, or what is left of it, and put what it found into the library.

        Raises:
            Conflict: another process is at it; or the strategy has been changed meanwhile, and nothing was kept.
            Stopped, ProviderError: as for teaching; resume it.
        """

        async def work(journal: Journal[Event]) -> Trial:
            kept = self.kept
            journal.hear(Progress("acceptance", 0, 1))
            trial = await measure(self._crew(team), kept.base, kept.strategy, kept.contexts)
            journal.hear(Progress("acceptance", 1, 1))
            self._keep(self.project.library(self.db), trial)
            return trial

        return await carry_out(self.db, self.run.id, team, self._journal(tell), work, _found)

    @staticmethod
    def compared(runs: Runs, run: Run) -> tuple[Compared, ...]:
        """What a run that tries has found so far, in the order of its contexts."""
        found = (RECORDED.read(event.kind, event.body) for event in runs.events(run.id, kinds=[Compared.__name__]))
        return tuple(sorted((one for one in found if isinstance(one, Compared)), key=lambda one: one.n))

    def _journal(self, tell: Callable[[Event], None]) -> Callable[[Runs], Journal[Event]]:
        return lambda runs: Journal(runs, self.run.id, tell, (Progress,))

    def _crew(self, team: Team) -> Crew:
        models, kept = team.models, self.kept
        return Crew.gather(
            kept.domain,
            teacher=models["teacher"],
            student=replace(Student(models["student"], kept.domain), placement=kept.placement),
            customer=models["customer"],
            judge=models["judge"],
            settings=kept.teaching,
            tell=_unheard,
        )

    def _keep(self, library: Library, trial: Trial) -> None:
        now = library.strategy(self.kept.strategy.id)
        if now.version != self.kept.strategy.version:
            raise Conflict(f"{now.id!r} was changed while it was measured (now version {now.version}). Measure again.")
        strategy = replace(trial.strategy, flags=tuple(flag for flag in trial.strategy.flags if flag != STALE))
        library.store(Batch(strategies=[strategy], evidence={strategy.id: trial.evidence}), self.run.id, "measured")


def estimate(kept: Kept) -> dict[Role, Share]:
    """What it may take at most: calls and tokens by role."""
    own, contexts, settings = system_tokens(kept.domain), len(kept.contexts), kept.teaching
    pairs = contexts if kept.trying else min(contexts * settings.repeats, settings.looks[-1])
    return {
        "student": share(2 * pairs, own + TALK + 60, TURN_TOKENS),
        "judge": share(2 * pairs, own + TALK + 250, 40),
    }


def _beside(guidance: Guidance, strategy: Strategy) -> tuple[Strategy, ...]:
    """What would stand in the slot with it: the general strategies and those of its scenario."""
    near = (*guidance.of(None), *(guidance.of(strategy.scenario) if strategy.scenario else ()))
    return tuple(other for other in near if other.id != strategy.id)


def _unheard(event: TeachingEvent) -> None:
    """The gate of one strategy has nothing to tell on the way."""


def _shown(compared: tuple[Compared, ...]) -> dict[str, Any]:
    scores = [one.score for one in compared]
    return {
        "better": scores.count(1), "worse": scores.count(-1), "same": scores.count(0), "unscored": scores.count(None)
    }  # fmt: skip


def _found(trial: Trial) -> dict[str, Any]:
    return {"verdict": trial.verdict, "reason": trial.reason, "effect": trial.effect}
