"""The runs of a project as people see and steer them who are not at its terminal: what the review's pages ask."""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from threading import Lock
from types import TracebackType
from typing import Self

from preceptor.errors import Conflict
from preceptor.evaluation.rendering import figures, page
from preceptor.settings import control
from preceptor.settings import evaluation as evaluating
from preceptor.settings.control import Standing
from preceptor.settings.evaluation import EvaluationRun, attributed, reported
from preceptor.settings.judges import checks
from preceptor.settings.launching import Launcher
from preceptor.settings.measuring import Kept, MeasuringRun
from preceptor.settings.project import Project
from preceptor.settings.provenance import provenance
from preceptor.settings.pulse import Pulse, read
from preceptor.settings.schema import EvaluationSection
from preceptor.settings.teaching import RECORDED
from preceptor.settings.words import recorded
from preceptor.storage.database import Database
from preceptor.storage.runs import Run, Runs
from preceptor.storage.signals import Signals, Wanted
from preceptor.teaching.events import HeldOutScore
from preceptor.teaching.trying import Compared

LATEST = 8
"""Happenings shown of a run, the newest."""
_LOOKED_THROUGH = 60
"""Events among which those are looked for: many kinds have no words."""
_REPORTS = 4
"""Reports kept drawn."""


@dataclass(frozen=True)
class Sight:
    """How a run stands at this moment."""

    run: Run
    stands: Standing
    pulse: Pulse | None
    """The last sign of life; None: it never gave one that can be read."""
    trouble: str = ""
    """Why taking it up again failed; empty when it did not."""

    @property
    def going(self) -> bool:
        return self.stands == "running"

    @property
    def resumable(self) -> bool:
        return self.stands in ("stopped", "failed", "broken off") and self.run.kind in control.GOES_ON


@dataclass
class Office:
    """Use it as a context manager. Safe to use from several threads."""

    project: Project
    db: Database
    _reports: OrderedDict[str, page.Site] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.runs, self.signals = Runs(self.db), Signals(self.db)
        self.launcher = Launcher(self.project.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.launcher.__exit__(kind, fault, at)

    @property
    def currency(self) -> str:
        return self.project.settings.project.currency

    def see(self, run: Run) -> Sight:
        """A run as it stands."""
        stands = control.standing(self.runs, run)
        if stands != "running" and self.launcher.going(run.id):
            stands = "running"  # begun here a moment ago
        trouble = "" if stands == "running" else self.launcher.trouble(run.id)
        return Sight(run, stands, self._pulse(run.id), trouble)

    def _pulse(self, run: str) -> Pulse | None:
        beat = self.signals.last(run)
        try:
            return read(beat) if beat else None
        except Conflict:
            return None

    def stop(self, run: str, what: Wanted, who: str) -> str:
        """Have a run stopped; what comes of it, in a sentence. Raises: NotFound, Conflict"""
        return control.ask(self.db, run, what, who)

    def resume(self, run: Run) -> None:
        """Raises: Conflict: it cannot go on."""
        if self.see(run).going:
            raise Conflict("This run is going on already.")
        self.launcher.resume(run)

    def measure(self, strategy: str, text: str | None = None) -> Run:
        """Begin to measure a strategy, or with a `text` to try that wording, in a process of its own.

        Raises:
            NotFound, Conflict, UserError, SettingsError: as `Kept.plan`.
        """
        run = MeasuringRun.begin(self.project, self.db, Kept.plan(self.project, self.db, strategy, text)).run
        self.launcher.resume(run)
        return run

    def evaluate(self, release: str) -> Run:
        """Begin to hold a release against what is live and against the student alone, in a process of its own.

        Raises:
            NotFound, Conflict, UserError, SettingsError: from what the arms are made of.
        """
        live = self.project.library(self.db).live_hash()
        arms: dict[str, dict[str, str]] = {"student": {"kind": "student"}}
        if live is not None and live != release:
            arms["live"] = {"kind": "library", "release": live}
        arms["candidate"] = {"kind": "library", "release": release}
        section = EvaluationSection.model_validate({**self.project.settings.evaluation.model_dump(), "arms": arms})
        settings = self.project.settings.model_copy(update={"evaluation": section})
        run = EvaluationRun.begin(replace(self.project, settings=settings), self.db).run
        self.launcher.resume(run)
        return run

    def latest(self, run: Run) -> tuple[tuple[str, str], ...]:
        """The newest happenings, newest first: when (ISO 8601), and what in words."""
        last = sum(self.runs.tally(run.id).values())
        events = self.runs.events(run.id, max(0, last - _LOOKED_THROUGH))
        told = ((event.at, words) for event in reversed(events) if (words := recorded(run.kind, event)))
        return tuple(told)[:LATEST]

    def scores(self, run: Run) -> tuple[HeldOutScore, ...]:
        """The held-out scores so far, the student alone first."""
        events = self.runs.events(run.id, kinds=[HeldOutScore.__name__])
        found = (RECORDED.read(event.kind, event.body) for event in events)
        return tuple(score for score in found if isinstance(score, HeldOutScore))

    def compared(self, run: Run) -> tuple[Compared, ...]:
        """The replies that trying a wording has brought so far, in the order of their contexts."""
        return MeasuringRun.compared(self.runs, run)

    def report(self, prefix: str) -> page.Site:
        """An evaluation's report, drawn.

        Raises:
            NotFound, Conflict, UserError: there is no such evaluation, or nothing to report yet.
        """
        run = evaluating.find(self.db, prefix)
        with self._lock:
            if run.status == "done" and run.id in self._reports:
                return self._reports[run.id]
        found = figures.compute(reported(self.db, run), provenance(run, checks(self.db)), attributed(self.db, run))
        site = page.render(found)
        with self._lock:
            self._reports[run.id] = site
            while len(self._reports) > _REPORTS:
                self._reports.popitem(last=False)
        return site
