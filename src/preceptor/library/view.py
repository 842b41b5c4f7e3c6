"""One strategy with everything that speaks for and against it: what a person reads before signing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from preceptor.dialogue.conversation import Context
from preceptor.library import queue, tables
from preceptor.library.decisions import Seen, seen_of
from preceptor.library.model import Effect, Evidence, Scenario, Strategy
from preceptor.library.queue import Line, State
from preceptor.library.rows import Reach, Shelf, Version, batches, scenario_of, strategy_of, version_of
from preceptor.library.trail import Entry, entry_of


@dataclass(frozen=True)
class Case:
    """A context with what was replied in it."""

    kind: str
    """The kind of evidence: ``origin``, ``retry``, ``acceptance``, ``loss``…"""
    context: Context | None
    trigger: int | None
    """Index of the turn that called for the reply: the context's last turn of the customer."""
    before: str
    """The student's reply without the strategy."""
    after: str
    """The student's reply with it; empty where it was not tried."""
    teacher: str
    reason: str
    run: str


@dataclass(frozen=True)
class Measurement:
    """An effect, and what was concluded from it."""

    kind: str
    effect: Effect
    reason: str
    run: str


@dataclass(frozen=True)
class Held:
    """A release that holds the strategy."""

    release: str
    created: str
    version: int
    """The version it holds."""
    live: bool


@dataclass(frozen=True)
class View:
    """Plain data, in the order in which it is read."""

    strategy: Strategy
    state: State
    deferred: str | None
    """The day it comes back; ``9999-12-31``: when somebody puts it back."""
    stale: bool
    """The wording is not the one that was measured."""
    edited: bool
    author: str
    """Who made this version: a person, or the run."""
    at: str
    scenario: Scenario | None
    """With its examples: when it applies. None: always."""
    reach: Reach
    """How often it would fire."""
    source: Case | None
    """The turn it came from, with the student's answer, the teacher's, and the teacher's reason."""
    cases: tuple[Case, ...]
    """The student before and after, as tried while it was written and when it was accepted."""
    effects: tuple[Measurement, ...]
    """Its own effects, the newest first."""
    losses: tuple[Case, ...]
    """Where it hurt: contexts in which the reply with it was judged worse. Older runs did not keep them."""
    harms: tuple[Measurement, ...]
    """Effects below zero, those on contexts of other scenarios included, the worst first."""
    alike: tuple[Line, ...]
    contradicting: tuple[Line, ...]
    flags: tuple[str, ...]
    history: tuple[Version, ...]
    """All versions, oldest first."""
    decisions: tuple[Entry, ...]
    """Lines of the trail about it but for comments, oldest first."""
    comments: tuple[Entry, ...]
    releases: tuple[Held, ...]
    """Newest first."""
    seen: Seen
    """To be handed back with a decision."""


def view(shelf: Shelf, row: Any) -> View:
    """Everything about the strategy in a row of `strategies`."""
    evidence = shelf.evidence([row.id]).get(row.id, {})
    items = tuple(evidence.values())
    (line,) = queue.lines(shelf.connection, shelf.library, [row.id])
    scenario = _scenario(shelf, row.scenario)
    versions = shelf.versions(tables.strategies, row.id)
    told = _told(shelf, [f"{row.id}@{version.version}" for version in versions])
    return View(
        strategy_of(row),
        line.state,
        row.deferred if line.state == "deferred" else None,
        line.stale,
        row.edited,
        row.author,
        row.at,
        scenario,
        line.reach,
        next((_case(item) for item in items if item.kind == "origin"), None),
        tuple(_case(item) for item in items if item.after and item.kind != "loss"),
        tuple(_measurement(item) for item in reversed(items) if item.effect and item.kind != "no_harm"),
        tuple(_case(item) for item in items if item.kind == "loss"),
        _harms(items),
        *_neighbours(shelf, row.id),
        line.flags,
        tuple(map(version_of, versions)),
        tuple(entry for entry in told if entry.what != "comment"),
        tuple(entry for entry in told if entry.what == "comment"),
        _held(shelf, row.id),
        seen_of(row, list(evidence)),
    )


def trigger(context: Context) -> int | None:
    """Index of the turn that called for a reply: the last of the customer, else the last."""
    turns = context.turns
    mine = [index for index, turn in enumerate(turns) if turn.party == "customer"]
    return mine[-1] if mine else len(turns) - 1 if turns else None


def _case(item: Evidence) -> Case:
    where = None if item.context is None else trigger(item.context)
    return Case(item.kind, item.context, where, item.before, item.after, item.teacher, item.reason, item.run)


def _measurement(item: Evidence) -> Measurement:
    assert item.effect is not None
    return Measurement(item.kind, item.effect, item.reason, item.run)


def _harms(items: Sequence[Evidence]) -> tuple[Measurement, ...]:
    found = [_measurement(item) for item in items if item.effect and item.effect.mean < 0]
    return tuple(sorted(found, key=lambda one: one.effect.mean))


def _scenario(shelf: Shelf, id_: str | None) -> Scenario | None:
    if id_ is None:
        return None
    row = shelf.scenario_rows([id_]).get(id_)
    if row is None:
        return Scenario(id_, "")
    return scenario_of(row, shelf.contexts(orjson.loads(row.examples)))


def _neighbours(shelf: Shelf, id_: str) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    marks = tables.marks
    mine = (marks.c.library == shelf.library, marks.c.strategy == id_, marks.c.other != "", marks.c.standing)
    rows = shelf.connection.execute(sa.select(marks).where(*mine).order_by(marks.c.other)).all()
    lines = {one.id: one for one in queue.lines(shelf.connection, shelf.library, [row.other for row in rows])}
    alike, against = ([lines[r.other] for r in rows if r.flag == flag] for flag in ("much like", "contradicts"))
    return tuple(alike), tuple(against)


def _told(shelf: Shelf, subjects: Sequence[str]) -> list[Entry]:
    trail = tables.trail
    found: list[Entry] = []
    for some in batches(subjects):
        mine = sa.select(trail).where(trail.c.library == shelf.library, trail.c.subject.in_(some))
        found += map(entry_of, shelf.connection.execute(mine))
    return sorted(found, key=lambda entry: entry.n)


def _held(shelf: Shelf, id_: str) -> tuple[Held, ...]:
    held, releases = tables.held.c, tables.releases.c
    same = (releases.library == held.library) & (releases.hash == held.release)
    wanted = sa.select(held.release, releases.created, held.version).join(tables.releases, same)
    rows = shelf.connection.execute(wanted.where(held.library == shelf.library, held.strategy == id_)).all()
    live = shelf.live()
    newest = sorted(rows, key=lambda row: row.created, reverse=True)
    return tuple(Held(row.release, row.created, row.version, row.release == live) for row in newest)
