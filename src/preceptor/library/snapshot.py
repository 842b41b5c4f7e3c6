"""A whole library as plain data, and how one is merged into another.

Merging is idempotent. What is new comes in with its history and decisions; what is there already keeps the decisions
made here; what differs becomes the next version, undecided, because nobody here has seen it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import sqlalchemy as sa

from preceptor.dialogue.conversation import Context
from preceptor.library import tables
from preceptor.library.lint import KINDS
from preceptor.library.model import Evidence, Guidance, Strategy
from preceptor.library.rows import (
    STALE,
    ScenarioVersion,
    Shelf,
    Use,
    Version,
    linted,
    scenario_of,
    scenario_values,
    strategy_values,
    version_of,
)

_Row = dict[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """Everything in a library but its releases and its trail, which belong to the place where they were made."""

    use: Use
    scenarios: tuple[tuple[ScenarioVersion, ...], ...] = ()
    """By id; of each, its versions, oldest first."""
    strategies: tuple[tuple[Version, ...], ...] = ()
    """By id; of each, its versions, oldest first."""
    evidence: Mapping[str, tuple[Evidence, ...]] = field(default_factory=dict)
    """By strategy id."""


@dataclass
class Changes:
    """What a merge did."""

    added: int = 0
    """Scenarios and strategies that were not there."""
    changed: int = 0
    """Those that got further versions."""
    unchanged: int = 0
    evidence: int = 0
    """New pieces."""
    use: bool = False
    """Domain, placement or rate of false injections changed."""

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.evidence or self.use)

    def __str__(self) -> str:
        settings = ", settings changed" if self.use else ""
        return (
            f"{self.added} added, {self.changed} changed, {self.unchanged} as they were, "
            f"{self.evidence} pieces of evidence added{settings}"
        )


def screened(snapshot: Snapshot) -> tuple[Snapshot, tuple[Strategy, ...]]:
    """What a file says, with what lint says here, whatever flags the file has; and what lint flags, as it comes in.

    A file says of itself what was approved, and anybody can write one: where lint has something to say, it is for a
    person here to decide.
    """
    strategies = tuple((*versions[:-1], _screened(versions[-1])) for versions in snapshot.strategies)
    newest = (versions[-1].strategy for versions in strategies)
    flagged = tuple(strategy for strategy in newest if not set(KINDS).isdisjoint(strategy.flags))
    return replace(snapshot, strategies=strategies), flagged


def _screened(version: Version) -> Version:
    strategy = linted(version.strategy)
    if strategy.decision == "approved" and not set(KINDS).isdisjoint(strategy.flags):
        strategy = replace(strategy, decision="pending")
    return replace(version, strategy=strategy)


def take(shelf: Shelf) -> Snapshot:
    """A library as it stands."""
    scenarios = shelf.versions(tables.scenarios)
    contexts = shelf.contexts(key for row in scenarios for key in orjson.loads(row.examples))
    strategies = shelf.versions(tables.strategies)
    evidence = shelf.evidence(row.id for row in strategies)
    return Snapshot(
        shelf.use(),
        tuple(tuple(_scenario_version(row, contexts) for row in rows) for rows in _histories(scenarios).values()),
        tuple(tuple(version_of(row) for row in rows) for rows in _histories(strategies).values()),
        {id_: tuple(items.values()) for id_, items in evidence.items()},
    )


def merge(shelf: Shelf, snapshot: Snapshot, author: str, note: str = "") -> Changes:
    """Bring a snapshot in; one line of the trail says so, if it changed anything."""
    changes = Changes()
    if snapshot.use != shelf.use():
        shelf.set_use(snapshot.use)
        changes.use = True
    shelf.put_contexts(c for versions in snapshot.scenarios for v in versions for c in v.scenario.examples)
    scenarios = [[_scenario_row(shelf, version, author) for version in versions] for versions in snapshot.scenarios]
    strategies = [[_strategy_row(shelf, version, author) for version in versions] for versions in snapshot.strategies]
    _merge(shelf, tables.scenarios, scenarios, changes)
    _merge(shelf, tables.strategies, strategies, changes)
    changes.evidence = shelf.put_evidence(snapshot.evidence)
    if changes:
        shelf.log(author, "import", "library", None, None, f"{note}: {changes}" if note else str(changes))
    return changes


def _merge(shelf: Shelf, table: sa.Table, theirs: Sequence[Sequence[_Row]], changes: Changes) -> None:
    here = _histories(shelf.versions(table))
    fresh: list[_Row] = []
    for rows in theirs:
        mine = [dict(row._mapping) for row in here.get(rows[0]["id"], ())]
        further = _further(mine, rows)
        fresh += further
        changes.added += not mine
        changes.changed += bool(mine and further)
        changes.unchanged += not further
    shelf.supersede(table, fresh)


def _further(mine: Sequence[_Row], theirs: Sequence[_Row]) -> list[_Row]:
    """The versions to add to `mine` so that it knows what `theirs` says last."""
    known, told = [[_content(row) for row in rows] for rows in (mine, theirs)]
    shared = min(len(known), len(told))
    if known[:shared] == told[:shared]:
        return list(theirs[shared:])
    if told[-1] in known:
        return []
    undecided = {"decision": "pending"} if "decision" in theirs[-1] else {}
    return [{**theirs[-1], "version": len(known) + 1, **undecided}]


def _content(row: _Row) -> _Row:
    """What makes two versions differ: not who made them where and when, what was decided about them, or what the lint
    of that day had to say."""
    apart = ("library", "id", "version", "latest", "author", "at", "decision", "edited", "entry", "touched", "deferred")
    content = {name: value for name, value in row.items() if name not in apart}
    if "flags" in content:
        content["flags"] = [flag for flag in orjson.loads(row["flags"]) if flag not in KINDS]
    return content


def _scenario_row(shelf: Shelf, version: ScenarioVersion, author: str) -> _Row:
    row = scenario_values(version.scenario) | {"retired": version.retired}
    return row | _mark(shelf, version.scenario.id, version.version, version.author or author, version.at)


def _strategy_row(shelf: Shelf, version: Version, author: str) -> _Row:
    strategy = version.strategy
    row = strategy_values(strategy) | {"decision": strategy.decision, "edited": version.edited}
    return row | _mark(shelf, strategy.id, strategy.version, version.author or author, version.at)


def _mark(shelf: Shelf, id_: str, version: int, author: str, at: str) -> _Row:
    return {"library": shelf.library, "id": id_, "version": version, "author": author, "at": at or shelf.now}


def _scenario_version(row: Any, contexts: Mapping[str, Context]) -> ScenarioVersion:
    return ScenarioVersion(scenario_of(row, contexts), row.version, row.author, row.at, row.retired)


def _histories(rows: Sequence[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row.id, []).append(row)
    return found


def guidance(snapshot: Snapshot) -> Guidance:
    """What the gate accepted and nobody has rejected or reworded since, of the newest versions: what a student can be
    given to see whether it helps."""
    scenarios = [versions[-1] for versions in snapshot.scenarios if versions]
    kept = tuple(version.scenario for version in scenarios if not version.retired)
    homes: set[str | None] = {None, *(scenario.id for scenario in kept)}
    newest = (versions[-1].strategy for versions in snapshot.strategies if versions)
    chosen = tuple(s for s in newest if s.scenario in homes and usable(s))
    use = snapshot.use
    return Guidance(use.domain, kept, chosen, use.placement, use.false_injections, use.foreign)


def usable(strategy: Strategy) -> bool:
    """Accepted as it stands, and rejected by nobody."""
    return strategy.measured == "accepted" and strategy.decision != "rejected" and STALE not in strategy.flags
