"""What the strategies of an evaluation's arm do, by leaving them out: a run of its own, recorded and resumed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pydantic

from preceptor.errors import UserError
from preceptor.evaluation.attribution import Attribution, attribute
from preceptor.evaluation.report import Report
from preceptor.judging.judge import Judge
from preceptor.llm.progress import Progress
from preceptor.settings.evaluation import EvaluationRun
from preceptor.settings.journal import Journal, carry_out
from preceptor.settings.team import Team
from preceptor.storage.database import Database
from preceptor.storage.runs import Run, Runs
from preceptor.student.student import Student

KIND = "attribute"
_ATTRIBUTION = pydantic.TypeAdapter(Attribution)


@dataclass(frozen=True)
class AttributionRun:
    """Of one arm of an evaluation that is done."""

    db: Database
    run: Run
    task: EvaluationRun
    report: Report
    arm: str
    contexts: int
    """Moments looked at for each strategy, at most."""
    repeats: int
    """Pairs of replies in each."""

    @classmethod
    def begin(
        cls, db: Database, task: EvaluationRun, report: Report, arm: str, *, contexts: int, repeats: int
    ) -> "AttributionRun":
        kept = {
            "evaluation": task.run.id,
            "arm": arm,
            "contexts": contexts,
            "repeats": repeats,
            "settings": task.project.resolved(),
        }
        return cls(db, Runs(db).create(KIND, kept, task.run.seed), task, report, arm, contexts, repeats)

    @classmethod
    def resume(cls, db: Database, task: EvaluationRun, report: Report, run: Run) -> "AttributionRun":
        kept = run.settings
        return cls(db, run, task, report, kept["arm"], kept["contexts"], kept["repeats"])

    async def attribute(self, team: Team, tell: Callable[[Progress], None]) -> Attribution:
        """Do the run, or what is left of it.

        Raises:
            Conflict: another process is at it.
            UserError: the arm is not one that chooses strategies.
            Stopped, ProviderError: as for evaluations.
        """

        def journal(runs: Runs) -> Journal[Progress]:
            return Journal(runs, self.run.id, tell, (Progress,))

        return await carry_out(self.db, self.run.id, team, journal, partial(self._attribute, team), _result)

    async def _attribute(self, team: Team, journal: Journal[Progress]) -> Attribution:
        student = next((arm for arm in self.task.arms(team) if arm.name == self.arm), None)
        if not isinstance(student, Student):
            raise UserError(f"Arm {self.arm!r} has no strategies that could be left out.")
        judge = Judge(team.models["judge"], self.task.domain)
        return await attribute(
            student, self.report, judge, contexts=self.contexts, repeats=self.repeats, seed=self.run.seed
        )


def attributed(run: Run) -> Attribution:
    """What a run that is done found."""
    return _ATTRIBUTION.validate_python(run.result)


def _result(found: Attribution) -> Any:
    return _ATTRIBUTION.dump_python(found, mode="json")
