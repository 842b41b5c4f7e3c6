"""The coaching experiment being done: taught in full and otherwise, all arms, transfers. A series of runs, resumed as
one; what is done is not done again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pydantic

from preceptor.dialogue.outlay import Role, Share
from preceptor.errors import Conflict, UserError
from preceptor.evaluation.estimate import together
from preceptor.evaluation.report import Report
from preceptor.evaluation.transfer import Column
from preceptor.experiments.answers import Answer, answers
from preceptor.experiments.plan import (
    ALWAYS,
    BASE,
    LIBRARY,
    NO_ABSTENTION,
    TAUGHT_OTHERWISE,
    Plan,
    taught_otherwise,
)
from preceptor.library.model import Guidance
from preceptor.llm.ledger import charged
from preceptor.llm.prices import Amount
from preceptor.settings.arms import Stock
from preceptor.settings.evaluation import EvaluationRun, outlay, reported
from preceptor.settings.project import Project
from preceptor.settings.schema import ArmSection, EvaluationSection, LibraryArm
from preceptor.settings.series import Series
from preceptor.settings.teaching import TeachingRun
from preceptor.settings.transfer import Wanted, columns, prepared
from preceptor.storage.database import Database
from preceptor.storage.runs import Run, Runs
from preceptor.teaching.estimate import estimate

KIND = "experiment"
ARMS = "all arms"
"""The part in which all arms serve."""
_PLAN = pydantic.TypeAdapter(Plan)


@dataclass(frozen=True)
class Doing:
    """Who does the parts, with whatever is to be shown."""

    teach: Callable[[TeachingRun, Series], object]
    evaluate: Callable[[EvaluationRun, Series], Report]


@dataclass(frozen=True)
class Found:
    """What came of it."""

    plan: Plan
    run: Run
    answers: tuple[Answer, ...]
    arms: Report
    columns: Mapping[str, Report]
    libraries: Mapping[str, Guidance]
    """By arm: the library in full, and those taught otherwise."""
    parts: Mapping[str, str]
    """Runs by what they are."""
    used: Mapping[str, Amount]
    """By part."""


@dataclass(frozen=True)
class Coaching:
    """In a project's database, new or taken up again."""

    project: Project
    series: Series
    plan: Plan

    @classmethod
    def begin(cls, project: Project, db: Database, wanted: Wanted, others: int) -> "Coaching":
        """Raises:
        NotFound, SettingsError: a student or a domain is not there.
        """
        plan = Plan.of(project, wanted, others)
        kept = {"settings": project.resolved(), "plan": _PLAN.dump_python(plan, mode="json"), "hash": plan.hash}
        run = Runs(db).create(KIND, kept, project.settings.teaching.seed)
        return cls(project, Series(db, run, project.folder), plan)

    @classmethod
    def resume(cls, project: Project, db: Database, prefix: str) -> "Coaching":
        """By the plan it was begun with; where models are reached, and the budget, are as the settings have them now.

        Raises:
            NotFound, Conflict: no such run, or what the plan names is not what it was.
        """
        run = Runs(db).again(prefix)
        if run.kind != KIND:
            raise Conflict(f"Run {run.id!r} is of kind {run.kind!r}, not an experiment.")
        plan = _PLAN.validate_python(run.settings["plan"])
        kept = run.settings["settings"]
        changed = {
            "teaching": project.settings.teaching.model_validate(kept["teaching"]),
            "evaluation": EvaluationSection.model_validate(kept["evaluation"]),
        }
        same = replace(project, settings=project.settings.model_copy(update=changed))
        if differing := plan.differing(same):
            raise Conflict(
                f"Experiment {run.id!r} was registered with other {' and '.join(differing)} than there are now. Put "
                "them back as they were, or begin another."
            )
        return cls(same, Series(db, run, project.folder), plan)

    def carry(self, doing: Doing) -> Found:
        """Do the experiment, or what is left of it.

        Raises:
            Conflict: another process is at it.
            UserError: teaching found nothing that helps, so there is no library to ask about.
            PreceptorError: from the parts; resume it when it is mended.
        """
        with self.series.held():
            libraries = self._taught(doing)
            arms = self._arms(libraries, doing)
            others = self._columns(libraries[LIBRARY], doing)
            found = answers(self.plan, arms, others, libraries[LIBRARY])
            told = {answer.question.id: answer.word for answer in found}
            Runs(self.series.db).finish(self.series.run.id, "done", {"answers": told, "plan": self.plan.hash})
        parts = self.series.parts
        used = {name: charged(self.series.db, id_) for name, id_ in parts.items()}
        return Found(self.plan, self.series.run, found, arms, others, libraries, parts, used)

    def _taught(self, doing: Doing) -> dict[str, Guidance]:
        full = self._lesson(LIBRARY, {}, doing)
        if not full.strategies:
            raise UserError(
                "Teaching accepted no strategy, so there is no library to ask about. More customers or iterations of "
                "teaching may help; with a student as good as its teacher there is nothing to learn."
            )
        otherwise = {name: self._lesson(name, changes, doing) for name, changes in TAUGHT_OTHERWISE.items()}
        always = replace(full, false_injections=ALWAYS, foreign=1.0)
        return {LIBRARY: full, **otherwise, NO_ABSTENTION: always}

    def _lesson(self, name: str, changes: Mapping[str, Any], doing: Doing) -> Guidance:
        db, part = self.series.db, f"teach {name}"
        project = taught_otherwise(self.project, self._shelf(name), changes)
        run = self.series.part(part)
        if run is None:
            lessons = TeachingRun.begin(project, db)
            self.series.began(part, lessons.run)
            doing.teach(lessons, self.series)
        elif run.status != "done":
            doing.teach(TeachingRun.resume(project, db, run.id), self.series)
        return project.library(db).guidance("accepted")

    def _shelf(self, name: str) -> str:
        """A library of the experiment's own, so that the project's stays as it is."""
        return f"{self.series.run.id} {name}"

    def _arms(self, libraries: Mapping[str, Guidance], doing: Doing) -> Report:
        project = with_arms(taught_otherwise(self.project, self._shelf(LIBRARY), {}), libraries)
        db = self.series.db
        base = EvaluationSection.model_validate({"arms": BASE}).arms
        stock = Stock.take(base, project.library(db), project.folder)
        extra = {name: taught for name, taught in libraries.items() if name != LIBRARY}
        return self._evaluated(ARMS, project, replace(stock, libraries={**stock.libraries, **extra}), doing)

    def _columns(self, library: Guidance, doing: Doing) -> dict[str, Report]:
        found = columns(self.project, Wanted((), self.plan.students, [Path(one) for one in self.plan.domains]))
        reports: dict[str, Report] = {}
        for column in self.plan.columns:
            place = found[column]
            if place is None:
                raise UserError(f"{column}: the plan has this student, and it is not there any more.")
            project = sized(prepared(place, {LIBRARY: library}), self.plan.others)
            reports[str(column)] = self._evaluated(f"transfer {column}", project, Stock({LIBRARY: library}), doing)
        return reports

    def _evaluated(self, part: str, project: Project, stock: Stock, doing: Doing) -> Report:
        db, run = self.series.db, self.series.part(part)
        if run is None:
            task = EvaluationRun.begin(project, db, stock)
            self.series.began(part, task.run)
            return doing.evaluate(task, self.series)
        if run.status == "done":
            return reported(db, run)
        return doing.evaluate(EvaluationRun.reopen(project, db, run), self.series)


def with_arms(project: Project, libraries: Mapping[str, Guidance]) -> Project:
    """The project with the plan's arms, and one for each library that is not the one in full."""
    arms: dict[str, ArmSection] = dict(EvaluationSection.model_validate({"arms": BASE}).arms)
    for name, taught in libraries.items():
        if name != LIBRARY:
            arms[name] = LibraryArm(kind="library", release=taught.hash[:12])
    section = project.settings.evaluation.model_copy(update={"arms": arms, "stop_early": False})
    return replace(project, settings=project.settings.model_copy(update={"evaluation": section}))


def sized(project: Project, customers: int) -> Project:
    section = project.settings.evaluation.model_copy(update={"customers": customers})
    return replace(project, settings=project.settings.model_copy(update={"evaluation": section}))


def effort(project: Project, wanted: Wanted, others: int) -> dict[Role, Share]:
    """What the whole will take, by role; an estimate."""
    nothing = Guidance(project.domain().name)
    shares = [
        estimate(project.domain(), taught_otherwise(project, "", changes).settings.teaching)
        for changes in ({}, *TAUGHT_OTHERWISE.values())
    ]
    shares.append(outlay(with_arms(project, dict.fromkeys((LIBRARY, *TAUGHT_OTHERWISE, NO_ABSTENTION), nothing))))
    own = Column(project.domain().name, "student")
    for column, place in columns(project, wanted).items():
        if place and column != own:
            shares.append(outlay(sized(prepared(place, {LIBRARY: nothing}), others)))
    return together(*shares)
