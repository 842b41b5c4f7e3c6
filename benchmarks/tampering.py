"""Somebody who alters a library's rows behind the trail's back: one alteration at a time, of any column of any row.

`alterations` draws them from a seed. Each is made inside a transaction that is rolled back, so that a thousand of them
meet the same library. An alteration that changes nothing (a value drawn twice) is drawn again.

`rewrite` is somebody with time: a line is changed, and every hash after it made anew, the head included.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from preceptor.errors import Defect
from preceptor.library import tables, trail
from preceptor.library.integrity import verify_all
from preceptor.storage.database import Database

TABLES = (
    tables.trail,
    tables.heads,
    tables.libraries,
    tables.strategies,
    tables.scenarios,
    tables.evidence,
    tables.contexts,
    tables.steps,
    tables.releases,
    tables.queue,
    tables.phrases,
    tables.marks,
    tables.homes,
    tables.held,
)
KINDS = ("change", "change", "change", "remove", "insert", "swap", "cut")
WORDS = (
    "ann",
    "bob",
    "approved",
    "rejected",
    "pending",
    "accepted",
    "refused",
    "decide",
    "edit",
    "live",
    "[]",
    "{}",
    "",
)


@dataclass(frozen=True)
class Alteration:
    """What was done, in words, and how often it was made good."""

    kind: str
    table: str
    column: str
    found: bool
    told: str


class _Undo(Exception):
    """Leaves the library as it was."""


def alterations(db: Database, count: int, seed: int) -> Iterator[Alteration]:
    """So many alterations, each verified and undone."""
    chance = random.Random(seed)
    while count:
        made = _one(db, chance)
        if made is not None:
            count -= 1
            yield made


def _one(db: Database, chance: random.Random) -> Alteration | None:
    table, kind = chance.choice(TABLES), chance.choice(KINDS)
    made = None
    try:
        with db.begin() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
            column = _alter(connection, table, kind, chance)
            if column is not None:
                problems = [one for report in verify_all(connection).values() for one in report.problems]
                told = problems[0].told if problems else ""
                made = Alteration(kind, table.name, column, bool(problems), told)
            raise _Undo
    except (_Undo, sa.exc.IntegrityError):
        return made


def _alter(connection: sa.Connection, table: sa.Table, kind: str, chance: random.Random) -> str | None:
    """Do it; the column, or None where nothing came of it."""
    rows = [dict(row._mapping) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]
    if not rows:
        return None
    row = chance.choice(rows)
    column = chance.choice(list(table.columns))
    match kind:
        case "change":
            value = _other(column, row, rows, chance)
            if value == row[column.name]:
                return None
            connection.execute(table.update().where(_this(table, row)).values({column.name: value}))
        case "remove":
            connection.execute(table.delete().where(_this(table, row)))
            return "*"
        case "insert":
            if table is tables.contexts:
                return None  # shared by all libraries; one that nothing refers to is no part of any
            key = chance.choice([one for one in table.primary_key if one.name != "library"] or list(table.primary_key))
            connection.execute(table.insert(), row | {key.name: _new(key, rows)})
            return "*"
        case "swap":
            other = chance.choice(rows)
            if column.primary_key or other[column.name] == row[column.name]:
                return None
            for one, value in ((row, other[column.name]), (other, row[column.name])):
                connection.execute(table.update().where(_this(table, one)).values({column.name: value}))
        case "cut":
            if table is not tables.trail:
                return None
            last = chance.randint(2, len(rows))
            connection.execute(table.delete().where(table.c.n >= last))
            return "*"
    return column.name


def _this(table: sa.Table, row: dict[str, Any]) -> sa.ColumnElement[bool]:
    return sa.and_(*(column == row[column.name] for column in table.primary_key))


def _other(column: sa.Column[Any], row: dict[str, Any], rows: list[dict[str, Any]], chance: random.Random) -> Any:
    """Another value: of another row, or a plausible one."""
    old = row[column.name]
    if chance.random() < 0.4:
        return chance.choice(rows)[column.name]
    if isinstance(column.type, sa.Boolean):
        return not old
    if isinstance(column.type, sa.Integer):
        return (old or 0) + chance.choice((-1, 1, 2, 100))
    if isinstance(column.type, sa.Float):
        return (old or 0.0) + chance.choice((-0.25, 1e-6, 1.0))
    if column.nullable and chance.random() < 0.3:
        return None
    text = str(old or "")
    at = chance.randrange(len(text) + 1)
    return chance.choice(
        (text[:at] + chance.choice("abc0 ") + text[at:], text[:at] + text[at + 1 :], chance.choice(WORDS))
    )


def _new(column: sa.Column[Any], rows: list[dict[str, Any]]) -> Any:
    if isinstance(column.type, sa.Integer):
        return max(row[column.name] for row in rows) + 1
    return f"{max(str(row[column.name]) for row in rows)}x"


def rewrite(db: Database, library: str, n: int) -> None:
    """Change who it was in a line, and make the chain fit again. For good."""
    with db.begin() as connection:
        column = tables.trail.c
        mine = column.library == library
        connection.execute(tables.trail.update().where(mine, column.n == n).values(who="somebody else"))
        last = ""
        for row in connection.execute(sa.select(tables.trail).where(mine).order_by(column.n)).all():
            last = trail.link(last, row._mapping)
            connection.execute(tables.trail.update().where(mine, column.n == row.n).values(hash=last))
        connection.execute(tables.heads.update().where(tables.heads.c.library == library).values(hash=last))


def sound(db: Database) -> None:
    """Whatever is found later was made here.

    Raises:
        Defect: the library is not sound to begin with.
    """
    with db.reading() as connection:
        problems = [one for report in verify_all(connection).values() for one in report.problems]
    if problems:
        raise Defect(f"The library is not sound: {problems[0].told}")
