"""Reading and writing the library's rows inside a transaction somebody else has begun.

A `Shelf` is one library seen through one connection. What it promises: a version once written stays; putting what is
there already changes nothing; a run never replaces what a person wrote.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

import orjson
import pydantic
import sqlalchemy as sa

from preceptor.dialogue.conversation import Context, Turn
from preceptor.errors import Defect, UserError
from preceptor.library import tables, trail
from preceptor.library.lint import lint_text
from preceptor.library.model import Evidence, Guidance, Placement, Scenario, Strategy
from preceptor.library.trail import Entry
from preceptor.storage.canonical import canonical, content_hash

ItemT = TypeVar("ItemT")

STALE = "stale"
"""The flag of a strategy whose text was edited after it was measured."""

_TURNS = pydantic.TypeAdapter(tuple[Turn, ...])
_EVIDENCE = pydantic.TypeAdapter(Evidence)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
AT_ONCE = 500
"""Values in one IN list: below the smallest limit of bound variables any supported database has (999)."""


@dataclass(frozen=True)
class Version:
    """One version of a strategy, and who made it."""

    strategy: Strategy
    author: str
    """A person, or the run."""
    at: str
    """ISO 8601, UTC."""
    edited: bool = False
    """The text is a person's."""


@dataclass(frozen=True)
class ScenarioVersion:
    """One version of a scenario, and who made it."""

    scenario: Scenario
    version: int
    author: str
    at: str
    retired: bool = False
    """Merged into another, or withdrawn: in no guidance."""


@dataclass(frozen=True)
class Use:
    """How a library's strategies are used."""

    domain: str = ""
    placement: Placement = "system_end"
    false_injections: float = 0.05
    foreign: float = 1.0

    @classmethod
    def of(cls, guidance: Guidance) -> "Use":
        return cls(guidance.domain, guidance.placement, guidance.false_injections, guidance.foreign)

    def columns(self) -> dict[str, Any]:
        return {
            "domain": self.domain,
            "placement": self.placement,
            "false_injections": self.false_injections,
            "foreign_share": self.foreign,
        }


@dataclass(frozen=True)
class Reach:
    """In how many turns retrieval gave a scenario's strategies."""

    hits: int
    turns: int
    """Turns that were looked at."""
    run: str | None = None
    """The run that measured it; None: estimated, as the scenario's share of all example contexts."""

    @property
    def share(self) -> float:
        return self.hits / self.turns if self.turns else 0.0


class Shelf:
    """A library through one connection."""

    def __init__(self, connection: sa.Connection, library: str) -> None:
        self.connection = connection
        self.library = library
        self.now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.changed: set[str] = set()
        """Strategies of which lists must hear."""
        self.rehomed = False
        """Scenarios have changed, of which lists must hear."""
        self.reached: dict[str, Reach] = {}
        """By scenario, what a run has measured and lists must hear."""
        self._hashes: dict[str, list[str]] = {}
        self._facts: dict[str, Any] = {}
        self._lines: list[dict[str, Any]] = []
        self._last: tuple[int, str] | None = None

    def claim(self) -> None:
        """Make sure the library is there, and that nobody else writes to it before this transaction ends."""
        mine = tables.libraries.c.name == self.library
        row = self.connection.execute(sa.select(tables.libraries.c.name).where(mine).with_for_update()).first()
        if row is None:
            self.connection.execute(tables.libraries.insert(), Use().columns() | {"name": self.library})

    def exists(self) -> bool:
        return self._library_row() is not None

    def use(self) -> Use:
        row = self._library_row()
        return Use() if row is None else Use(row.domain, row.placement, row.false_injections, row.foreign_share)

    def set_use(self, use: Use) -> None:
        if use != self.use():
            self._update(use.columns())
            self._facts["use"] = use.columns()

    def live(self) -> str | None:
        row = self._library_row()
        return None if row is None else row.live

    def set_live(self, release: str | None) -> None:
        self._update({"live": release})

    def indexed(self) -> int:
        row = self._library_row()
        return 0 if row is None else int(row.indexed)

    def set_indexed(self, form: int) -> None:
        self._update({"indexed": form})

    def _library_row(self) -> Any:
        wanted = sa.select(tables.libraries).where(tables.libraries.c.name == self.library)
        return self.connection.execute(wanted).first()

    def _update(self, values: Mapping[str, Any]) -> None:
        table = tables.libraries
        self.connection.execute(table.update().where(table.c.name == self.library).values(values))

    def scenario_rows(self, ids: Iterable[str] | None = None) -> dict[str, Any]:
        return {row.id: row for row in self._latest(tables.scenarios, ids)}

    def strategy_rows(self, ids: Iterable[str] | None = None, **held: str) -> dict[str, Any]:
        """By id, in its order: all of them, or these, or those whose columns hold what is given."""
        return {row.id: row for row in self._latest(tables.strategies, ids, **held)}

    def _latest(self, table: sa.Table, ids: Iterable[str] | None, **held: str) -> Iterator[Any]:
        wanted = sa.select(table).filter_by(library=self.library, latest=True, **held).order_by(table.c.id)
        if ids is None:
            yield from self.connection.execute(wanted)
            return
        for some in batches(sorted(set(ids))):
            yield from self.connection.execute(wanted.where(table.c.id.in_(some)))

    def versions(self, table: sa.Table, id_: str | None = None) -> Sequence[Any]:
        """All rows of a table of versions, oldest first; of one id, or of all."""
        wanted = sa.select(table).where(table.c.library == self.library).order_by(table.c.id, table.c.version)
        return self.connection.execute(wanted if id_ is None else wanted.where(table.c.id == id_)).all()

    def contexts(self, keys: Iterable[str]) -> dict[str, Context]:
        table = tables.contexts
        found: dict[str, Context] = {}
        for some in batches(sorted(set(keys))):
            rows = self.connection.execute(sa.select(table).where(table.c.key.in_(some)))
            found |= {row.key: Context(_TURNS.validate_json(row.turns)) for row in rows}
        return found

    def put_contexts(self, contexts: Iterable[Context]) -> None:
        table = tables.contexts
        by_key = {context.key: context for context in contexts}
        for some in batches(sorted(by_key)):
            there = set(self.connection.scalars(sa.select(table.c.key).where(table.c.key.in_(some))))
            fresh = [key for key in some if key not in there]
            self._insert(table, [{"key": key, "turns": canonical(by_key[key].turns).decode()} for key in fresh])

    def put_scenarios(self, scenarios: Sequence[Scenario], author: str) -> None:
        """Keep scenarios; one that has changed becomes its next version."""
        rows = self.scenario_rows(scenario.id for scenario in scenarios)
        self.put_contexts(context for scenario in scenarios for context in scenario.examples)
        fresh = []
        for scenario in _last_of_each(scenarios):
            row, values = rows.get(scenario.id), scenario_values(scenario)
            if row is None or row.retired or any(getattr(row, name) != value for name, value in values.items()):
                version = 1 if row is None else row.version + 1
                fresh.append(values | self._stamp(scenario.id, version, author) | {"retired": False})
        self.supersede(tables.scenarios, fresh)

    def retire(self, ids: Sequence[str], author: str) -> None:
        """Take scenarios, with their strategies, out of every guidance to come."""
        rows = [row for row in self.scenario_rows(ids).values() if not row.retired]
        fresh = [dict(r._mapping) | self._stamp(r.id, r.version + 1, author) | {"retired": True} for r in rows]
        self.supersede(tables.scenarios, fresh)

    def put_strategies(self, strategies: Sequence[Strategy], author: str) -> None:
        """Keep strategies as a run has them, linted; their decisions are not the run's to make, and are ignored."""
        rows = self.strategy_rows(strategy.id for strategy in strategies)
        fresh = []
        for strategy in _last_of_each(strategies):
            row, values = rows.get(strategy.id), strategy_values(linted(strategy))
            if row is None:
                values |= {"decision": "pending", "edited": False}
            elif _stays(row, values):
                continue
            else:
                values |= {"decision": _decision_after(row, values), "edited": row.edited}
            fresh.append(values | self._stamp(strategy.id, 1 if row is None else row.version + 1, author))
        self.supersede(tables.strategies, fresh)

    def add_version(self, row: Any, author: str, changes: Mapping[str, Any]) -> None:
        """The next version of a strategy, as its current one but for `changes`."""
        fresh = dict(row._mapping) | dict(changes) | self._stamp(row.id, row.version + 1, author)
        self.supersede(tables.strategies, [fresh])

    def set_standing(self, row: Any, **values: Any) -> None:
        """Change a strategy's `decision` or `deferred`; the next line of the trail must say so."""
        table = tables.strategies
        mine = sa.and_(table.c.library == self.library, table.c.id == row.id, table.c.version == row.version)
        self.connection.execute(table.update().where(mine).values(values | {"touched": self.entry}))
        self.changed.add(row.id)

    def _stamp(self, id_: str, version: int, author: str) -> dict[str, Any]:
        return {"library": self.library, "id": id_, "version": version, "author": author, "at": self.now}

    def supersede(self, table: sa.Table, fresh: Sequence[Mapping[str, Any]]) -> None:
        """Add versions; the highest of each id is its latest from now on."""
        for row in fresh:
            check_storable(row)
        newest = {row["id"]: row["version"] for row in sorted(fresh, key=lambda row: row["version"])}
        for some in batches(id_ for id_, version in newest.items() if version > 1):
            mine = sa.and_(table.c.library == self.library, table.c.latest, table.c.id.in_(some))
            self.connection.execute(table.update().where(mine).values(latest=False))
        standing = {"touched": self.entry, "deferred": None} if table is tables.strategies else {}
        self._insert(table, [{**row, "latest": row["version"] == newest[row["id"]], **standing} for row in fresh])
        if table is tables.strategies:
            self.changed.update(newest)
        else:
            self.rehomed = self.rehomed or bool(newest)

    def put_evidence(self, evidence: Mapping[str, Sequence[Evidence]], run: str = "") -> int:
        """Append evidence by strategy; what is there already, from whatever run, is not repeated. How many were new."""
        everything = [item for items in evidence.values() for item in items]
        self.put_contexts(item.context for item in everything if item.context is not None)
        known = self._evidence_keys(evidence)
        fresh: list[dict[str, Any]] = []
        for strategy, items in evidence.items():
            keys = known.setdefault(strategy, set())
            for item in items:
                key = evidence_key(item)
                if key not in keys:
                    keys.add(key)
                    row = {"library": self.library, "strategy": strategy, "key": key, "n": len(keys)}
                    fresh.append(row | _evidence_values(item, run))
        self._insert(tables.evidence, fresh)
        self.changed.update(row["strategy"] for row in fresh)
        return len(fresh)

    def _evidence_keys(self, ids: Iterable[str]) -> dict[str, set[str]]:
        table = tables.evidence
        known: dict[str, set[str]] = {}
        for some in batches(sorted(ids)):
            mine = sa.and_(table.c.library == self.library, table.c.strategy.in_(some))
            for row in self.connection.execute(sa.select(table.c.strategy, table.c.key).where(mine)):
                known.setdefault(row.strategy, set()).add(row.key)
        return known

    def evidence(self, ids: Iterable[str]) -> dict[str, dict[str, Evidence]]:
        """Evidence by strategy and key, in the order it came."""
        table = tables.evidence
        rows: list[Any] = []
        for some in batches(sorted(set(ids))):
            mine = sa.and_(table.c.library == self.library, table.c.strategy.in_(some))
            rows += self.connection.execute(sa.select(table).where(mine).order_by(table.c.strategy, table.c.n))
        contexts = self.contexts(row.context for row in rows if row.context is not None)
        found: dict[str, dict[str, Evidence]] = {}
        for row in rows:
            item = _EVIDENCE.validate_python(orjson.loads(row.body) | {"run": row.run})
            context = None if row.context is None else contexts[row.context]
            found.setdefault(row.strategy, {})[row.key] = replace(item, context=context)
        return found

    def put_reach(self, reach: Mapping[str, Reach], run: str) -> None:
        """Note how often scenarios were found, by id; the empty id stands for the general strategies."""
        if reach:
            self.reached |= {id_: replace(one, run=one.run or run) for id_, one in reach.items()}
            self._facts["reach"] = {id_: [one.hits, one.turns, one.run] for id_, one in self.reached.items()}

    def done(self, run: str, step: str) -> bool:
        """Note that a step of a run is stored; True if it was already."""
        table = tables.steps
        mine = {"library": self.library, "run": run, "step": step}
        if self.connection.execute(sa.select(table.c.step).filter_by(**mine)).first():
            return True
        self._insert(table, [mine])
        return False

    # The trail

    @property
    def entry(self) -> int:
        """The number of the trail's next line."""
        return self._head()[0] + 1

    @property
    def untold(self) -> bool:
        """Rows were written of which no line tells yet."""
        return bool(self._hashes or self._facts)

    def told(self) -> dict[str, int]:
        """How many rows the next line will tell of, by table."""
        return {name: len(hashes) for name, hashes in self._hashes.items()}

    def log(
        self,
        who: str,
        what: str,
        subject: str,
        before: str | None,
        after: str | None,
        note: str = "",
        seen: Mapping[str, Any] | None = None,
    ) -> None:
        """Append a line to the trail, which tells of all that was written since the last one."""
        n, last = self._head()
        digests = {name: [len(hashes), trail.digest(hashes)] for name, hashes in self._hashes.items()}
        line: dict[str, Any] = {"library": self.library, "n": n + 1, "at": self.now, "who": who, "what": what}
        line |= {"subject": subject, "before": before, "after": after, "note": note}
        line |= {"seen": None if seen is None else canonical(seen).decode()}
        line |= {"facts": canonical(self._facts | digests).decode()}
        check_storable(line)
        line["hash"] = trail.link(last, line)
        self._lines.append(line)
        self._last = (n + 1, line["hash"])
        self._hashes, self._facts = {}, {}

    def flush(self) -> None:
        """Write the lines, and which is the last.

        Raises:
            Defect: something was written of which no line tells.
        """
        if self.untold:
            raise Defect(f"Rows of {', '.join((*self._hashes, *self._facts))} were written, and no line tells of them.")
        if not self._lines:
            return
        self.connection.execute(tables.trail.insert(), self._lines)
        self._lines = []
        n, last = self._head()
        mine = tables.heads.c.library == self.library
        if self.connection.execute(tables.heads.update().where(mine).values(n=n, hash=last)).rowcount == 0:
            self.connection.execute(tables.heads.insert(), {"library": self.library, "n": n, "hash": last})

    def trail(self) -> tuple[Entry, ...]:
        return trail.read(self.connection, self.library)

    def _head(self) -> tuple[int, str]:
        if self._last is None:
            heads = tables.heads
            row = self.connection.execute(sa.select(heads).where(heads.c.library == self.library)).first()
            self._last = (0, "") if row is None else (row.n, row.hash)
        return self._last

    def _insert(self, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows; those that are sealed know the line that will tell of them."""
        if not rows:
            return
        if table.name in trail.SEALED:
            rows = [{**row, "entry": self.entry} for row in rows]
            self._hashes.setdefault(table.name, []).extend(trail.row_hash(table, row) for row in rows)
        self.connection.execute(table.insert(), rows)

    def insert_release(self, values: Mapping[str, Any]) -> None:
        self._insert(tables.releases, [values])


def scenario_of(row: Any, contexts: Mapping[str, Context]) -> Scenario:
    examples = tuple(contexts[key] for key in orjson.loads(row.examples))
    return Scenario(row.id, row.description, examples, tuple(orjson.loads(row.tags)))


def strategy_of(row: Any) -> Strategy:
    flags = tuple(orjson.loads(row.flags))
    return Strategy(
        row.id, row.text, row.reason, row.scenario, row.value, row.measured, row.decision, row.version, flags
    )


def version_of(row: Any) -> Version:
    return Version(strategy_of(row), row.author, row.at, row.edited)


def scenario_values(scenario: Scenario) -> dict[str, Any]:
    examples = canonical([context.key for context in scenario.examples]).decode()
    return {"description": scenario.description, "examples": examples, "tags": canonical(scenario.tags).decode()}


def linted(strategy: Strategy) -> Strategy:
    """With what lint finds in its text added to its flags."""
    found = (flag for flag in lint_text(strategy.text) if flag not in strategy.flags)
    return replace(strategy, flags=(*strategy.flags, *found))


def strategy_values(strategy: Strategy) -> dict[str, Any]:
    """What makes two versions differ; decisions are apart."""
    return {
        "text": strategy.text,
        "reason": strategy.reason,
        "scenario": strategy.scenario,
        "value": float(strategy.value) + 0.0,  # SQLite knows no negative nought
        "measured": strategy.measured,
        "flags": canonical(strategy.flags).decode(),
    }


def evidence_key(evidence: Evidence) -> str:
    """Content hash without the run: the same finding of two runs is one."""
    return content_hash(replace(evidence, run=""))[:32]


def check_storable(row: Mapping[str, Any]) -> None:
    """Refuse text that not every database can hold.

    Raises:
        UserError: a value holds NUL or half a surrogate pair.
    """
    for name, value in row.items():
        if isinstance(value, str) and _UNSTORABLE.search(value):
            raise UserError(f"The {name} {value[:40]!r} holds a character that is none (NUL or a lone surrogate).")


def batches(items: Iterable[ItemT]) -> Iterator[list[ItemT]]:
    rest = iter(items)
    while some := list(islice(rest, AT_ONCE)):
        yield some


def _stays(row: Any, values: Mapping[str, Any]) -> bool:
    """Whether the current version is to stay: nothing new is said, or a person's wording is not to be replaced."""
    if row.edited and row.text != values["text"]:
        return True
    return all(getattr(row, name) == value for name, value in values.items())


def _decision_after(row: Any, values: Mapping[str, Any]) -> str:
    """A decision outlives new measurements as long as what was decided on is the same."""
    decided_on: tuple[Any, ...] = (row.text, row.scenario, row.measured)
    same = decided_on == (values["text"], values["scenario"], values["measured"])
    new_flags = set(orjson.loads(values["flags"])) - set(orjson.loads(row.flags))
    decision: str = row.decision
    return decision if same and not new_flags else "pending"


def _evidence_values(evidence: Evidence, run: str) -> dict[str, Any]:
    body = canonical(replace(evidence, run="", context=None)).decode()
    context = None if evidence.context is None else evidence.context.key
    return {"run": evidence.run or run, "context": context, "body": body}


def _last_of_each(items: Sequence[Any]) -> list[Any]:
    return list({item.id: item for item in items}.values())
