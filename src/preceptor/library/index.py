"""What lists of strategies need, kept beside the library and brought up to date with every change of it.

A list of 20,000 strategies cannot work out flags, doubles and effects each time it is shown, so they are stored when
they change, in the transaction that changes them: `queue` (a row for each strategy's newest version), `marks` (its
flags), `homes` (scenarios) and `held` (what releases hold). All of it can be made anew from the library at any time,
and is, when its form changes.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import orjson
import sqlalchemy as sa

from preceptor.library import tables
from preceptor.library.lint import Gist, gist, relation
from preceptor.library.rows import STALE, Reach, Shelf, batches

FORM = 1
"""Raised when what is derived, or how, changes: then everything is made anew."""
GENERAL = ""
"""Stands for the scenario of a general strategy."""
MEASURES = ("acceptance", "general", "consolidation")
"""Kinds of evidence whose effect is the strategy's own."""

Pair = tuple[str, str, str]
"""Two strategies, and what they are to each other."""
Row = dict[str, Any]


def settle(shelf: Shelf) -> None:
    """Bring lists up to date with what was written through a shelf."""
    if shelf.indexed() != FORM:
        rebuild(shelf)
        return
    if shelf.rehomed or shelf.reached:
        _rehome(shelf)
    if shelf.changed:
        _update(shelf, shelf.changed)
    shelf.changed, shelf.rehomed = set(), False


def rebuild(shelf: Shelf) -> None:
    """Make everything anew."""
    for table in (tables.queue, tables.marks, tables.held):
        shelf.connection.execute(table.delete().where(table.c.library == shelf.library))
    _rehome(shelf)
    _update(shelf, set(shelf.strategy_rows()))
    for release in _releases(shelf):
        hold(shelf, *release)
    shelf.set_indexed(FORM)
    shelf.changed, shelf.rehomed = set(), False


def hold(shelf: Shelf, release: str, strategies: Sequence[tuple[str, int]]) -> None:
    """Note which strategies, in which version, a release holds."""
    shelf.connection.execute(tables.held.insert(), held_rows(shelf, release, strategies))


def held_rows(shelf: Shelf, release: str, strategies: Sequence[tuple[str, int]]) -> list[Row]:
    return [
        {"library": shelf.library, "strategy": id_, "release": release, "version": version}
        for id_, version in strategies
    ]


def _releases(shelf: Shelf) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    releases = tables.releases.c
    wanted = sa.select(releases.hash, releases.body).where(releases.library == shelf.library)
    for row in shelf.connection.execute(wanted).all():
        yield row.hash, [(one["id"], one["version"]) for one in orjson.loads(row.body)["strategies"]]


def _update(shelf: Shelf, ids: Collection[str]) -> None:
    rows = shelf.strategy_rows(ids)
    before = {row.strategy: row for row in _stored(shelf, tables.queue, rows)}
    gists = {id_: gist(row.text) for id_, row in rows.items()}
    moved = {
        id_: (row.scenario or GENERAL, gists[id_])
        for id_, row in rows.items()
        if id_ not in before or (before[id_].scenario, before[id_].gist) != (row.scenario or GENERAL, str(gists[id_]))
    }
    _relate(shelf, moved)
    _mark_own(shelf, rows)
    risks = _stand(shelf, rows)
    effects, runs = _measured(shelf, rows)
    homes = _descriptions(shelf, {row.scenario for row in rows.values() if row.scenario})
    fresh = [
        queue_row(row, risks.get(id_, 0), effects.get(id_), runs[id_], gists[id_], homes.get(row.scenario or ""))
        for id_, row in rows.items()
    ]
    _delete(shelf, tables.queue, rows)
    if fresh:
        shelf.connection.execute(tables.queue.insert(), fresh)


def queue_row(row: Any, risk: int, effect: Mapping[str, Any] | None, run: str, about: Gist, home: str | None) -> Row:
    """A strategy's newest version as lists need it."""
    measured = {name: effect[name] if effect else None for name in ("mean", "low", "high", "n", "unit")}
    words = "\n".join((row.id, row.text, row.reason, home or "", row.scenario or "")).casefold()
    return measured | {
        "library": row.library,
        "strategy": row.id,
        "scenario": row.scenario or GENERAL,
        "measured": row.measured,
        "decision": row.decision,
        "deferred": row.deferred,
        "stale": STALE in orjson.loads(row.flags),
        "edited": row.edited,
        "risk": risk,
        "run": run,
        "gist": str(about),
        "words": words,
    }


def _relate(shelf: Shelf, moved: Mapping[str, tuple[str, Gist]]) -> None:
    """Find out what strategies in new words or places are to their neighbours."""
    if not moved:
        return
    marks = tables.marks.c
    for some in batches(moved):
        mine = sa.or_(marks.strategy.in_(some), marks.other.in_(some))
        shelf.connection.execute(tables.marks.delete().where(marks.library == shelf.library, marks.other != "", mine))
    found = [mark for pair in pairs(moved, _neighbours(shelf, moved)) for mark in _both(shelf, pair)]
    if found:
        shelf.connection.execute(tables.marks.insert(), found)


def _both(shelf: Shelf, pair: Pair) -> list[Row]:
    one, other, told = pair
    return [
        {"library": shelf.library, "strategy": mine, "flag": told, "other": theirs, "standing": False}
        for mine, theirs in ((one, other), (other, one))
    ]


def pairs(moved: Mapping[str, tuple[str, Gist]], others: Mapping[str, tuple[str, Gist]]) -> Iterator[Pair]:
    """Doubles and contradictions among `moved`, and between them and `others`, each once."""
    shelves: dict[str, list[tuple[str, Gist, bool]]] = {}
    for id_, (home, about) in {**others, **moved}.items():
        shelves.setdefault(home, []).append((id_, about, id_ in moved))
    general = shelves.get(GENERAL, [])
    for home, shelf in shelves.items():
        fresh = [one for one in shelf if one[2]]
        known = [one for one in shelf if not one[2]]
        yield from _told(combinations(fresh, 2))
        yield from _told((one, other) for one in fresh for other in known)
        if home != GENERAL:
            yield from _told((one, other) for one in shelf for other in general if one[2] or other[2])


_One = tuple[str, Gist, bool]


def _told(candidates: Iterable[tuple[_One, _One]]) -> Iterator[Pair]:
    for (one, mine, _), (other, theirs, _) in candidates:
        if told := relation(mine, theirs):
            yield one, other, told


def _neighbours(shelf: Shelf, moved: Mapping[str, tuple[str, Gist]]) -> dict[str, tuple[str, Gist]]:
    """Those that can stand in one prompt with any of `moved`."""
    queue = tables.queue.c
    homes = {home for home, _ in moved.values()}
    wanted = sa.select(queue.strategy, queue.scenario, queue.gist).where(queue.library == shelf.library)
    chosen = [wanted] if GENERAL in homes else [wanted.where(queue.scenario.in_(s)) for s in batches((*homes, GENERAL))]
    rows = [row for select in chosen for row in shelf.connection.execute(select)]
    return {row.strategy: (row.scenario, Gist.read(row.gist)) for row in rows if row.strategy not in moved}


def _mark_own(shelf: Shelf, rows: Mapping[str, Any]) -> None:
    marks = tables.marks.c
    for some in batches(rows):
        own = (marks.library == shelf.library, marks.other == "", marks.strategy.in_(some))
        shelf.connection.execute(tables.marks.delete().where(*own))
    if found := _own(shelf, rows):
        shelf.connection.execute(tables.marks.insert(), found)


def _own(shelf: Shelf, rows: Mapping[str, Any]) -> list[Row]:
    return [
        {"library": shelf.library, "strategy": id_, "flag": flag, "other": "", "standing": True}
        for id_, row in rows.items()
        for flag in dict.fromkeys(orjson.loads(row.flags))
    ]


def _stand(shelf: Shelf, rows: Mapping[str, Any]) -> dict[str, int]:
    """Say which marks stand, of these strategies and of their neighbours; how many stand, for each of these."""
    marks = tables.marks.c
    found = [mark for mark in _marks_about(shelf, rows) if mark.other]
    neighbours = shelf.strategy_rows({m.other for m in found} | {m.strategy for m in found} - rows.keys())
    up = {id_: standing(row) for id_, row in {**neighbours, **rows}.items()}
    wrong: dict[bool, list[tuple[str, str]]] = {True: [], False: []}
    for mark in found:
        if mark.standing != up.get(mark.other, False):
            wrong[not mark.standing].append((mark.strategy, mark.other))
    for value, which in wrong.items():
        for strategy, other in which:
            mine = (marks.library == shelf.library, marks.strategy == strategy, marks.other == other)
            shelf.connection.execute(tables.marks.update().where(*mine).values(standing=value))
    others = {mark.strategy for mark in found} - rows.keys()
    risks = _risks(shelf, rows.keys() | others)
    queue = tables.queue
    for id_ in others:
        one = (queue.c.library == shelf.library, queue.c.strategy == id_)
        shelf.connection.execute(queue.update().where(*one).values(risk=risks.get(id_, 0)))
    return risks


def standing(row: Any) -> bool:
    """Whether a neighbour counts: neither the gate nor a person has turned it down."""
    return row.measured in ("accepted", "proposed") and row.decision != "rejected"


def _marks_about(shelf: Shelf, ids: Iterable[str]) -> list[Any]:
    """Marks of strategies, and of others about them."""
    marks = tables.marks.c
    found: dict[tuple[str, str, str], Any] = {}
    for some in batches(ids):
        mine = sa.or_(marks.strategy.in_(some), marks.other.in_(some))
        for row in shelf.connection.execute(sa.select(tables.marks).where(marks.library == shelf.library, mine)):
            found[row.strategy, row.flag, row.other] = row
    return list(found.values())


def _risks(shelf: Shelf, ids: Iterable[str]) -> dict[str, int]:
    marks = tables.marks.c
    found: dict[str, int] = {}
    for some in batches(ids):
        mine = (marks.library == shelf.library, marks.standing, marks.strategy.in_(some))
        counted = sa.select(marks.strategy, sa.func.count()).where(*mine).group_by(marks.strategy)
        found |= {row[0]: row[1] for row in shelf.connection.execute(counted)}
    return found


def _measured(shelf: Shelf, ids: Collection[str]) -> tuple[dict[str, Row], dict[str, str]]:
    """By strategy: the newest effect of its own, and the newest run that found evidence, or else who put it there."""
    effects: dict[str, Row] = {}
    runs: dict[str, str] = {}
    for row in _stored(shelf, tables.evidence, ids, tables.evidence.c.n):
        runs[row.strategy] = max(row.run, runs.get(row.strategy, ""))
        body = orjson.loads(row.body)
        if body["kind"] in MEASURES and body["effect"]:
            effects[row.strategy] = body["effect"]
    first = tables.strategies.c
    for some in batches(id_ for id_ in ids if not runs.get(id_)):
        wanted = sa.select(first.id, first.author).where(first.library == shelf.library, first.version == 1)
        runs |= {row.id: row.author for row in shelf.connection.execute(wanted.where(first.id.in_(some)))}
    return effects, runs


def _stored(shelf: Shelf, table: sa.Table, ids: Iterable[str], *order: sa.Column[Any]) -> Iterator[Any]:
    for some in batches(ids):
        mine = sa.select(table).where(table.c.library == shelf.library, table.c.strategy.in_(some))
        yield from shelf.connection.execute(mine.order_by(table.c.strategy, *order))


def _delete(shelf: Shelf, table: sa.Table, ids: Iterable[str]) -> None:
    for some in batches(ids):
        shelf.connection.execute(table.delete().where(table.c.library == shelf.library, table.c.strategy.in_(some)))


def _descriptions(shelf: Shelf, scenarios: Iterable[str]) -> dict[str, str]:
    homes = tables.homes.c
    found: dict[str, str] = {}
    for some in batches(scenarios):
        wanted = sa.select(homes.scenario, homes.description).where(homes.library == shelf.library)
        found |= {
            row.scenario: row.description for row in shelf.connection.execute(wanted.where(homes.scenario.in_(some)))
        }
    return found


def _rehome(shelf: Shelf) -> None:
    """Scenarios as lists need them; what a run has measured of them stays."""
    homes = tables.homes
    mine = homes.c.library == shelf.library
    before = {row.scenario: row for row in shelf.connection.execute(sa.select(homes).where(mine))}
    known = {id_: Reach(row.hits, row.turns, row.run) for id_, row in before.items() if row.run is not None}
    fresh = home_rows(shelf, known | shelf.reached)
    shelf.connection.execute(homes.delete().where(mine))
    shelf.connection.execute(homes.insert(), fresh)
    shelf.reached = {}
    descriptions = {id_: row.description for id_, row in before.items()}
    renamed = [row["scenario"] for row in fresh if descriptions.get(row["scenario"]) != row["description"]]
    queue = tables.queue.c
    for some in batches(renamed):
        inside = sa.select(queue.strategy).where(queue.library == shelf.library, queue.scenario.in_(some))
        _update(shelf, set(shelf.connection.scalars(inside)))


def home_rows(shelf: Shelf, reached: Mapping[str, Reach]) -> list[Row]:
    """`homes`, from the scenarios and what runs have measured of them; the rest is estimated from the examples."""
    rows = shelf.scenario_rows()
    examples = {id_: 0 if row.retired else len(orjson.loads(row.examples)) for id_, row in rows.items()}
    total = sum(examples.values())
    told = {GENERAL: ("", total), **{id_: (row.description, examples[id_]) for id_, row in rows.items()}}
    found = []
    for id_, (description, hits) in told.items():
        reach = reached.get(id_, Reach(hits, total))
        figures = {"hits": reach.hits, "turns": reach.turns, "run": reach.run}
        found.append({"library": shelf.library, "scenario": id_, "description": description} | figures)
    return found


def derived(shelf: Shelf, reached: Mapping[str, Reach]) -> Iterator[tuple[sa.Table, list[Row]]]:
    """What the tables of lists should hold, made anew from the library.

    Args:
        reached: what runs have measured, by scenario.
    """
    rows = shelf.strategy_rows()
    gists = {id_: gist(row.text) for id_, row in rows.items()}
    moved = {id_: (row.scenario or GENERAL, gists[id_]) for id_, row in rows.items()}
    marks = [mark for pair in pairs(moved, {}) for mark in _both(shelf, pair)]
    marks = [mark | {"standing": standing(rows[mark["other"]])} for mark in marks] + _own(shelf, rows)
    risks = Counter(mark["strategy"] for mark in marks if mark["standing"])
    effects, runs = _measured(shelf, rows)
    homes = home_rows(shelf, reached)
    names = {row["scenario"]: row["description"] for row in homes}
    yield tables.homes, homes
    yield tables.marks, marks
    yield (
        tables.queue,
        [
            queue_row(row, risks[id_], effects.get(id_), runs[id_], gists[id_], names.get(row.scenario or ""))
            for id_, row in rows.items()
        ],
    )
    yield tables.held, [row for release in _releases(shelf) for row in held_rows(shelf, *release)]
