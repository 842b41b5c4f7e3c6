"""Watching: new conversations are held against the library, and what no scenario is near to is taught from.

Each look imports what is new, tells how far it is from every scenario, and queues the conversations that are far. When
enough of them wait, a teaching run learns from them, under a budget for the day. What it accepts waits for a person
like everything that was taught: nothing is approved or released here.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from preceptor.errors import Conflict, NotFound, SettingsError
from preceptor.library.model import Guidance
from preceptor.llm.ledger import charged
from preceptor.logs.drift import Drift, drift
from preceptor.logs.importing import Outcome, Redactor, bring, files
from preceptor.logs.looks import Look, Looks
from preceptor.logs.readers import read
from preceptor.logs.store import Store
from preceptor.retrieval.selector import Retriever
from preceptor.settings.project import Project
from preceptor.settings.schema import BudgetSection
from preceptor.settings.series import Series
from preceptor.settings.teaching import WATCHED, TeachingRun
from preceptor.settings.team import Team
from preceptor.storage.database import Database
from preceptor.storage.runs import Run, Runs
from preceptor.teaching.events import Event
from preceptor.teaching.moments import occasions
from preceptor.teaching.teach import Taught

KIND = "watch"
FAR = 0.5
"""A conversation is far if no scenario is near to more than this share of its moments."""
AT_A_TIME = 500
"""Conversations looked at before it is written down."""


@dataclass(frozen=True)
class Seen:
    """What a look came to."""

    imported: tuple[Outcome, ...]
    notes: tuple[str, ...]
    """What could not be looked at, in sentences."""
    conversations: int
    """Looked at for the first time."""
    contexts: int
    """Moments in them at which a customer waited."""
    far: int
    """… of which no scenario was near to."""
    waiting: int
    """Conversations that wait to be taught from, these and earlier ones."""
    drift: Drift | None
    """None: too few so far to tell."""
    against: str
    """What they were held against, in words; empty: there is no scenario yet."""


@dataclass
class Watch:
    """Of one project. One process at a time."""

    project: Project
    db: Database
    _fitted: tuple[str, Retriever] | None = None

    @property
    def looks(self) -> Looks:
        return Looks(self.db, self.project.settings.project.library)

    def held(self) -> AbstractContextManager[None]:
        """Raises: Conflict: another process watches"""
        return self.db.lock(f"watch {self.project.settings.project.library}")

    def look(self, folder: Path | None = None) -> Seen:
        """Import what is new, and hold what was not looked at yet against the library.

        Raises:
            NotFound, SettingsError, UserError: the settings or the database cannot be used.
        """
        imported, notes = self._import(folder)
        guidance, against = self._guidance()
        if not guidance.scenarios:
            return Seen(tuple(imported), tuple(notes), 0, 0, 0, self.looks.waiting(), None, "")
        section, found = self.project.settings.watch, self._looked(guidance)
        told = drift(self.looks.against(guidance.hash, section.window), section.window, section.rise)
        contexts, far = sum(look.contexts for look in found), sum(look.far for look in found)
        return Seen(tuple(imported), tuple(notes), len(found), contexts, far, self.looks.waiting(), told, against)

    def _import(self, folder: Path | None) -> tuple[list[Outcome], list[str]]:
        """What came in, and what could not be looked at: one bad file must not keep the others out."""
        store, rejects = Store(self.db), self.project.folder / "rejected"
        found, notes = self._files(folder)
        done = []
        for name, file in found:
            mark = store.mark(name)
            try:
                if mark is not None and mark.unchanged(file):
                    continue
                log = read(file, growing=mark.grown(file) if mark else None)
                place = rejects / f"{name}.jsonl"
                # A folder that was moved is still the folder that is watched.
                done.append(bring(log, store, name, redactor=Redactor(), rejects=place, elsewhere=True))
            except (NotFound, SettingsError, Conflict) as fault:
                notes.append(str(fault))
            except OSError as fault:
                notes.append(f"{file}: cannot be read: {fault.strerror or fault}.")
        return done, notes

    def _files(self, folder: Path | None) -> tuple[list[tuple[str, Path]], list[str]]:
        watched = (self.project.settings.serving.record, folder or self.project.settings.watch.folder)
        places = [self.project.folder / place for place in watched if place]
        notes = [f"There is no {str(place)!r}." for place in places if not place.exists()]
        found = {file: name for place in places if place.exists() for name, file in files(place)}
        if not places:
            notes.append(
                "Nothing is watched but what is imported by hand: set watch.folder or serving.record, or give --folder."
            )
        return [(name, file) for file, name in found.items()], notes

    def _guidance(self) -> tuple[Guidance, str]:
        library = self.project.library(self.db)
        if (live := library.live()) is not None:
            return live.guidance, f"release {live.hash[:12]}"
        guidance = library.guidance("accepted")
        return guidance, "what the gate accepted; nothing is released yet" if guidance.scenarios else ""

    def _looked(self, guidance: Guidance) -> list[Look]:
        if self._fitted is None or self._fitted[0] != guidance.hash:
            self._fitted = guidance.hash, Retriever(guidance, self.project.embedder(self.db))
        retriever, found, batch = self._fitted[1], list[Look](), list[Look]()
        for key, conversation in self.looks.unseen():
            abstained = [retriever.find(context).abstained for context, _ in occasions(conversation)]
            batch.append(Look(key, len(abstained), sum(abstained)))
            if len(batch) == AT_A_TIME:
                found += self._note(batch, guidance)
                batch = []
        return found + self._note(batch, guidance)

    def _note(self, looks: Sequence[Look], guidance: Guidance) -> list[Look]:
        """Conversations most of whose moments are far wait to be taught from."""
        self.looks.note(looks, guidance.hash, [look.key for look in looks if look.share > FAR])
        return list(looks)

    def lesson(self, now: datetime | None = None) -> "Lesson | None":
        """What is to be taught now: what was begun and is not done, or what waits; None: not enough does.

        Raises:
            NotFound, SettingsError, UserError, Conflict: the domain or the database cannot be used.
        """
        section, days = self.project.settings.watch, self._days()
        if (unfinished := self._unfinished(days)) is not None:
            run = TeachingRun.resume(self._frugal, self.db, unfinished.id)
        else:
            # Called the same again after a kill, so that what was taken is not lost.
            batch = str(1 + sum(len(series.parts) for series in days))
            if self.looks.waiting() < section.enough and not self.looks.taken(batch):
                return None
            self.looks.take(batch, section.most)
            run = TeachingRun.begin(self._frugal, self.db, [WATCHED + batch])
        today = self._today((now or datetime.now(UTC)).date().isoformat(), days)
        if run.run.id not in today.parts.values():
            today.began(f"teach {len(today.parts) + 1}", run.run, charged(self.db, run.run.id))
        return Lesson(self._frugal, today, run)

    @property
    def _frugal(self) -> Project:
        """The project, with the budget of a day and as much of teaching as that is for."""
        settings, section = self.project.settings, self.project.settings.watch
        changed = {
            "budget": BudgetSection(calls=section.calls, tokens=section.tokens, money=section.money),
            "teaching": settings.teaching.model_copy(update={"iterations": 1, "customers": section.customers}),
        }
        return replace(self.project, settings=settings.model_copy(update=changed))

    def _days(self) -> list[Series]:
        """Newest first."""
        runs = (run for run in Runs(self.db).list() if run.kind == KIND)
        mine = (run for run in runs if run.settings["library"] == self.project.settings.project.library)
        return [Series(self.db, run, self.project.folder) for run in mine]

    def _today(self, day: str, days: Sequence[Series]) -> Series:
        """The run that the day's lessons are parts of."""
        for series in days:
            if series.run.settings["day"] == day:
                return series
        kept = {"day": day, "library": self.project.settings.project.library, "settings": self.project.resolved()}
        return Series(self.db, Runs(self.db).create(KIND, kept, 0), self.project.folder)

    def _unfinished(self, days: Sequence[Series]) -> Run | None:
        runs = Runs(self.db)
        begun = (runs.get(id_) for series in days for id_ in series.parts.values())
        return next((run for run in begun if run.status not in ("done", "cancelled")), None)


@dataclass(frozen=True)
class Lesson:
    """A teaching run about to be done, or gone on with, under the budget of a day."""

    project: Project
    today: Series
    run: TeachingRun

    async def teach(self, team: Team, tell: Callable[[Event], None]) -> Taught:
        """As `TeachingRun.teach`."""
        return await self.run.teach(team, tell)
