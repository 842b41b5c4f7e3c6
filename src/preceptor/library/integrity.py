"""Whether a library is what its trail says: every line, every row, and where each strategy stands.

What is found: a line that was changed, removed, inserted or swapped, or cut off at the end; a row of a strategy,
scenario, release, step or piece of evidence that no line, or another line, told of; a decision, a deferral or the live
pointer that was moved behind the trail's back; a list that shows something else than the library holds.

What is not: somebody who may write to the whole database can make a whole new trail that fits. Against that, the head
is noted elsewhere, and `verify` is told what it was.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import orjson
import sqlalchemy as sa

from preceptor.library import index, tables, trail
from preceptor.library.releases import LIVE
from preceptor.library.rows import Reach, Shelf, Use, batches
from preceptor.storage.canonical import content_hash
from preceptor.storage.database import metadata

Row = dict[str, Any]
Line = sa.RowMapping
"""A row as it is in the database."""
_VERSIONED = ("scenarios", "strategies")


@dataclass(frozen=True)
class Problem:
    """Something that is not what it was."""

    where: str
    """The table, or ``trail``."""
    subject: str
    """Which line or row, as far as it can be told."""
    told: str
    """A sentence."""


@dataclass(frozen=True)
class Report:
    """What was found."""

    entries: int
    head: str
    """The hash of the last line: note it somewhere else."""
    problems: tuple[Problem, ...]

    @property
    def sound(self) -> bool:
        return not self.problems


def verify(shelf: Shelf, noted: str | None = None) -> Report:
    """Hold a library against its trail.

    Args:
        noted: a head that was noted before, or its first 12 digits or more.
    """
    lines = [row._mapping for row in shelf.connection.execute(_mine(shelf, tables.trail).order_by(tables.trail.c.n))]
    rows = {name: _rows(shelf, metadata.tables[name]) for name in trail.SEALED}
    facts = {line["n"]: _facts(line) for line in lines}
    problems = [
        *_chain(lines),
        *_head(shelf, lines, noted),
        *_sealed(rows, facts, _births(rows["strategies"], lines)),
        *_standings(rows["strategies"], lines),
        *_newest(rows),
        *_library(shelf, lines, facts),
        *_contexts(shelf, rows),
    ]
    if not problems:
        problems = list(_lists(shelf, facts))
    return Report(len(lines), lines[-1]["hash"] if lines else "", tuple(problems))


def verify_all(connection: sa.Connection) -> dict[str, Report]:
    """`verify` of each library in a database, and of what says it belongs to one."""
    named = (tables.libraries.c.name, tables.trail.c.library, tables.heads.c.library)
    names = {str(name) for column in named for name in connection.scalars(sa.select(column).distinct())}
    return {name: verify(Shelf(connection, name)) for name in sorted(names)}


def _mine(shelf: Shelf, table: sa.Table) -> sa.Select[Any]:
    return sa.select(table).where(table.c.library == shelf.library)


def _rows(shelf: Shelf, table: sa.Table) -> list[Line]:
    keys = list(table.primary_key)
    return [row._mapping for row in shelf.connection.execute(_mine(shelf, table).order_by(*keys))]


def _facts(line: Line) -> Row:
    try:
        facts = orjson.loads(line["facts"])
    except (orjson.JSONDecodeError, TypeError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _chain(lines: Sequence[Line]) -> Iterator[Problem]:
    """Each line follows the one before, and holds what its hash is of."""
    before = ""
    for n, line in enumerate(lines, 1):
        if line["n"] != n:
            yield Problem("trail", f"line {n}", f"Line {n} is missing: the next is {line['n']!r}.")
            return
        if line["hash"] != trail.link(before, line):
            yield Problem("trail", f"line {n}", f"Line {n} is not what was written, or does not follow line {n - 1}.")
        before = line["hash"]


def _head(shelf: Shelf, lines: Sequence[Line], noted: str | None) -> Iterator[Problem]:
    head = shelf.connection.execute(_mine(shelf, tables.heads)).first()
    last = (lines[-1]["n"], lines[-1]["hash"]) if lines else None
    if (None if head is None else (head.n, head.hash)) != last:
        there, said = last[0] if last else "none", head.n if head else "none"
        yield Problem("heads", "head", f"The trail does not end where it should: last line {there}, noted {said}.")
    if noted is not None and not any(str(line["hash"]).startswith(noted) for line in lines if len(noted) >= 12):
        yield Problem(
            "trail",
            "head",
            f"The trail does not hold {noted[:64]!r}: what was there when it was noted is not there now.",
        )


def _births(strategies: Iterable[Line], lines: Sequence[Line]) -> dict[str, Any]:
    """By ``ID@VERSION``: the decision it began with, which is what the first decision on it was made from."""
    found: dict[str, Any] = {f"{row['id']}@{row['version']}": row["decision"] for row in strategies}
    entries = {f"{row['id']}@{row['version']}": row["entry"] for row in strategies}
    seen: set[str] = set()
    for line in lines:
        subject = line["subject"]
        if line["what"] == "decide" and subject in found and subject not in seen and _later(line, entries[subject]):
            found[subject] = line["before"]
            seen.add(subject)
    return found


def _later(line: Line, entry: Any) -> bool:
    return isinstance(entry, int) and isinstance(line["n"], int) and line["n"] > entry


def _sealed(
    rows: Mapping[str, Sequence[Line]], facts: Mapping[int, Row], births: Mapping[str, Any]
) -> Iterator[Problem]:
    """Each row is one that its line told of, and none is missing."""
    for name, found in rows.items():
        there = _digests(name, found, births)
        told = {n: fact[name] for n, fact in facts.items() if name in fact}
        wrong = [n for n in {*there, *told} if there.get(n) != told.get(n)]
        if name == "strategies" and wrong:
            # Nobody decided on them, so they began as pending, unless a version before them was decided on.
            pending = _digests(name, found, dict.fromkeys(births, "pending"))
            if all(pending.get(n) == told.get(n) for n in wrong):
                moved = {f"{row['id']}@{row['version']}" for row in found if row["entry"] in wrong}
                for key in sorted(key for key in moved if births[key] != "pending"):
                    yield Problem(name, key, f"'decision' of {key} is {births[key]!r}; the trail says 'pending'.")
                continue
        for n in wrong:
            count, have = (one[0] if one else 0 for one in (told.get(n), there.get(n)))
            yield Problem(
                name,
                f"line {n}",
                f"Line {n} told of {count} {name}; there are {have}, and they are not the same as then.",
            )


def _digests(name: str, rows: Iterable[Line], births: Mapping[str, Any]) -> dict[Any, list[Any]]:
    """By the line that told of them: how many rows, and their digest."""
    table = metadata.tables[name]
    hashes: defaultdict[Any, list[str]] = defaultdict(list)
    for row in rows:
        values = dict(row)
        if name == "strategies":
            values["decision"] = births[f"{row['id']}@{row['version']}"]
        hashes[row["entry"]].append(trail.row_hash(table, values))
    return {n: [len(mine), trail.digest(mine)] for n, mine in hashes.items()}


def _standings(strategies: Iterable[Line], lines: Sequence[Line]) -> Iterator[Problem]:
    """Each strategy stands where the trail left it."""
    about: defaultdict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if line["what"] in ("decide", "defer"):
            about[line["subject"]].append(line)
    for row in strategies:
        subject = f"{row['id']}@{row['version']}"
        mine = [line for line in about.pop(subject, ()) if _later(line, row["entry"])]
        decision, deferred, touched = row["decision"], None, row["entry"]
        decided = [line for line in mine if line["what"] == "decide"]
        if decided:
            decision = decided[-1]["after"]
        for one, other in pairwise(decided):
            if one["after"] != other["before"]:
                yield Problem("trail", subject, f"Line {other['n']} does not go on from line {one['n']}.")
        for line in mine:
            deferred = line["after"] if line["what"] == "defer" else None
            touched = line["n"]
        for name, value in (("decision", decision), ("deferred", deferred), ("touched", touched)):
            if row[name] != value:
                yield Problem(
                    "strategies", subject, f"{name!r} of {subject} is {row[name]!r}; the trail says {value!r}."
                )


def _newest(rows: Mapping[str, Sequence[Line]]) -> Iterator[Problem]:
    """Versions are without gaps, and the last of each is the newest."""
    for name in _VERSIONED:
        versions: defaultdict[Any, list[tuple[Any, bool]]] = defaultdict(list)
        for row in rows[name]:
            versions[row["id"]].append((row["version"], row["latest"]))
        for id_, found in versions.items():
            expected = [(n, n == len(found)) for n in range(1, len(found) + 1)]
            if found != expected:
                yield Problem(
                    name, str(id_), f"The versions of {id_!r} are not as they were, or another one is newest."
                )


def _library(shelf: Shelf, lines: Sequence[Line], facts: Mapping[int, Row]) -> Iterator[Problem]:
    """The live pointer, and how strategies are used."""
    row = shelf.connection.execute(sa.select(tables.libraries).where(tables.libraries.c.name == shelf.library)).first()
    if row is None:
        if lines:
            yield Problem("libraries", shelf.library, f"There is a trail, and no library {shelf.library!r}.")
        return
    moves = [line["after"] for line in lines if line["subject"] == LIVE]
    live = moves[-1] if moves else None
    if row.live != live:
        yield Problem("libraries", "live", f"{row.live!r} is live; the trail says {live!r}.")
    use = {name: getattr(row, name) for name in Use().columns()}
    told = next((fact["use"] for _, fact in sorted(facts.items(), reverse=True) if "use" in fact), Use().columns())
    if use != told:
        yield Problem("libraries", "use", f"The library's settings are {use!r}; the trail says {told!r}.")
    fresh = not lines or lines[-1]["what"] == "chain"
    if row.indexed != index.FORM and not (fresh and row.indexed == 0):
        yield Problem("libraries", "indexed", "The library says that its lists are not up to date.")


def _contexts(shelf: Shelf, rows: Mapping[str, Sequence[Line]]) -> Iterator[Problem]:
    """Each context is there, and is what its name says."""
    keys = {row["context"] for row in rows["evidence"] if row["context"] is not None}
    for row in rows["scenarios"]:
        keys |= _texts(row["examples"])
    table, there = tables.contexts, set()
    for some in batches(sorted(map(str, keys))):
        for context in shelf.connection.execute(sa.select(table).where(table.c.key.in_(some))):
            there.add(context.key)
            if _key(context.turns) != context.key:
                yield Problem("contexts", context.key, f"Context {context.key!r} is not what it was.")
    for key in sorted(map(str, keys - there)):
        yield Problem("contexts", key, f"Context {key!r} is missing.")


def _texts(examples: Any) -> set[str]:
    try:
        found = orjson.loads(examples)
    except (orjson.JSONDecodeError, TypeError):
        return set()
    return {str(key) for key in found} if isinstance(found, list) else set()


def _key(turns: Any) -> str:
    try:
        return content_hash(orjson.loads(turns))[:16]
    except (orjson.JSONDecodeError, TypeError):
        return ""


def _lists(shelf: Shelf, facts: Mapping[int, Row]) -> Iterator[Problem]:
    """What lists show is what the library holds; asked only when the rest is sound."""
    if shelf.indexed() != index.FORM:
        return
    reached = {id_: Reach(*one) for _, fact in sorted(facts.items()) for id_, one in fact.get("reach", {}).items()}
    for table, expected in index.derived(shelf, reached):
        keys = [column.name for column in table.primary_key]
        there = {tuple(row[key] for key in keys): dict(row) for row in _rows(shelf, table)}
        wanted = {tuple(row[key] for key in keys): row for row in expected}
        for key in sorted({*there, *wanted}, key=str):
            if there.get(key) != wanted.get(key):
                yield Problem(
                    table.name, "/".join(map(str, key[1:])), f"A list ({table.name}) shows {key[1:]!r} as it is not."
                )
