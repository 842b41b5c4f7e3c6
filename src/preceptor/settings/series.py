"""Several runs, one after the other, under one budget, that are begun, stopped and resumed as one.

The whole is a run itself, whose events name its parts. A part that is done is not done again; one that was stopped goes
on from its ledger.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from preceptor.errors import PreceptorError, Stopped
from preceptor.llm.ledger import charged
from preceptor.llm.prices import NOTHING, Amount
from preceptor.storage.database import Database
from preceptor.storage.runs import Run, Runs

PART = "Part"
"""The kind of event that names a part."""


@dataclass(frozen=True)
class Series:
    """A run made of runs."""

    db: Database
    run: Run
    folder: Path
    """Of the project it was begun in; its parts may be of others."""

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the whole while its parts are done, and record how it ended if it failed.

        Raises:
            Conflict: another process is at it.
        """
        runs = Runs(self.db)
        with runs.lock(self.run.id):
            runs.finish(self.run.id, "running")
            try:
                yield
            except PreceptorError as fault:
                runs.finish(self.run.id, "stopped" if isinstance(fault, Stopped) else "failed", {"reason": str(fault)})
                raise

    @property
    def parts(self) -> dict[str, str]:
        """Ids of the runs begun so far, by what they are in it."""
        events = Runs(self.db).events(self.run.id)
        return {event.body["name"]: event.body["run"] for event in events if event.kind == PART}

    def part(self, name: str) -> Run | None:
        """The run of a part, if it was begun."""
        id_ = self.parts.get(name)
        return Runs(self.db).get(id_) if id_ else None

    def began(self, name: str, run: Run, before: Amount = NOTHING) -> None:
        """Note down that a part was begun. `before`: what it had used already, as part of an earlier series."""
        Runs(self.db).event(self.run.id, PART, {"name": name, "run": run.id, "before": asdict(before)})

    def used(self, but: str = "") -> Amount:
        """What all parts have used together, `but` one, whose own ledger says it: of that only what it had used before
        is taken off."""
        others = sum((charged(self.db, id_) for id_ in self.parts.values() if id_ != but), NOTHING)
        return others - sum(self._before, NOTHING)

    @property
    def _before(self) -> list[Amount]:
        events = Runs(self.db).events(self.run.id)
        return [Amount(**event.body.get("before", {})) for event in events if event.kind == PART]
