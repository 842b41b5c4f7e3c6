"""Teaching runs of a project: begun, recorded, resumed.

A run keeps what decides its outcome: domain, teaching settings, the library it started from, its logs. Models and
budget come from the settings as they are now, so that a mistake in them can be mended before resuming, and a budget
that has come to its end be raised.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pydantic

from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.domain import Domain
from preceptor.errors import Conflict, PreceptorError, SettingsError, Stopped
from preceptor.library.model import Guidance
from preceptor.library.rows import Use
from preceptor.library.store import Batch, Library
from preceptor.logs.readers import read
from preceptor.settings.project import Project
from preceptor.settings.team import Team
from preceptor.storage.database import Database
from preceptor.storage.runs import Run, Runs
from preceptor.teaching.events import Event, Note, Progress
from preceptor.teaching.settings import Teaching
from preceptor.teaching.teach import Taught, teach

KIND = "teach"
SHOWN = 3
"""Rows of a log that could not be read and are told of with the reason."""
_GUIDANCE = pydantic.TypeAdapter(Guidance)
_EVENTS: dict[str, pydantic.TypeAdapter[Event]] = {
    kind.__name__: pydantic.TypeAdapter(kind) for kind in get_args(Event)
}


@dataclass(frozen=True)
class TeachingRun:
    """A run in a project's database, new or taken up again."""

    project: Project
    db: Database
    run: Run
    domain: Domain
    settings: Teaching
    start: Guidance
    """The library it goes on from."""
    logs: tuple[Path, ...]

    @classmethod
    def begin(cls, project: Project, db: Database, logs: Sequence[Path] = ()) -> "TeachingRun":
        """A new run from the project's settings, its domain and what its library holds now.

        Raises:
            NotFound, SettingsError: the domain cannot be read.
        """
        settings, domain = project.settings.teaching, project.domain()
        held = project.library(db).guidance("accepted")
        start = held if held.scenarios else Guidance(domain.name, false_injections=settings.false_injections)
        files = tuple(path.absolute() for path in logs)
        kept = {
            "settings": project.resolved(),
            "domain": domain.model_dump(mode="json"),
            "start": _GUIDANCE.dump_python(start, mode="json"),
            "logs": [str(path) for path in files],
        }
        run = Runs(db).create(KIND, kept, settings.seed)
        return cls(project, db, run, domain, settings, start, files)

    @classmethod
    def resume(cls, project: Project, db: Database, prefix: str) -> "TeachingRun":
        """A run that was begun before, by its id or the beginning of it.

        Raises:
            NotFound, Conflict: no such run, or one that is done.
        """
        run = Runs(db).get(prefix)
        if run.kind != KIND:
            raise Conflict(f"Run {run.id!r} is of kind {run.kind!r}, not a teaching run.")
        if run.status == "done":
            raise Conflict(f"Run {run.id!r} is done. `preceptor teach` starts another that goes on from its library.")
        kept: dict[str, Any] = run.settings
        domain = Domain.model_validate(kept["domain"])
        settings = Teaching.model_validate(kept["settings"]["teaching"])
        start = _GUIDANCE.validate_python(kept["start"])
        return cls(project, db, run, domain, settings, start, tuple(map(Path, kept["logs"])))

    async def teach(self, team: Team, tell: Callable[[Event], None]) -> Taught:
        """Do the run, or what is left of it: calls the ledger knows are not made again.

        Raises:
            Conflict: another process is at it.
            Stopped: told to stop, or the budget is used up; resume it.
            ProviderError, UserError: a model, a file or the database cannot be used, or none of a model's answers was
                of use; resume it when that is mended.
        """
        runs = Runs(self.db)
        with runs.lock(self.run.id):
            runs.finish(self.run.id, "running")
            record = Record(self, self.project.library(self.db), runs, tell)
            try:
                taught = await self._teach(team, record)
                team.check()
                await team.ledger.written()
            except PreceptorError as raised:
                fault = team.stop.fault or raised
                await record.written_down()
                runs.finish(self.run.id, "stopped" if isinstance(fault, Stopped) else "failed", {"reason": str(fault)})
                raise fault from None
            await record.written_down()
            runs.finish(self.run.id, "done", _result(taught))
            return taught

    async def _teach(self, team: Team, record: "Record") -> Taught:
        models = team.models
        return await teach(
            self.domain,
            teacher=models["teacher"],
            student=models["student"],
            customer=models["customer"],
            judge=models["judge"],
            settings=self.settings,
            start=self.start,
            logs=logged(self.logs, lambda told: record.hear(Note(told))),
            embedder=self.project.embedder(self.db),
            tell=record.hear,
            keep=record.keep,
        )


def logged(paths: Sequence[Path], tell: Callable[[str], None]) -> Iterator[Conversation]:
    """The conversations of log files, one at a time. `tell` hears, in a sentence, of rows that could not be read.

    Raises:
        NotFound, SettingsError: there is no such file, or nothing in it can be read.
    """
    for path in paths:
        log, found = read(path), False
        for conversation in log:
            found = True
            yield conversation
        faults = "; ".join(f"line {row.line}: {row.reason.rstrip('.')}" for row in log.skipped[:SHOWN])
        if not found:
            raise SettingsError(f"{path}: holds no conversation{': ' + faults if faults else ''}.")
        if faults:
            tell(f"{path.name}: {log.skipped_rows} rows could not be read; {faults}.")


@dataclass
class Record:
    """Writes down what happens. A resumed run happens again from its beginning; nothing is written down twice."""

    teaching: TeachingRun
    library: Library
    runs: Runs
    tell: Callable[[Event], None]
    heard: int = 0
    kept: int = 0
    known: set[str] = field(default_factory=set)
    """Ids of scenarios the library has from this run or its start."""
    before: int = field(init=False)
    """Events that were there when the run was taken up."""
    notes: list[asyncio.Future[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.before = len(self.runs.events(self.teaching.run.id))
        self.known = {scenario.id for scenario in self.teaching.start.scenarios}

    def hear(self, event: Event) -> None:
        """Pass an event on; keep all but progress, of which there is too much to read again."""
        self.tell(event)
        if isinstance(event, Progress):
            return
        self.heard += 1
        if self.heard > self.before:
            note = self.runs.note(self.teaching.run.id, type(event).__name__, event)
            self.notes.append(asyncio.ensure_future(note))

    async def written_down(self) -> None:
        """Return when every event is on disk. A kill before that loses none: a resumed run tells them again."""
        await asyncio.gather(*self.notes)

    def keep(self, taught: Taught) -> None:
        """Store what is known so far in the library."""
        self.kept += 1
        now = {scenario.id for scenario in taught.scenarios}
        strategies = (*taught.accepted, *(strategy for strategy, _ in taught.refused), *taught.dropped)
        use = Use.of(taught.guidance)
        retired = sorted(self.known - now)
        batch = Batch(taught.scenarios, strategies, taught.evidence, retired, use)
        self.library.store(batch, self.teaching.run.id, str(self.kept))
        self.known |= now


def _result(taught: Taught) -> dict[str, Any]:
    return {
        "reason": taught.reason,
        "library": taught.guidance.hash,
        "scenarios": len(taught.scenarios),
        "accepted": len(taught.accepted),
        "refused": len(taught.refused),
        "dropped": len(taught.dropped),
    }


def recorded(kind: str, body: Any) -> Event:
    """An event as it was told, from its record.

    Raises:
        Conflict: another version of preceptor wrote it.
    """
    try:
        return _EVENTS[kind].validate_python(body)
    except (KeyError, pydantic.ValidationError):
        raise Conflict(f"An event of kind {kind!r} was recorded by another version of preceptor.") from None
