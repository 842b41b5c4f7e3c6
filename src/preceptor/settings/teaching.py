"""Teaching runs of a project: begun, recorded, resumed.

A run keeps what decides its outcome: domain, teaching settings, the library it started from, its logs. Models and
budget come from the settings as they are now, so that a mistake in them can be mended before resuming, and a budget
that has come to its end be raised.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pydantic

from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.domain import Domain
from preceptor.errors import Conflict, NotFound, SettingsError, UserError
from preceptor.library.model import Guidance
from preceptor.library.rows import Reach, Use
from preceptor.library.store import Batch, Library
from preceptor.logs.looks import Looks
from preceptor.logs.readers import read
from preceptor.logs.store import Store
from preceptor.retrieval.embedding import Embedder
from preceptor.settings.journal import Journal, Recorded, carry_out
from preceptor.settings.lead import Lead
from preceptor.settings.project import Project
from preceptor.settings.team import Team
from preceptor.settings.tools import mishaps, of_the_world
from preceptor.storage.database import Database
from preceptor.storage.runs import Run, Runs
from preceptor.teaching.crew import Crew, Hands
from preceptor.teaching.events import Event, Note, Progress
from preceptor.teaching.settings import Teaching
from preceptor.teaching.teach import Taught, teach

KIND = "teach"
IMPORTED = "imported"
"""Stands for all sources of imported conversations."""
SOURCE = "imported:"
"""Before a source's name, where a file's path may stand as well."""
WATCHED = "watched:"
"""Before a batch of conversations that were found to be far from every scenario (`watching`)."""
SHOWN = 3
"""Rows of a log that could not be read and are told of with the reason."""
_GUIDANCE = pydantic.TypeAdapter(Guidance)
RECORDED: Recorded[Event] = Recorded(*get_args(Event))


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
    logs: tuple[str, ...]
    """Files, and sources of imported conversations (`SOURCE` before their names)."""

    @classmethod
    def begin(cls, project: Project, db: Database, logs: Sequence[str | Path] | None = None) -> "TeachingRun":
        """A new run from the project's settings, its domain and what its library holds now.

        `logs`: files or sources of imported conversations; `teaching.logs` when not given.

        Raises:
            NotFound, SettingsError: the domain cannot be read, or there is no such log.
        """
        settings, domain = project.settings.teaching, project.equipped()
        held = project.library(db).guidance("accepted")
        start = held if held.scenarios else Guidance(domain.name, false_injections=settings.false_injections)
        wanted = named(settings.logs if logs is None else logs, db)
        kept = {
            "settings": project.resolved(),
            "domain": domain.model_dump(mode="json"),
            "start": _GUIDANCE.dump_python(start, mode="json"),
            "logs": list(wanted),
        }
        run = Runs(db).create(KIND, kept, settings.seed)
        return cls(project, db, run, domain, settings, start, wanted)

    @classmethod
    def resume(cls, project: Project, db: Database, prefix: str) -> "TeachingRun":
        """A run that was begun before, by its id or the beginning of it.

        Raises:
            NotFound, Conflict: no such run, or one that is done.
        """
        run = Runs(db).again(prefix)
        if run.kind != KIND:
            raise Conflict(f"Run {run.id!r} is of kind {run.kind!r}, not a teaching run.")
        if run.status == "done":
            raise Conflict(f"Run {run.id!r} is done. `preceptor teach` starts another that goes on from its library.")
        return cls.of(project, db, run)

    @classmethod
    def of(cls, project: Project, db: Database, run: Run) -> "TeachingRun":
        """As it was begun."""
        kept: dict[str, Any] = run.settings
        domain = Domain.model_validate(kept["domain"])
        settings = Teaching.model_validate(kept["settings"]["teaching"])
        start = _GUIDANCE.validate_python(kept["start"])
        return cls(project, db, run, domain, settings, start, tuple(kept["logs"]))

    async def teach(self, team: Team, tell: Callable[[Event], None], lead: Lead | None = None) -> Taught:
        """Do the run, or what is left of it: calls the ledger knows are not made again. `lead`: lets workers take part.

        Raises:
            Conflict: another process is at it.
            Stopped: told to stop, or the budget is used up; resume it.
            ProviderError, UserError: a model, a file or the database cannot be used, or none of a model's answers was
                of use; resume it when that is mended.
        """

        def journal(runs: Runs) -> Journal[Event]:
            return Journal(runs, self.run.id, tell, (Progress,))

        work = partial(self._teach, team, lead)
        return await carry_out(self.db, self.run.id, team, journal, work, _result)

    def crew(self, team: Team, embedder: Embedder) -> Crew:
        """Who takes part in it, for errands. A simulated world's tools are the same in every process."""
        models = team.models
        return Crew.gather(
            self.domain,
            teacher=models["teacher"],
            student=models["student"],
            customer=models["customer"],
            judge=models["judge"],
            settings=self.settings,
            embedder=embedder,
            environment=of_the_world(self.project.settings, self.project.folder),
        )

    async def _teach(self, team: Team, lead: Lead | None, journal: Journal[Event]) -> Taught:
        embedder = self.project.embedder(self.db)
        if lead is None:
            return await self._taught(team, journal, embedder, None)
        if self.domain.tools and self.project.settings.tools.kind not in (None, "none"):
            raise UserError(
                "A run with tools behind it is done by one process: what tools gave is known to that alone. "
                "Leave --workers out, or set tools.kind to none."
            )
        async with lead.at_work(team, self.crew(team, embedder)) as hands:
            taught = await self._taught(team, journal, embedder, hands)
        lead.errands.forget()
        return taught

    async def _taught(self, team: Team, journal: Journal[Event], embedder: Embedder, hands: Hands | None) -> Taught:
        models = team.models
        async with self.project.environment(self.domain, self.db, self.run.id) as environment:
            taught = await teach(
                self.domain,
                teacher=models["teacher"],
                student=models["student"],
                customer=models["customer"],
                judge=models["judge"],
                settings=self.settings,
                start=self.start,
                logs=self._logged(lambda told: journal.hear(Note(told))),
                embedder=embedder,
                tell=journal.hear,
                keep=Shelving(self, self.project.library(self.db)).keep,
                environment=environment,
                hands=hands,
            )
        if said := mishaps(environment):
            journal.hear(Note(said))
        return taught

    def _logged(self, tell: Callable[[str], None]) -> Iterator[Conversation]:
        looks = Looks(self.db, self.project.settings.project.library)
        for log in self.logs:
            if log.startswith(WATCHED):
                yield from looks.batch(log.removeprefix(WATCHED))
            else:
                yield from logged([log], tell, self.db)


def crew_of(project: Project, db: Database, run: str, team: Team, embedder: Embedder) -> Crew:
    """Who takes part in a run, in the process of a worker."""
    return TeachingRun.of(project, db, Runs(db).get(run)).crew(team, embedder)


def named(logs: Sequence[str | Path], db: Database | None) -> tuple[str, ...]:
    """What logs are meant, so that it means the same wherever and whenever a run goes on.

    Raises:
        NotFound: there is neither such a file nor such a source.
    """
    store = Store(db) if db else None
    found: list[str] = []
    for log in logs:
        if isinstance(log, str) and log.startswith(WATCHED):
            found.append(log)
        elif log == IMPORTED and store:
            found += [SOURCE + source.name for source in store.sources()]
            if not store.sources():
                raise NotFound("No conversations were imported yet. `preceptor logs import FILE` does.")
        elif Path(log).exists() or not store or isinstance(log, Path):
            found.append(str(Path(log).absolute()))
        elif any(source.name == log for source in store.sources()):
            found.append(f"{SOURCE}{log}")
        else:
            raise NotFound(f"There is no log file {log!r}, and no source of that name (`preceptor logs list`).")
    return tuple(dict.fromkeys(found))


def logged(
    logs: Sequence[str | Path], tell: Callable[[str], None], db: Database | None = None
) -> Iterator[Conversation]:
    """The conversations of logs as `named` gives them, one at a time. `tell` hears, in a sentence, of rows that could
    not be read.

    Raises:
        NotFound, SettingsError: there is no such file or source, or nothing in it can be read.
    """
    for log in map(str, logs):
        if log.startswith(SOURCE) and db:
            yield from Store(db).conversations(log.removeprefix(SOURCE))
        else:
            yield from _from_file(Path(log), tell)


def _from_file(path: Path, tell: Callable[[str], None]) -> Iterator[Conversation]:
    log, found = read(path), False
    for conversation in log:
        found = True
        yield conversation
    faults = "; ".join(f"line {row.line}: {row.reason.rstrip('.')}" for row in log.skipped[:SHOWN])
    if not found:
        raise SettingsError(f"{path}: holds no conversation{': ' + faults if faults else ''}.")
    if faults:
        tell(f"{path.name}: {log.skipped_rows} rows could not be read; {faults}.")


def drawn(db: Database, source: str) -> list[str]:
    """Teaching runs that took conversations of a source, newest first."""
    return [run.id for run in Runs(db).list() if run.kind == KIND and f"{SOURCE}{source}" in run.settings["logs"]]


@dataclass
class Shelving:
    """Puts what is known so far into the library, step by step; a step that was taken before changes nothing."""

    teaching: TeachingRun
    library: Library
    kept: int = 0
    known: set[str] = field(default_factory=set)
    """Ids of scenarios the library has from this run or its start."""

    def __post_init__(self) -> None:
        self.known = {scenario.id for scenario in self.teaching.start.scenarios}

    def keep(self, taught: Taught) -> None:
        """Store what is known so far in the library."""
        self.kept += 1
        now = {scenario.id for scenario in taught.scenarios}
        strategies = (*taught.accepted, *(strategy for strategy, _ in taught.refused), *taught.dropped)
        use = Use.of(taught.guidance)
        retired = sorted(self.known - now)
        reach = {id_: Reach(*figures) for id_, figures in taught.reach.items()}
        batch = Batch(taught.scenarios, strategies, taught.evidence, retired, use, reach, taught.voices)
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
