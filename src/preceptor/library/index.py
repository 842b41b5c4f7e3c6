"""What lists of strategies need, kept beside the library and brought up to date with every change of it.

A list of 20,000 strategies cannot work out flags, doubles and effects each time it is shown, so they are stored when
they change, in the transaction that changes them: `queue` and `phrases` (a row each for every strategy's newest
version), `marks` (its flags), `homes` (scenarios) and `held` (what releases hold). All of it can be made anew from the
library at any time, and is, when its form changes.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import orjson
import sqlalchemy as sa

from preceptor.library import tables
from preceptor.library.gist import Gist, Relation, gist, relation
from preceptor.library.rows import STALE, Reach, Shelf, batches

FORM = 1
"""Raised when what is derived, or how, changes: then everything is made anew."""
GENERAL = ""
"""Stands for the scenario of a general strategy."""
MEASURES = ("acceptance", "general", "consolidation")
"""Kinds of evidence whose effect is the strategy's own."""

Pair = tuple[str, str, Relation]
"""Two strategies, and what they are to each other."""
Row = dict[str, Any]
_NOWHERE: Row = {"place": 0, "share": 0.0, "description": ""}
"""For a strategy whose scenario is not known."""
_Place = tuple[str, Gist]
"""A strategy's scenario, and its gist."""


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
    for table in (tables.queue, tables.phrases, tables.marks, tables.held):
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
    places = {row.strategy: row.scenario for row in _stored(shelf, tables.queue, rows)}
    before = {row.strategy: (places[row.strategy], row.gist) for row in _stored(shelf, tables.phrases, rows)}
    gists = {id_: gist(row.text) for id_, row in rows.items()}
    moved = {
        id_: (row.scenario or GENERAL, gists[id_])
        for id_, row in rows.items()
        if before.get(id_) != (row.scenario or GENERAL, str(gists[id_]))
    }
    former = _relate(shelf, moved)
    _mark_own(shelf, rows)
    risks = _stand(shelf, rows, former)
    effects, runs = _measured(shelf, rows)
    homes = _homes(shelf, {row.scenario or GENERAL for row in rows.values()})
    _delete(shelf, tables.queue, rows)
    _delete(shelf, tables.phrases, rows)
    if rows:
        shelf.connection.execute(
            tables.queue.insert(),
            [queue_row(row, risks.get(id_, 0), effects.get(id_), runs[id_], homes) for id_, row in rows.items()],
        )
        shelf.connection.execute(
            tables.phrases.insert(), [phrase_row(row, gists[id_], homes) for id_, row in rows.items()]
        )


def queue_row(row: Any, risk: int, effect: Mapping[str, Any] | None, run: str, homes: Mapping[str, Row]) -> Row:
    """A strategy's newest version as lists need it."""
    measured = {name: effect[name] if effect else None for name in ("mean", "low", "high", "n", "unit")}
    home = homes.get(row.scenario or GENERAL, _NOWHERE)
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
        "place": home["place"],
        "share": home["share"],
    }


def phrase_row(row: Any, about: Gist, homes: Mapping[str, Row]) -> Row:
    """What is searched of a strategy, and what its likeness goes by."""
    home = homes.get(row.scenario or GENERAL, _NOWHERE)["description"]
    words = "\n".join((row.id, row.text, row.reason, home, row.scenario or "")).casefold()
    return {"library": row.library, "strategy": row.id, "gist": str(about), "words": words}


def _relate(shelf: Shelf, moved: Mapping[str, _Place]) -> set[str]:
    """Find out what strategies in new words or places are to their neighbours; who were their neighbours before."""
    if not moved:
        return set()
    marks = tables.marks
    former = {mark.strategy for mark in _marks_about(shelf, moved) if mark.other}
    for some in batches(moved):
        mine = sa.or_(marks.c.strategy.in_(some), marks.c.other.in_(some))
        shelf.connection.execute(marks.delete().where(marks.c.library == shelf.library, marks.c.other != "", mine))
    found = [mark for pair in pairs(moved, _neighbours(shelf, moved)) for mark in _both(shelf, pair)]
    if found:
        shelf.connection.execute(marks.insert(), found)
    return former - moved.keys()


def _both(shelf: Shelf, pair: Pair) -> list[Row]:
    one, other, told = pair
    return [
        {"library": shelf.library, "strategy": mine, "flag": told, "other": theirs, "standing": False}
        for mine, theirs in ((one, other), (other, one))
    ]


def pairs(moved: Mapping[str, _Place], others: Iterable[tuple[str, _Place]]) -> set[Pair]:
    """Doubles and contradictions among `moved`, and between them and `others`, each once.

    Whoever shares no word with any is passed over: 20,000 strategies beside 200 general ones are four million pairs.
    """
    pools: defaultdict[str, _Pool] = defaultdict(_Pool)
    for id_, (home, about) in moved.items():
        pools[home].add(id_, about)
    found: set[Pair] = set()
    for id_, (home, about) in chain(others, moved.items()):
        beside = list(pools.values()) if home == GENERAL else [pools[one] for one in (home, GENERAL) if one in pools]
        for other, told in (pair for pool in beside for pair in pool.near(about)):
            if other != id_:
                found.add((min(id_, other), max(id_, other), told))
    return found


class _Pool:
    """Strategies of one scenario, by the words in them."""

    def __init__(self) -> None:
        self._gists: dict[str, Gist] = {}
        self._by_word: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, id_: str, about: Gist) -> None:
        self._gists[id_] = about
        for word in about.words:
            self._by_word[word].append(id_)

    def near(self, about: Gist) -> Iterator[tuple[str, Relation]]:
        for id_ in {id_ for word in about.words if word in self._by_word for id_ in self._by_word[word]}:
            if told := relation(about, self._gists[id_]):
                yield id_, told


def _neighbours(shelf: Shelf, moved: Mapping[str, _Place]) -> Iterator[tuple[str, _Place]]:
    """Those that can stand in one prompt with any of `moved`."""
    queue, phrases = tables.queue.c, tables.phrases.c
    homes = {home for home, _ in moved.values()}
    same = sa.and_(phrases.library == queue.library, phrases.strategy == queue.strategy)
    wanted = sa.select(queue.strategy, queue.scenario, phrases.gist).join(tables.phrases, same)
    wanted = wanted.where(queue.library == shelf.library)
    chosen = [wanted] if GENERAL in homes else [wanted.where(queue.scenario.in_(s)) for s in batches((*homes, GENERAL))]
    for id_, home, about in (row for select in chosen for row in shelf.connection.execute(select)):
        if id_ not in moved:
            yield id_, (home, Gist.read(about))


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


def _stand(shelf: Shelf, rows: Mapping[str, Any], former: Collection[str]) -> dict[str, int]:
    """Say which marks stand, of these strategies and of their neighbours; how many stand, for each of these.

    `former`: strategies that were neighbours before, and may have a mark less.
    """
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
    others = {mark.strategy for mark in found}.union(former) - rows.keys()
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


def _homes(shelf: Shelf, scenarios: Iterable[str]) -> dict[str, Row]:
    homes = tables.homes
    found: dict[str, Row] = {}
    for some in batches(scenarios):
        mine = sa.select(homes).where(homes.c.library == shelf.library, homes.c.scenario.in_(some))
        found |= {row.scenario: dict(row._mapping) for row in shelf.connection.execute(mine)}
    return found


def _rehome(shelf: Shelf) -> None:
    """Scenarios as lists need them; what a run has measured of them stays."""
    homes, queue = tables.homes, tables.queue
    mine = homes.c.library == shelf.library
    before = {row.scenario: dict(row._mapping) for row in shelf.connection.execute(sa.select(homes).where(mine))}
    known = {id_: Reach(row["hits"], row["turns"], row["run"]) for id_, row in before.items() if row["run"] is not None}
    fresh = {row["scenario"]: row for row in home_rows(shelf, known | shelf.reached)}
    shelf.reached = {}
    if fresh == before:
        return
    shelf.connection.execute(homes.delete().where(mine))
    shelf.connection.execute(homes.insert(), list(fresh.values()))
    same = sa.and_(homes.c.library == queue.c.library, homes.c.scenario == queue.c.scenario)
    values = {
        name: sa.func.coalesce(sa.select(homes.c[name]).where(same).scalar_subquery(), _NOWHERE[name])
        for name in ("place", "share")
    }
    shelf.connection.execute(queue.update().where(queue.c.library == shelf.library).values(values))
    renamed = [id_ for id_, row in fresh.items() if before.get(id_, _NOWHERE)["description"] != row["description"]]
    for some in batches(renamed):
        inside = sa.select(queue.c.strategy).where(queue.c.library == shelf.library, queue.c.scenario.in_(some))
        _update(shelf, set(shelf.connection.scalars(inside)))


def home_rows(shelf: Shelf, reached: Mapping[str, Reach]) -> list[Row]:
    """`homes`, from the scenarios and what runs have measured of them; the rest is estimated from the examples."""
    rows = shelf.scenario_rows()
    examples = {id_: 0 if row.retired else len(orjson.loads(row.examples)) for id_, row in rows.items()}
    total = sum(examples.values())
    told = {GENERAL: ("", total), **{id_: (row.description, examples[id_]) for id_, row in rows.items()}}
    found = []
    for place, (id_, (description, hits)) in enumerate(sorted(told.items(), key=lambda one: (one[1][0], one[0]))):
        reach = reached.get(id_, Reach(hits, total))
        figures = {"hits": reach.hits, "turns": reach.turns, "run": reach.run, "place": place, "share": reach.share}
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
    marks = [mark for pair in pairs(moved, ()) for mark in _both(shelf, pair)]
    marks = [mark | {"standing": standing(rows[mark["other"]])} for mark in marks] + _own(shelf, rows)
    risks = Counter(mark["strategy"] for mark in marks if mark["standing"])
    effects, runs = _measured(shelf, rows)
    homes = home_rows(shelf, reached)
    by_id = {row["scenario"]: row for row in homes}
    yield tables.homes, homes
    yield tables.marks, marks
    queue = [queue_row(row, risks[id_], effects.get(id_), runs[id_], by_id) for id_, row in rows.items()]
    yield tables.queue, queue
    yield tables.phrases, [phrase_row(row, gists[id_], by_id) for id_, row in rows.items()]
    yield tables.held, [row for release in _releases(shelf) for row in held_rows(shelf, *release)]
