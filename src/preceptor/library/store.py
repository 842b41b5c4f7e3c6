"""The library: every version of every scenario and strategy, what people decided, and what was released.

Teaching puts, people decide and edit, releases freeze. Methods are short transactions, safe beside other processes.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import orjson
import sqlalchemy as sa

from preceptor.dialogue.conversation import Context
from preceptor.errors import Conflict, NotFound
from preceptor.library import decisions, provenance, releases, tables
from preceptor.library.index import settle
from preceptor.library.lint import lint
from preceptor.library.model import Decision, Evidence, Guidance, Level, Measured, Release, Scenario, Strategy, Voice
from preceptor.library.provenance import Removal, Source
from preceptor.library.rows import Reach, Shelf, Use, Version, scenario_of, strategy_of, version_of
from preceptor.library.snapshot import Changes, Snapshot, merge, take, usable
from preceptor.library.trail import Entry
from preceptor.storage.database import Database
from preceptor.storage.text import begins

Which = Literal["accepted", "approved"]


@dataclass(frozen=True)
class Batch:
    """What one step of a run adds, stored as a whole or not at all."""

    scenarios: Sequence[Scenario] = ()
    strategies: Sequence[Strategy] = ()
    evidence: Mapping[str, Sequence[Evidence]] = field(default_factory=dict)
    """By strategy id. An empty `run` is filled in."""
    retired: Sequence[str] = ()
    """Ids of scenarios that are no more."""
    use: Use | None = None
    """None leaves it as it is."""
    reach: Mapping[str, Reach] = field(default_factory=dict)
    """By scenario id: how often retrieval gave it; the empty id stands for the general strategies."""
    voices: Mapping[str, Voice] = field(default_factory=dict)
    """By context key: whose words it holds."""


class Library:
    """A named library in a database."""

    def __init__(self, db: Database, name: str = "default") -> None:
        self.db = db
        self.name = name

    # What runs put in

    def store(self, batch: Batch, run: str, step: str) -> bool:
        """Store a step of a run, once: False, and nothing is changed, if this step of this run is stored already.

        So a resumed run may go through its steps again without undoing what came after them.
        """
        with self.db.begin() as connection:
            return self._store(connection, batch, run, step)

    async def save(self, batch: Batch, run: str, step: str) -> bool:
        """`store`, sharing its commit with whoever else is writing."""
        return await self.db.write(lambda connection: self._store(connection, batch, run, step))

    def _store(self, connection: sa.Connection, batch: Batch, run: str, step: str) -> bool:
        with writing(connection, self.name) as shelf:
            if shelf.done(run, step):
                return False
            if batch.use is not None:
                shelf.set_use(batch.use)
            shelf.put_scenarios(batch.scenarios, run)
            shelf.retire(batch.retired, run)
            provenance.note(shelf, batch.voices, run)
            shelf.put_strategies(provenance.marked(shelf, batch.strategies, batch.evidence), run)
            shelf.put_evidence(batch.evidence, run)
            shelf.put_reach(batch.reach, run)
            _tell(shelf, run, step)
            return True

    def put_scenario(self, scenario: Scenario, run: str) -> None:
        """Keep a scenario; if it has changed, as its next version."""
        with self._writing() as shelf:
            shelf.put_scenarios([scenario], run)
            _tell(shelf, run)

    def put_strategy(self, strategy: Strategy, run: str) -> None:
        """Keep a strategy; if it has changed, as its next version.

        Its `decision` and `version` are ignored: those are made here. A decision stays while text, scenario and
        `measured` stay and no flag is added. A person's wording is never replaced.
        """
        with self._writing() as shelf:
            shelf.put_strategies([strategy], run)
            _tell(shelf, run)

    def set_use(self, use: Use) -> None:
        with self._writing() as shelf:
            shelf.set_use(use)
            _tell(shelf, "")

    # What is in it

    def use(self) -> Use:
        with self._reading() as shelf:
            return shelf.use()

    def scenarios(self) -> tuple[Scenario, ...]:
        """Those not retired, by id."""
        with self._reading() as shelf:
            return _scenarios(shelf)

    def strategies(
        self,
        measured: Measured | None = None,
        decision: Decision | None = None,
        scenario: str | None = None,
        level: Level | None = None,
    ) -> tuple[Strategy, ...]:
        """Current versions, by id; None does not filter."""
        with self._reading() as shelf:
            everything = [strategy_of(row) for row in shelf.strategy_rows().values()]
        wanted = {"measured": measured, "decision": decision, "scenario": scenario, "level": level}
        return tuple(s for s in everything if all(v in (None, getattr(s, name)) for name, v in wanted.items()))

    def strategy(self, prefix: str) -> Strategy:
        """The strategy with this id, or the only one whose id begins so.

        Raises:
            NotFound: naming the nearest.
            Conflict: several begin so.
        """
        with self._reading() as shelf:
            return strategy_of(find(shelf, prefix))

    def history(self, prefix: str) -> tuple[Version, ...]:
        """All versions of a strategy, oldest first."""
        with self._reading() as shelf:
            id_ = find(shelf, prefix).id
            return tuple(version_of(row) for row in shelf.versions(tables.strategies, id_))

    def evidence(self, prefix: str) -> tuple[Evidence, ...]:
        """The evidence for a strategy, in the order it came."""
        with self._reading() as shelf:
            id_ = find(shelf, prefix).id
            return tuple(shelf.evidence([id_]).get(id_, {}).values())

    def context(self, key: str) -> Context:
        """A context that is kept, by its key. Raises: NotFound"""
        with self._reading() as shelf:
            found = shelf.contexts([key])
        if key not in found:
            raise NotFound(f"No conversation is kept under {key!r}.")
        return found[key]

    def guidance(self, which: Which) -> Guidance:
        """What a student would be given: strategies measured to help, or those a person has approved.

        An edited strategy is not among the accepted until it has been measured again, nor is a rejected one.
        """
        with self._reading() as shelf:
            return guidance(shelf, which)

    def trail(self) -> tuple[Entry, ...]:
        """Every decision, edit, import, release and move of the live pointer, in order."""
        with self._reading() as shelf:
            return shelf.trail()

    def snapshot(self) -> Snapshot:
        """Everything but releases and trail, for `exchange`."""
        with self._reading() as shelf:
            return take(shelf)

    def merge(self, snapshot: Snapshot, author: str, note: str = "") -> Changes:
        """Bring a snapshot in, as a whole or not at all; a second time changes nothing. `note` says where it is from.

        New strategies keep their history and decisions; those known here keep the decisions made here; what differs
        becomes the next version, undecided.
        """
        with self._writing() as shelf:
            return merge(shelf, snapshot, author, note)

    # What people decide

    def decide(
        self, prefix: str, decision: Decision, author: str, note: str = "", version: int | None = None
    ) -> Strategy:
        """Approve, reject, or put back to pending.

        Raises:
            NotFound, Conflict: no such strategy; or it is no longer at `version`.
        """
        with self._writing() as shelf:
            row = find(shelf, prefix)
            if version is not None and row.version != version:
                raise Conflict(f"{row.id!r} was changed by {row.author!r} (now version {row.version}). Look again.")
            decisions.decide(shelf, row, decision, author, note)
            return replace(strategy_of(row), decision=decision)

    def approve_accepted(self, author: str, rule: str) -> tuple[Strategy, ...]:
        """Approve, by a rule the owner has set, what was accepted, is undecided and gives lint nothing to say.

        Doubles and contradictions wait for a person too. `rule` says which rule, for the trail. Call this only where
        settings say so.
        """
        with self._writing() as shelf:
            rows = _clean(shelf)
            for row in rows:
                decisions.decide(shelf, row, "approved", author, f"by rule: {rule}")
            return tuple(replace(strategy_of(row), decision="approved") for row in rows)

    def edit(self, prefix: str, text: str, author: str, note: str = "") -> Strategy:
        """A new wording: the next version, undecided, its measurement stale. What is live stays as it is.

        Raises:
            NotFound: no such strategy.
            UserError: the text is empty.
        """
        with self._writing() as shelf:
            row = find(shelf, prefix)
            decisions.edit(shelf, row, text, author, note, None)
            return strategy_of(find(shelf, row.id))

    # What is released

    def release(self, author: str, note: str = "") -> Release:
        """Freeze what is approved and make it live.

        Raises:
            UserError: nothing is approved.
        """
        with self._writing() as shelf:
            name = releases.freeze(shelf, guidance(shelf, "approved"), author, note)
            return releases.find(shelf, name, False)

    def rollback(self, author: str, to: str | None = None, note: str = "") -> Release:
        """Make an earlier release live: `to`, by the beginning of its hash, or the one before.

        Raises:
            NotFound, Conflict: there is none.
        """
        with self._writing() as shelf:
            return releases.find(shelf, releases.roll_back(shelf, to, author, note), False)

    def forget(self, what: Source, author: str, note: str = "") -> Removal:
        """Take what rests on a source alone out of use: examples, scenarios, strategies; and out of what is live.

        Raises:
            UserError: nothing is named.
            NotFound: nothing rests on it alone.
        """
        with self._writing() as shelf:
            return provenance.forget(shelf, what, author, note)

    def releases(self) -> tuple[Release, ...]:
        """Newest first, without evidence."""
        with self._reading() as shelf:
            return releases.every(shelf)

    def get_release(self, prefix: str, evidence: bool = False) -> Release:
        """A release by the beginning of its hash.

        Raises:
            NotFound, Conflict: none or several; or its content was tampered with.
        """
        with self._reading() as shelf:
            return releases.find(shelf, prefix, evidence)

    def live_hash(self) -> str | None:
        """The hash of the release in force, without reading it."""
        with self._reading() as shelf:
            return shelf.live()

    def live(self, evidence: bool = False) -> Release | None:
        """The release in force."""
        with self._reading() as shelf:
            name = shelf.live()
            return None if name is None else releases.find(shelf, name, evidence)

    @contextmanager
    def _writing(self) -> Iterator[Shelf]:
        with self.db.begin() as connection, writing(connection, self.name) as shelf:
            yield shelf

    @contextmanager
    def _reading(self) -> Iterator[Shelf]:
        with self.db.reading() as connection:
            yield Shelf(connection, self.name)


@contextmanager
def writing(connection: sa.Connection, library: str) -> Iterator[Shelf]:
    """A library to write to, inside a transaction. What lists need follows, and the trail is closed, at the end."""
    shelf = Shelf(connection, library)
    shelf.claim()
    yield shelf
    settle(shelf)
    shelf.flush()


def _tell(shelf: Shelf, run: str, step: str = "") -> None:
    """One line of the trail for what a run has put in."""
    if shelf.untold:
        counts = ", ".join(f"{number} {name}" for name, number in shelf.told().items() if name != "steps")
        shelf.log(run, "store", f"step {step}" if step else "library", None, None, counts)


def _scenarios(shelf: Shelf) -> tuple[Scenario, ...]:
    rows = [row for row in shelf.scenario_rows().values() if not row.retired]
    contexts = shelf.contexts(key for row in rows for key in orjson.loads(row.examples))
    return tuple(scenario_of(row, contexts) for row in rows)


def guidance(shelf: Shelf, which: Which) -> Guidance:
    """What a student would be given, through a shelf."""
    use, scenarios = shelf.use(), _scenarios(shelf)
    homes: set[str | None] = {None, *(scenario.id for scenario in scenarios)}
    held = {"decision": "approved"} if which == "approved" else {"measured": "accepted"}
    near = (strategy_of(row) for row in shelf.strategy_rows(**held).values())
    chosen = tuple(s for s in near if s.scenario in homes and (which == "approved" or usable(s)))
    return Guidance(use.domain, scenarios, chosen, use.placement, use.false_injections, use.foreign)


def approved_among(shelf: Shelf, approved: Guidance, ids: Sequence[str]) -> Guidance:
    """Approved guidance with these strategies alone.

    Raises:
        NotFound, Conflict: no such strategy; or it is not approved.
    """
    chosen = {find(shelf, prefix).id for prefix in ids}
    if missing := sorted(chosen - {one.id for one in approved.strategies}):
        raise Conflict(f"Not approved, or its scenario is retired: {', '.join(map(repr, missing[:3]))}.")
    return replace(approved, strategies=tuple(one for one in approved.strategies if one.id in chosen))


def find(shelf: Shelf, prefix: str) -> Any:
    """The newest row of the strategy with this id, or the only one whose id begins so.

    Raises:
        NotFound: naming the nearest.
        Conflict: several begin so.
    """
    table = tables.strategies
    mine = sa.select(table).where(table.c.library == shelf.library, table.c.latest)
    found = shelf.connection.execute(mine.where(table.c.id == prefix)).all()
    if not found:
        found = shelf.connection.execute(mine.where(begins(table.c.id, prefix))).all()
    if len(found) > 1:
        raise Conflict(f"{prefix!r} could be {found[0].id!r} or {found[1].id!r}. Give more of the id.")
    if not found:
        raise NotFound(_missing(shelf, prefix))
    return found[0]


def _missing(shelf: Shelf, prefix: str) -> str:
    ids = list(shelf.strategy_rows())
    if not ids:
        return f"There is no strategy {prefix!r}: library {shelf.library!r} is empty. `preceptor teach` fills it."
    near = difflib.get_close_matches(prefix, ids, 1, 0)[0]
    return f"There is no strategy {prefix!r}. The nearest is {near!r}; `preceptor library list` shows them."


def _clean(shelf: Shelf) -> list[Any]:
    """Accepted, undecided, without a flag of their own, and at odds with nothing that stands."""
    rows = list(shelf.strategy_rows().values())
    flags = lint(strategy_of(row) for row in rows if row.measured == "accepted" and row.decision != "rejected")
    undecided = (row for row in rows if row.measured == "accepted" and row.decision == "pending")
    return [row for row in undecided if not orjson.loads(row.flags) and not flags[row.id]]
