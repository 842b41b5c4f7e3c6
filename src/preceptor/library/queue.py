"""The queue: which strategies wait for somebody, found, sorted and counted without reading the library.

Everything here reads what `library.index` keeps, so a page costs the same whatever was written meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import sqlalchemy as sa

from preceptor.library import tables
from preceptor.library.index import GENERAL
from preceptor.library.model import Decision, Effect, Level, Measured
from preceptor.library.rows import AT_ONCE, Reach, batches

State = Literal["undecided", "deferred", "approved", "rejected"]
"""Where a strategy stands. Both of the first are pending; a deferred one is out of the way until its day."""
Order = Literal["newest", "effect", "uncertainty", "risk", "scenario", "reach"]
"""Newest run first; largest effect; widest interval; most flags; by scenario; most often found."""
Toggle = bool | None
_PENDING: Decision = "pending"


@dataclass(frozen=True)
class Filter:
    """Which strategies; what is None, or empty, does not filter."""

    state: State | Literal["decided"] | None = None
    measured: Measured | None = None
    run: str | None = None
    """The newest run that had to do with it."""
    scenario: str | None = None
    """A scenario's id; empty: the general ones."""
    level: Level | None = None
    flagged: Toggle = None
    flag: str | None = None
    """``promise of money``, ``much like``, ``contradicts``…"""
    stale: Toggle = None
    """Its wording is not the one that was measured."""
    edited: Toggle = None
    """Its wording is a person's."""
    search: str = ""
    """Words, all of which stand in its text, reason, scenario or id, whatever their case; a part of a word will do."""


@dataclass(frozen=True)
class Line:
    """One strategy in a list."""

    id: str
    version: int
    text: str
    scenario: str | None
    """Its id; None: general."""
    scenario_text: str
    """Its description; empty for a general strategy."""
    measured: Measured
    state: State
    deferred: str | None
    """The day it comes back, ISO 8601."""
    stale: bool
    edited: bool
    flags: tuple[str, ...]
    """``contradicts st-…`` names the neighbour."""
    effect: Effect | None
    reach: Reach
    run: str


@dataclass(frozen=True)
class Page:
    lines: tuple[Line, ...]
    total: int
    """Of all pages."""
    offset: int


@dataclass(frozen=True)
class Counts:
    """How many there are, within a filter."""

    decided: int
    """Approved or rejected, whatever state the filter asks for."""
    of: int
    """…among so many."""
    states: dict[State, int]
    """Whatever state the filter asks for; so with the others: each counts as if the filter said nothing of it."""
    measured: dict[str, int]
    levels: dict[str, int]
    scenarios: dict[str, int]
    """By id; empty: the general ones."""
    runs: dict[str, int]
    flags: dict[str, int]
    flagged: int
    stale: int
    edited: int


@dataclass(frozen=True)
class Around:
    """What stands about a strategy in a list."""

    place: int | None
    """From 1; None: the filter leaves it out, and `next` is what would come after it."""
    of: int
    previous: str | None
    next: str | None
    undecided: str | None
    """The next that waits for a decision; after the last, the first."""


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def state_of(decision: str, deferred: str | None, day: str | None = None) -> State:
    if decision != _PENDING:
        return "approved" if decision == "approved" else "rejected"
    return "deferred" if deferred is not None and deferred > (day or today()) else "undecided"


def page(
    connection: sa.Connection, library: str, wanted: Filter, order: Order, reverse: bool, offset: int, limit: int
) -> Page:
    """The lines from `offset`, at most `limit`."""
    mine = where(library, _found(connection, library, wanted))
    total = connection.scalar(sa.select(sa.func.count()).select_from(tables.queue).where(*mine)) or 0
    keys = [key.order(reverse) for key in _keys(order)]
    chosen = sa.select(tables.queue.c.strategy).where(*mine)
    ids = connection.scalars(chosen.order_by(*keys).offset(offset).limit(limit)).all()
    return Page(lines(connection, library, ids), total, offset)


def lines(connection: sa.Connection, library: str, ids: Sequence[str]) -> tuple[Line, ...]:
    """The lines of these strategies, in their order."""
    queue, strategies = tables.queue, tables.strategies
    same = (strategies.c.library == queue.c.library) & (strategies.c.id == queue.c.strategy) & strategies.c.latest
    found: dict[str, Line] = {}
    for some in batches(ids):
        mine = (queue.c.library == library, queue.c.strategy.in_(some))
        columns = (queue, strategies.c.version, strategies.c.text, *_HOME)
        joined = queue.join(strategies, same).outerjoin(tables.homes, _at_home())
        flags = _flags(connection, library, some)
        for row in connection.execute(sa.select(*columns).select_from(joined).where(*mine)):
            found[row.strategy] = _line(row, flags.get(row.strategy, ()))
    return tuple(found[id_] for id_ in ids)


def counts(connection: sa.Connection, library: str, wanted: Filter, *, many: bool = True) -> Counts:
    """How many there are of each kind; without `many`, not of each scenario and flag, which takes two more passes."""
    wanted = _found(connection, library, wanted)
    queue = tables.queue.c
    told = _tally_all(connection, library, wanted)
    states: dict[State, int] = {state: told["state", state] for state in get_args(State)}
    return Counts(
        states["approved"] + states["rejected"],
        sum(states.values()),
        states,
        {value: told["measured", value] for value in get_args(Measured)},
        {value: told["level", value] for value in get_args(Level)},
        _tally(connection, library, replace(wanted, scenario=None), queue.scenario) if many else {},
        _tally(connection, library, replace(wanted, run=None), queue.run),
        _tally_flags(connection, library, replace(wanted, flag=None, flagged=None)) if many else {},
        told["flagged", True],
        told["stale", True],
        told["edited", True],
    )


def _tally_all(connection: sa.Connection, library: str, wanted: "_Among") -> dict[tuple[str, Any], int]:
    """What has few values, in one go; but what the filter asks for is left out of its own count."""
    queue = tables.queue.c
    asked: dict[str, list[tuple[Any, sa.ColumnElement[bool]]]] = {
        "state": [(state, _in_state(state)) for state in get_args(State)],
        "measured": [(value, queue.measured == value) for value in get_args(Measured)],
        "level": [(value, _at_level(value)) for value in get_args(Level)],
        "flagged": [(True, queue.risk > 0)],
        "stale": [(True, queue.stale)],
        "edited": [(True, queue.edited)],
    }
    narrowed = {name for name in asked if getattr(wanted, name) is not None} | ({"flagged"} if wanted.flag else set())
    told: dict[tuple[str, Any], int] = {}
    for names in filter(None, ([name for name in asked if name not in narrowed], *([name] for name in narrowed))):
        # Whether flagged, and with which flag, are one question.
        free: dict[str, Any] = {name: None for name in names if name in narrowed}
        free |= {"flag": None} if "flagged" in names else {}
        each = [(name, value, one) for name in names for value, one in asked[name]]
        sums = sa.select(*(sa.func.count().filter(one) for _, _, one in each))
        found = connection.execute(sums.where(*where(library, replace(wanted, **free)))).one()
        told |= {(name, value): number for (name, value, _), number in zip(each, found, strict=True)}
    return told


def _tally(connection: sa.Connection, library: str, wanted: Filter, by: sa.Column[str]) -> dict[str, int]:
    counted = sa.select(by, sa.func.count()).where(*where(library, wanted)).group_by(by)
    return {row[0]: row[1] for row in connection.execute(counted)}


def _tally_flags(connection: sa.Connection, library: str, wanted: Filter) -> dict[str, int]:
    """A strategy that is like several others has this flag once."""
    marks, queue = tables.marks.c, tables.queue
    same = sa.and_(queue.c.library == marks.library, queue.c.strategy == marks.strategy)
    counted = sa.select(marks.flag, sa.func.count(marks.strategy.distinct())).join(queue, same)
    mine = (marks.library == library, marks.standing, *where(library, wanted))
    return {row[0]: row[1] for row in connection.execute(counted.where(*mine).group_by(marks.flag))}


def around(
    connection: sa.Connection, library: str, strategy: str, wanted: Filter, order: Order, reverse: bool
) -> Around:
    """What stands before and after a strategy that is there."""
    queue, keys = tables.queue, _keys(order)
    wanted = _found(connection, library, wanted)
    this = (queue.c.library == library, queue.c.strategy == strategy)
    at = connection.execute(sa.select(*(key.column for key in keys)).where(*this)).one()
    before, after = (_beyond(keys, tuple(at), reverse != back) for back in (True, False))

    def first(*more: sa.ColumnElement[bool], back: bool = False) -> str | None:
        chosen = sa.select(queue.c.strategy).where(*more).limit(1)
        return connection.scalar(chosen.order_by(*(key.order(reverse != back) for key in keys)))

    mine, open_ = where(library, wanted), where(library, replace(wanted, state="undecided"))
    counted = sa.select(
        sa.func.count().filter(before), sa.func.count(), sa.func.count().filter(queue.c.strategy == strategy)
    )
    earlier, total, inside = connection.execute(counted.where(*mine)).one()
    undecided = first(*open_, after) or first(*open_, queue.c.strategy != strategy)
    place = earlier + 1 if inside else None
    return Around(place, total, first(*mine, before, back=True), first(*mine, after), undecided)


def first_undecided(connection: sa.Connection, library: str, wanted: Filter, order: Order, reverse: bool) -> str | None:
    """Where a reader begins."""
    mine = where(library, replace(wanted, state="undecided"))
    chosen = sa.select(tables.queue.c.strategy).where(*mine).limit(1)
    return connection.scalar(chosen.order_by(*(key.order(reverse) for key in _keys(order))))


def where(library: str, wanted: Filter) -> list[sa.ColumnElement[bool]]:
    """A filter as conditions on `queue`."""
    queue = tables.queue.c
    found: list[sa.ColumnElement[bool]] = [queue.library == library]
    if wanted.state == "decided":
        found.append(queue.decision != _PENDING)
    elif wanted.state is not None:
        found.append(_in_state(wanted.state))
    for name in ("measured", "run", "scenario", "stale", "edited"):
        if (value := getattr(wanted, name)) is not None:
            found.append(queue[name] == value)
    if wanted.level is not None:
        found.append(_at_level(wanted.level))
    if wanted.flagged is not None:
        found.append(queue.risk > 0 if wanted.flagged else queue.risk == 0)
    if wanted.flag is not None:
        marks = tables.marks.c
        mine = (marks.library == library, marks.flag == wanted.flag, marks.standing)
        found.append(queue.strategy.in_(sa.select(marks.strategy).where(*mine)))
    return found + _searched(library, wanted)


def _in_state(state: State) -> sa.ColumnElement[bool]:
    queue, day = tables.queue.c, today()
    if state == "undecided":
        return sa.and_(queue.decision == _PENDING, sa.or_(queue.deferred.is_(None), queue.deferred <= day))
    if state == "deferred":
        return sa.and_(queue.decision == _PENDING, queue.deferred > day)
    return queue.decision == state


def _at_level(level: Level) -> sa.ColumnElement[bool]:
    scenario = tables.queue.c.scenario
    return scenario == GENERAL if level == "general" else scenario != GENERAL


@dataclass(frozen=True)
class _Among(Filter):
    """A filter whose search has been carried out."""

    ids: tuple[str, ...] | None = None
    """What it found; None: too many to name, or nothing was searched for."""


def _found(connection: sa.Connection, library: str, wanted: Filter) -> _Among:
    """Search once, not in each of the statements that ask about what was found."""
    asked = {field.name: getattr(wanted, field.name) for field in fields(Filter)}
    if not wanted.search.split():
        return _Among(**asked)
    ids = connection.scalars(_search(library, wanted.search).limit(AT_ONCE + 1)).all()
    return _Among(**asked, ids=tuple(ids) if len(ids) <= AT_ONCE else None)


def _search(library: str, words: str) -> sa.Select[str]:
    # Reading 20,000 phrases for a word takes 5 ms. An index of words would have to be kept, once for each database, and
    # would not find parts of words.
    phrases = tables.phrases.c
    told = [phrases.words.contains(word, autoescape=True) for word in words.casefold().split()]
    return sa.select(phrases.strategy).where(phrases.library == library, *told)


def _searched(library: str, wanted: Filter) -> list[sa.ColumnElement[bool]]:
    if isinstance(wanted, _Among) and wanted.ids is not None:
        return [tables.queue.c.strategy.in_(wanted.ids)]
    return [tables.queue.c.strategy.in_(_search(library, wanted.search))] if wanted.search.split() else []


@dataclass(frozen=True)
class _Key:
    """Something to sort by."""

    column: sa.ColumnElement[Any]
    down: bool = False
    """Largest first."""

    def order(self, reverse: bool) -> sa.ColumnElement[Any]:
        return self.column.desc() if self.down != reverse else self.column.asc()


_HOME = (tables.homes.c.description, tables.homes.c.hits, tables.homes.c.turns, tables.homes.c.run.label("reach_run"))


def _keys(order: Order) -> tuple[_Key, ...]:
    """What an order goes by. What has no effect comes last, whichever is asked for."""
    queue = tables.queue.c
    own = {
        "newest": _Key(queue.run, down=True),
        "effect": _Key(sa.func.coalesce(queue.mean, -9.0), down=True),
        "uncertainty": _Key(sa.func.coalesce(queue.high - queue.low, -1.0), down=True),
        "risk": _Key(queue.risk, down=True),
        "scenario": _Key(queue.place),
        "reach": _Key(queue.share, down=True),
    }
    return own[order], _Key(queue.strategy)


def _at_home() -> sa.ColumnElement[bool]:
    queue, homes = tables.queue.c, tables.homes.c
    return sa.and_(homes.library == queue.library, homes.scenario == queue.scenario)


def _beyond(keys: Sequence[_Key], at: Sequence[Any], reverse: bool) -> sa.ColumnElement[bool]:
    """What comes after a place in an order."""
    (first, second), (one, two) = keys, at
    further = [
        key.column < value if key.down != reverse else key.column > value
        for key, value in ((first, one), (second, two))
    ]
    return sa.or_(further[0], sa.and_(first.column == one, further[1]))


def _flags(connection: sa.Connection, library: str, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    marks = tables.marks
    mine = (marks.c.library == library, marks.c.standing, marks.c.strategy.in_(ids))
    found: dict[str, tuple[str, ...]] = {}
    for row in connection.execute(
        sa.select(marks).where(*mine).order_by(marks.c.strategy, marks.c.other, marks.c.flag)
    ):
        flag = f"{row.flag} {row.other}" if row.other else row.flag
        found[row.strategy] = (*found.get(row.strategy, ()), flag)
    return found


def _line(row: Any, flags: tuple[str, ...]) -> Line:
    effect = None if row.mean is None else Effect(row.mean, row.low, row.high, row.n, row.unit)
    return Line(
        row.strategy,
        row.version,
        row.text,
        row.scenario or None,
        row.description or "",
        row.measured,
        state_of(row.decision, row.deferred),
        row.deferred,
        row.stale,
        row.edited,
        flags,
        effect,
        Reach(row.hits or 0, row.turns or 0, row.reach_run),
        row.run,
    )
