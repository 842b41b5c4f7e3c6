"""Holding the student against the cases that were kept: a run of a project, under its budget, recorded and resumed."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

import pydantic

from preceptor.dialogue.domain import Domain
from preceptor.errors import Conflict, UserError
from preceptor.evaluation.cases import Held, Standing, hold
from preceptor.judging.judge import Judge
from preceptor.library.cases import Case, Cases
from preceptor.library.model import Guidance
from preceptor.llm.parallel import gather
from preceptor.llm.progress import Progress
from preceptor.settings.journal import Journal, carry_out
from preceptor.settings.project import Project
from preceptor.settings.team import Team
from preceptor.storage.database import Database
from preceptor.storage.runs import Run, Runs
from preceptor.student.student import Student

KIND = "cases"


class Kept(pydantic.BaseModel):
    """What decides the outcome, as the run keeps it beside the settings."""

    settings: dict[str, Any]
    domain: Domain
    guidance: Guidance
    library: str
    """What the library is, in words."""
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class CasesRun:
    """A run in a project's database, new or taken up again."""

    project: Project
    db: Database
    run: Run
    kept: Kept

    @classmethod
    def begin(cls, project: Project, db: Database) -> "CasesRun":
        """With the release that is live, or else what was accepted.

        Raises:
            UserError: there are no cases.
            NotFound, SettingsError: the domain cannot be read.
        """
        library = project.library(db)
        cases = Cases(db, library.name).list()
        if not cases:
            raise UserError("No case is kept yet. Keep one in the review's playground.")
        live = library.live()
        guidance = live.guidance if live else library.guidance("accepted")
        words = f"release {live.hash[:12]}" if live else "what was accepted (nothing is released yet)"
        kept = Kept(
            settings=project.resolved(), domain=project.equipped(), guidance=guidance, library=words, cases=cases
        )
        run = Runs(db).create(KIND, kept.model_dump(mode="json"), project.settings.evaluation.seed)
        return cls(project, db, run, kept)

    @classmethod
    def resume(cls, project: Project, db: Database, prefix: str) -> "CasesRun":
        """Raises: NotFound, Conflict: no such run, or one that is done."""
        run = Runs(db).again(prefix)
        if run.kind != KIND or run.status == "done":
            raise Conflict(
                f"Run {run.id!r} holds no cases that are still to be answered. `preceptor cases run` begins."
            )
        return cls(project, db, run, Kept.model_validate(run.settings))

    async def answer(self, team: Team, tell: Callable[[Progress], None]) -> tuple[Held, ...]:
        """Do the run, or what is left of it.

        Raises:
            Conflict: another process is at it.
            Stopped, ProviderError: resume it.
        """

        def journal(runs: Runs) -> Journal[Progress]:
            return Journal(runs, self.run.id, tell, (Progress,))

        return await carry_out(self.db, self.run.id, team, journal, partial(self._answer, team), _result)

    async def _answer(self, team: Team, journal: Journal[Progress]) -> tuple[Held, ...]:
        kept, done = self.kept, 0
        student = Student(team.models["student"], kept.domain)
        if kept.guidance.scenarios:
            student = student.using(kept.guidance, self.project.embedder(self.db))
        judge = Judge(team.models["judge"], kept.domain)
        journal.hear(Progress("cases", 0, len(kept.cases)))

        async def one(case: Case) -> Held:
            nonlocal done
            found = await hold(student, judge, case, self.run.seed)
            done += 1
            journal.hear(Progress("cases", done, len(kept.cases)))
            return found

        return tuple(await gather([partial(one, case) for case in kept.cases]))


def _result(found: Sequence[Held]) -> dict[str, Any]:
    counts = Counter(one.standing for one in found)
    standings = {name: counts[name] for name in get_args(Standing)}
    return {"standings": standings, "cases": {one.case.id: one.standing for one in found}}
