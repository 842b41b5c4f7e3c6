"""Transfers of a project: libraries × students × domains, each column an evaluation of its own, resumed as one.

A run keeps the libraries as they were and what its columns are called; models and budget come from the settings as they
are now, as for other runs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pydantic

from preceptor.dialogue.outlay import Role, Share
from preceptor.errors import Conflict, NotFound, SettingsError, UserError
from preceptor.evaluation.attribution import Attribution
from preceptor.evaluation.report import Report
from preceptor.evaluation.transfer import Carried, Column, Matrix, Succession, succession
from preceptor.library import exchange
from preceptor.library.model import Guidance
from preceptor.library.snapshot import guidance
from preceptor.settings.arms import Stock
from preceptor.settings.attributing import AttributionRun, attributed
from preceptor.settings.evaluation import EvaluationRun, outlay, reported
from preceptor.settings.models import world
from preceptor.settings.project import Project
from preceptor.settings.reading import FILE
from preceptor.settings.schema import ArmSection, Endpoint, LibraryArm, Simulated, StudentArm
from preceptor.settings.series import Series
from preceptor.storage.database import Database
from preceptor.storage.runs import Runs

KIND = "transfer"
OWN = "student"
"""Names a project's own student."""
ALONE = "alone"
REPEATS = 2
"""Pairs of replies in each context of a strategy: here many strategies are asked about together."""
MEASURED = ("seed", "customers", "max_turns", "repeats", "slot_tokens", "unseen")
"""Settings of the evaluation that a transfer keeps."""
_LIBRARIES = pydantic.TypeAdapter(dict[str, Guidance])


@dataclass(frozen=True)
class Wanted:
    """What is to be carried where."""

    libraries: Sequence[str] = ("newest",)
    """Releases ("live", "newest", "candidate", the beginning of a hash), exported files, or folders of projects."""
    students: Sequence[str] = (OWN,)
    """Names of `[transfer.students]`, models of a simulated student's world, or ``student``, the project's own."""
    domains: Sequence[Path] = ()
    """Folders of other projects, whose customers and judges are met too."""
    releases: bool = False
    """All releases of the project, oldest first, instead of `libraries`."""
    contexts: int = 0
    """In which each strategy is left out, at most; 0: not asked."""

    def plain(self) -> dict[str, Any]:
        return {
            "libraries": list(self.libraries),
            "students": list(self.students),
            "domains": [str(folder.absolute()) for folder in self.domains],
            "releases": self.releases,
            "contexts": self.contexts,
        }

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> "Wanted":
        return cls(
            kept["libraries"], kept["students"], [Path(p) for p in kept["domains"]], kept["releases"], kept["contexts"]
        )


@dataclass(frozen=True)
class Transferred:
    """What was found."""

    matrix: Matrix
    carried: tuple[Carried, ...] = ()
    succession: Succession | None = None
    left_out: tuple[Column, ...] = ()
    """Columns whose student is not to be had in that domain."""


@dataclass(frozen=True)
class Doing:
    """Who does the parts, with whatever is to be shown."""

    evaluate: Callable[[EvaluationRun, Series], Report]
    attribute: Callable[[AttributionRun, Series], Attribution]


@dataclass(frozen=True)
class TransferRun:
    """A run in a project's database, new or taken up again."""

    project: Project
    series: Series
    wanted: Wanted
    libraries: Mapping[str, Guidance] = field(default_factory=dict)

    @classmethod
    def begin(cls, project: Project, db: Database, wanted: Wanted) -> "TransferRun":
        """Raises:
        NotFound, SettingsError, UserError, Conflict: a library, a student or a domain is not there.
        """
        libraries = taken(project, db, wanted)
        kept = {
            "settings": project.resolved(),
            "wanted": wanted.plain(),
            "libraries": _LIBRARIES.dump_python(libraries, mode="json"),
            "order": list(libraries),
        }
        run = Runs(db).create(KIND, kept, project.settings.evaluation.seed)
        return cls(project, Series(db, run, project.folder), wanted, libraries)

    @classmethod
    def resume(cls, project: Project, db: Database, prefix: str) -> "TransferRun":
        """Raises:
        NotFound, Conflict: no such run.
        """
        run = Runs(db).again(prefix)
        if run.kind != KIND:
            raise Conflict(f"Run {run.id!r} is of kind {run.kind!r}, not a transfer.")
        kept = _LIBRARIES.validate_python(run.settings["libraries"])
        section = run.settings["settings"]["evaluation"]
        bounds = {name: section[name] for name in MEASURED}
        evaluation = project.settings.evaluation.model_copy(update=bounds)
        same = replace(project, settings=project.settings.model_copy(update={"evaluation": evaluation}))
        libraries = {name: kept[name] for name in run.settings["order"]}
        return cls(same, Series(db, run, project.folder), Wanted.read(run.settings["wanted"]), libraries)

    def carry(self, doing: Doing) -> Transferred:
        """Do the run, or what is left of it.

        Raises:
            Conflict: another process is at it.
            PreceptorError: from the parts; resume it when it is mended.
        """
        with self.series.held():
            done = self._carry(doing)
            told = [str(cell.verdict) for cell in done.matrix.cells]
            Runs(self.series.db).finish(self.series.run.id, "done", {"cells": told})
        return done

    def _carry(self, doing: Doing) -> Transferred:
        found = columns(self.project, self.wanted)
        tasks = {column: self._begun(column, project) for column, project in found.items() if project}
        reports = {column: self._report(column, task, doing) for column, task in tasks.items()}
        carried = tuple(self._carried(tasks, reports, doing)) if self.wanted.contexts else ()
        home = reports[next(iter(tasks))]
        embedder = self.project.embedder(self.series.db)
        stages = succession(home, self.libraries, embedder) if self.wanted.releases else None
        left_out = tuple(column for column, made in found.items() if made is None)
        return Transferred(Matrix.of(reports), carried, stages, left_out)

    def _begun(self, column: Column, project: Project) -> EvaluationRun:
        db, name = self.series.db, f"evaluate {column}"
        if before := self.series.part(name):
            return EvaluationRun.reopen(project, db, before)
        task = EvaluationRun.begin(prepared(project, self.libraries), db, Stock(dict(self.libraries)))
        self.series.began(name, task.run)
        return task

    def _report(self, column: Column, task: EvaluationRun, doing: Doing) -> Report:
        run = Runs(self.series.db).get(task.run.id)
        return reported(self.series.db, run) if run.status == "done" else doing.evaluate(task, self.series)

    def _carried(
        self, tasks: Mapping[Column, EvaluationRun], reports: Mapping[Column, Report], doing: Doing
    ) -> Iterator[Carried]:
        for column, task in tasks.items():
            for library in self.libraries:
                yield Carried.of(column, library, self._attribution(column, library, task, reports[column], doing))

    def _attribution(
        self, column: Column, library: str, task: EvaluationRun, report: Report, doing: Doing
    ) -> Attribution:
        name, db = f"attribute {library} {column}", self.series.db
        if (before := self.series.part(name)) is None:
            begun = AttributionRun.begin(db, task, report, library, contexts=self.wanted.contexts, repeats=REPEATS)
            self.series.began(name, begun.run)
        elif before.status == "done":
            return attributed(before)
        else:
            begun = AttributionRun.resume(db, task, report, before)
        return doing.attribute(begun, self.series)


def columns(project: Project, wanted: Wanted) -> dict[Column, Project | None]:
    """The columns, the project's own domain and student first, each as a project of its own; None where a student is
    not to be had in a domain.

    Raises:
        NotFound, SettingsError: there is no such student anywhere, or no such project.
    """
    names = list(dict.fromkeys([OWN, *wanted.students]))
    places = [project, *(_elsewhere(project, folder) for folder in wanted.domains)]
    found: dict[Column, Project | None] = {}
    for place in places:
        domain = place.domain().name
        for name in names:
            section = _student(place, project, name)
            found[Column(domain, name)] = _with_student(place, section) if section else None
    for name in names:
        if not any(made for column, made in found.items() if column.student == name):
            listed = ", ".join([OWN, *project.settings.transfer.students])
            raise SettingsError(f"There is no student {name!r}; [transfer.students] and the project have: {listed}.")
    return found


def prepared(project: Project, libraries: Mapping[str, Guidance]) -> Project:
    """The project with the student alone and an arm for each library."""
    arms: dict[str, ArmSection] = {ALONE: StudentArm(kind="student")}
    arms |= {name: LibraryArm(kind="library", release=taught.hash[:12]) for name, taught in libraries.items()}
    changed = {"arms": arms, "duels": 0, "stop_early": False, "attribution": 0}
    section = project.settings.evaluation.model_copy(update=changed)
    return replace(project, settings=project.settings.model_copy(update={"evaluation": section}))


def effort(project: Project, wanted: Wanted, libraries: Mapping[str, Guidance]) -> dict[Role, Share]:
    """What the evaluations will take, by role; an estimate, without the strategies left out."""
    total: dict[Role, Share] = {}
    for made in columns(project, wanted).values():
        for role, one in outlay(prepared(made, libraries)).items() if made else ():
            total[role] = total.get(role, Share(0, 0, 0)) + one
    return total


def taken(project: Project, db: Database, wanted: Wanted) -> dict[str, Guidance]:
    """The libraries by what tables call them, as they are now.

    Raises:
        NotFound, UserError, Conflict: there is no such library, or nothing in it.
    """
    if wanted.releases:
        made = project.library(db).releases()
        if len(made) < 2:
            raise UserError("Forgetting takes two releases at least. `preceptor library release` makes one.")
        oldest_first = sorted(made, key=lambda release: release.created)
        return {release.hash[:12]: release.guidance for release in oldest_first}
    found = [_library(project, db, name) for name in wanted.libraries]
    names = [name for name, _ in found]
    if len({ALONE, *names}) <= len(names):
        raise UserError(f"Libraries need names of their own, and none may be {ALONE!r}; got: {', '.join(names)}.")
    return dict(found)


def _library(project: Project, db: Database, name: str) -> tuple[str, Guidance]:
    path = Path(name)
    if path.is_dir():
        other = Project.load(path)
        with other.database() as theirs:
            arms = {path.name: LibraryArm(kind="library")}
            return path.name, Stock.take(arms, other.library(theirs), path).libraries[path.name]
    if path.is_file():
        held = guidance(exchange.load(path))
        if not held.strategies:
            raise UserError(f"{path}: holds no strategy that was accepted.")
        return path.stem, held
    arms = {name: LibraryArm(kind="library", release=name)}
    return name, Stock.take(arms, project.library(db), project.folder).libraries[name]


def _elsewhere(project: Project, folder: Path) -> Project:
    """Another project as a place to be measured in: its people, this one's ways of measuring."""
    if not (folder / FILE).is_file():
        raise NotFound(f"There is no project in {str(folder)!r}: a domain is the folder of one.")
    other = Project.load(folder)
    mine = project.settings
    changed = {"evaluation": mine.evaluation, "budget": mine.budget, "retrieval": mine.retrieval}
    return replace(other, settings=other.settings.model_copy(update=changed))


def _student(place: Project, home: Project, name: str) -> Endpoint | Simulated | None:
    own = place.settings.models.student
    if name == OWN:
        return own
    named = {**home.settings.transfer.students, **place.settings.transfer.students}
    section = named.get(name)
    if isinstance(own, Simulated):
        model = section.model if isinstance(section, Simulated) else name
        if isinstance(section, Endpoint):
            return section
        known = world(own.world, place.folder).models
        return own.model_copy(update={"model": model}) if model in known else None
    return section


def _with_student(place: Project, section: Endpoint | Simulated) -> Project:
    models = place.settings.models.model_copy(update={"student": section})
    return replace(place, settings=place.settings.model_copy(update={"models": models}))
