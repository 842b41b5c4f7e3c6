"""The trail: what was done to a library, line by line, each line holding the hash of the one before.

A line says who did what to which subject, when, from what to what, why, and what was on the screen. Its `facts` are
digests of the rows that were written with it, so that what the tables hold today can be held against it
(`library.integrity`). Lines are only ever appended.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from preceptor.library import tables
from preceptor.storage.canonical import canonical
from preceptor.storage.text import begins

LINE = ("library", "n", "at", "who", "what", "subject", "before", "after", "note", "seen", "facts")
"""What a line's hash is of, after the hash of the line before; in this order."""
SEALED: Mapping[str, tuple[sa.Column[Any], ...]] = {
    table.name: tuple(column for column in table.columns if column.name not in ("latest", "touched", "deferred"))
    for table in (tables.scenarios, tables.strategies, tables.evidence, tables.steps, tables.releases)
}
"""By table: what a row's hash is of, in this order. A strategy's decision is the one it began with."""
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters that make a cell a formula where a spreadsheet opens it (OWASP, CSV injection)."""


@dataclass(frozen=True)
class Entry:
    """One line of the trail."""

    n: int
    at: str
    """ISO 8601, UTC."""
    who: str
    """A person, or the run."""
    what: str
    """``store``, ``decide``, ``edit``, ``defer``, ``comment``, ``import``, ``assemble``, ``release``, ``rollback`` or
    ``chain``."""
    subject: str
    """``STRATEGY@VERSION``, ``live``, ``release``, ``library``, or the step of a run."""
    before: str | None
    after: str | None
    note: str = ""
    seen: str | None = None
    """What was on the screen: JSON with the version, the keys of the evidence and the effect; None: nobody said."""
    facts: str = "{}"
    """JSON: digests of the rows that were written with this line."""
    hash: str = ""
    """64 hex digits; the chain up to and including this line."""

    @property
    def strategy(self) -> str | None:
        """The id of the strategy it is about."""
        id_, at, _ = self.subject.partition("@")
        return id_ if at else None


@dataclass(frozen=True)
class Wanted:
    """Which lines; None does not filter."""

    who: str | None = None
    what: str | None = None
    subject: str | None = None
    """A strategy's id (all its versions), ``ID@VERSION``, ``live``…"""
    since: str | None = None
    """ISO 8601, UTC; a date will do."""
    until: str | None = None
    """Up to, not including."""


def link(before: str, line: Mapping[str, Any] | sa.RowMapping) -> str:
    """The hash of a line that follows one with the hash `before` (empty for the first)."""
    return _hash([before, *(line[name] for name in LINE)])


def row_hash(table: sa.Table, values: Mapping[str, Any]) -> str:
    """The hash of a row as it was written."""
    return _hash([_plain(column, values[column.name]) for column in SEALED[table.name]])


def digest(hashes: Iterable[str]) -> str:
    """Of rows in whatever order."""
    return hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()


def entry_of(row: Any) -> Entry:
    line = (row.n, row.at, row.who, row.what, row.subject, row.before, row.after, row.note)
    return Entry(*line, row.seen, row.facts, row.hash)


def read(
    connection: sa.Connection, library: str, wanted: Wanted | None = None, after: int = 0, limit: int | None = None
) -> tuple[Entry, ...]:
    """The lines in order, at most `limit`, from those with a number above `after`."""
    found = sa.select(tables.trail).where(*_matching(library, wanted or Wanted()), tables.trail.c.n > after)
    return tuple(map(entry_of, connection.execute(found.order_by(tables.trail.c.n).limit(limit))))


def page(connection: sa.Connection, library: str, wanted: Wanted, before: int | None, limit: int) -> tuple[Entry, ...]:
    """At most `limit` lines, newest first, from those with a number below `before`."""
    found = sa.select(tables.trail).where(*_matching(library, wanted)).order_by(tables.trail.c.n.desc()).limit(limit)
    if before is not None:
        found = found.where(tables.trail.c.n < before)
    return tuple(map(entry_of, connection.execute(found)))


def _matching(library: str, wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    column = tables.trail.c
    found = [column.library == library]
    found += [column[name] == value for name in ("who", "what") if (value := getattr(wanted, name)) is not None]
    if wanted.subject is not None:
        versions = begins(column.subject, f"{wanted.subject}@")
        found.append(sa.or_(column.subject == wanted.subject, versions))
    found += [column.at >= wanted.since] if wanted.since else []
    found += [column.at < wanted.until] if wanted.until else []
    return found


def to_jsonl(entries: Iterable[Entry]) -> Iterator[str]:
    """A line of JSON for each; with `facts` and `seen` as they were hashed."""
    for entry in entries:
        yield canonical(entry).decode() + "\n"


COLUMNS = ("n", "at", "who", "what", "subject", "before", "after", "note", "seen", "hash")


def to_csv(entries: Iterable[Entry]) -> Iterator[str]:
    """For spreadsheets, with a heading. A cell that would be taken for a formula begins with an apostrophe."""
    yield _csv(COLUMNS)
    for entry in entries:
        yield _csv([harmless(getattr(entry, name)) for name in COLUMNS])


def harmless(value: Any) -> str:
    """A cell's text that no spreadsheet runs."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def _csv(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()


def _plain(column: sa.Column[Any], value: Any) -> Any:
    if isinstance(column.type, sa.Float) and isinstance(value, int | float):
        return float(value) + 0.0  # -0.0 comes back from a database as 0.0
    return bool(value) if isinstance(column.type, sa.Boolean) else value


def _hash(value: Any) -> str:
    # Bytes where text should be are an alteration too, so they have a hash.
    return hashlib.sha256(orjson.dumps(value, default=repr)).hexdigest()
