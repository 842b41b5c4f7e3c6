"""The queue: which strategies wait for somebody, found, sorted and counted without reading the library.

Everything here reads what `library.index` keeps, so a page costs the same whatever was written meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import sqlalchemy as sa

from preceptor.library import tables
from preceptor.library.index import GENERAL
from preceptor.library.model import Decision, Effect, Level, Measured
from preceptor.library.rows import Reach, batches

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
    mine = where(library, wanted)
    total = connection.scalar(sa.select(sa.func.count()).select_from(tables.queue).where(*mine)) or 0
    keys = [key.order(reverse) for key in _keys(order)]
    chosen = sa.select(tables.queue.c.strategy).select_from(_joined(order)).where(*mine)
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


def counts(connection: sa.Connection, library: str, wanted: Filter) -> Counts:
    """How many there are of each kind."""
    queue = tables.queue.c
    state = _state()
    states: dict[State, int] = dict.fromkeys(get_args(State), 0)
    states |= _tally(connection, library, replace(wanted, state=None), state)
    decided = states["approved"] + states["rejected"]
    flag = sa.select(tables.marks.c.flag, sa.func.count(tables.marks.c.strategy.distinct()))
    inside = sa.select(queue.strategy).where(*where(library, replace(wanted, flag=None, flagged=None)))
    marks = (tables.marks.c.library == library, tables.marks.c.standing, tables.marks.c.strategy.in_(inside))
    level = sa.case((queue.scenario == GENERAL, "general"), else_="scenario")
    return Counts(
        decided,
        sum(states.values()),
        states,
        _tally(connection, library, replace(wanted, measured=None), queue.measured),
        _tally(connection, library, replace(wanted, level=None), level),
        _tally(connection, library, replace(wanted, scenario=None), queue.scenario),
        _tally(connection, library, replace(wanted, run=None), queue.run),
        {row[0]: row[1] for row in connection.execute(flag.where(*marks).group_by(tables.marks.c.flag))},
        _tally(connection, library, replace(wanted, flagged=None, flag=None), queue.risk > 0).get(True, 0),
        _tally(connection, library, replace(wanted, stale=None), queue.stale).get(True, 0),
        _tally(connection, library, replace(wanted, edited=None), queue.edited).get(True, 0),
    )


def around(
    connection: sa.Connection, library: str, strategy: str, wanted: Filter, order: Order, reverse: bool
) -> Around:
    """What stands before and after a strategy that is there."""
    keys = _keys(order)
    joined, mine = _joined(order), where(library, wanted)
    this = (tables.queue.c.library == library, tables.queue.c.strategy == strategy)
    at = connection.execute(sa.select(*(key.column for key in keys)).select_from(joined).where(*this)).one()
    before, after = (_beyond(keys, tuple(at), reverse != back) for back in (True, False))

    def first(*more: sa.ColumnElement[bool], back: bool = False) -> str | None:
        chosen = sa.select(tables.queue.c.strategy).select_from(joined).where(*more).limit(1)
        return connection.scalar(chosen.order_by(*(key.order(reverse != back) for key in keys)))

    place, total, inside = connection.execute(
        sa.select(
            sa.func.count().filter(before),
            sa.func.count(),
            sa.func.count().filter(tables.queue.c.strategy == strategy),
        )
        .select_from(joined)
        .where(*mine)
    ).one()
    open_ = where(library, replace(wanted, state="undecided"))
    undecided = first(*open_, after) or first(*open_, tables.queue.c.strategy != strategy)
    return Around(place + 1 if inside else None, total, first(*mine, before, back=True), first(*mine, after), undecided)


def first_undecided(connection: sa.Connection, library: str, wanted: Filter, order: Order, reverse: bool) -> str | None:
    """Where a reader begins."""
    mine = where(library, replace(wanted, state="undecided"))
    chosen = sa.select(tables.queue.c.strategy).select_from(_joined(order)).where(*mine).limit(1)
    return connection.scalar(chosen.order_by(*(key.order(reverse) for key in _keys(order))))


def matching(connection: sa.Connection, library: str, wanted: Filter) -> list[str]:
    """The ids of all that match."""
    chosen = sa.select(tables.queue.c.strategy).where(*where(library, wanted))
    return list(connection.scalars(chosen.order_by(tables.queue.c.strategy)))


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
        found.append(queue.scenario == GENERAL if wanted.level == "general" else queue.scenario != GENERAL)
    if wanted.flagged is not None:
        found.append(queue.risk > 0 if wanted.flagged else queue.risk == 0)
    if wanted.flag is not None:
        marks = tables.marks.c
        mine = (marks.library == library, marks.flag == wanted.flag, marks.standing)
        found.append(queue.strategy.in_(sa.select(marks.strategy).where(*mine)))
    found += [queue.words.contains(word, autoescape=True) for word in wanted.search.casefold().split()]
    return found


def _in_state(state: State) -> sa.ColumnElement[bool]:
    queue = tables.queue.c
    away = sa.func.coalesce(queue.deferred, "") > today()
    if state == "undecided":
        return (queue.decision == _PENDING) & sa.not_(away)
    return (queue.decision == _PENDING) & away if state == "deferred" else queue.decision == state


def _state() -> sa.ColumnElement[str]:
    queue = tables.queue.c
    away = (queue.decision == _PENDING) & (sa.func.coalesce(queue.deferred, "") > today())
    return sa.case((away, "deferred"), (queue.decision == _PENDING, "undecided"), else_=queue.decision)


def _tally(connection: sa.Connection, library: str, wanted: Filter, by: sa.ColumnElement[Any]) -> dict[Any, int]:
    counted = sa.select(by, sa.func.count()).where(*where(library, wanted)).group_by(by)
    return {row[0]: row[1] for row in connection.execute(counted)}


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
    queue, homes = tables.queue.c, tables.homes.c
    own = {
        "newest": _Key(queue.run, down=True),
        "effect": _Key(sa.func.coalesce(queue.mean, -9.0), down=True),
        "uncertainty": _Key(sa.func.coalesce(queue.high - queue.low, -1.0), down=True),
        "risk": _Key(queue.risk, down=True),
        "scenario": _Key(sa.func.coalesce(homes.description, "")),
        "reach": _Key(sa.func.coalesce(homes.hits * 1.0 / sa.func.nullif(homes.turns, 0), 0.0), down=True),
    }
    return own[order], _Key(queue.strategy)


def _joined(order: Order) -> sa.FromClause:
    return tables.queue.outerjoin(tables.homes, _at_home()) if order in ("scenario", "reach") else tables.queue


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
