"""Databases as earlier versions left them: at each step of the schema, with rows in every table."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.script import ScriptDirectory

from preceptor.storage import migrations, postgres, sqlite
from preceptor.storage.database import Database

STEPS = tuple(reversed([s.revision for s in ScriptDirectory(Path(migrations.__file__).parent).walk_revisions()]))
NOT_OURS = ("alembic_version", postgres.WRITERS)
Rows = dict[str, list[dict[str, Any]]]
"""By table."""


def make(place: str, step: str) -> Rows:
    """Make a database at a step of the schema; what is in it."""
    with Database.at(place) as db, db.filling() as connection:
        migrations.run(connection, None, db.name, step)
        db.settle(connection)
        return {table.name: _fill(connection, table) for table in tables(connection)}


def unopened(place: str) -> Database:
    """A database as it is: opening would bring it up to date."""
    if "://" in place:
        return Database(postgres.engine(sa.make_url(place.replace("postgresql:", "postgresql+psycopg:"))), place)
    engine = sa.create_engine(f"sqlite:///{place}")
    sqlite.prepare(engine)
    return Database(engine, place)


def tables(connection: sa.Connection) -> list[sa.Table]:
    found = sa.MetaData()
    found.reflect(connection, only=lambda name, _: name not in NOT_OURS)
    return found.sorted_tables


def rows(connection: sa.Connection) -> Rows:
    """Everything there is."""
    return {
        table.name: [dict(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key)).mappings()]
        for table in tables(connection)
    }


def _fill(connection: sa.Connection, table: sa.Table) -> list[dict[str, Any]]:
    made = [{column.name: _value(column, n) for column in table.columns} for n in range(3)]
    connection.execute(sa.insert(table), made)
    return made


def _value(column: sa.Column[Any], n: int) -> Any:
    """Some are NULL; those that refer to another table name its row of this number."""
    for key in column.foreign_keys:
        return _value(key.column, n)
    if column.nullable and n == 1:
        return None
    match column.type:
        case sa.Boolean():
            return n == 0
        case sa.LargeBinary():
            return bytes([n, 0, 255])
        case sa.Integer():
            return n + 1
        case sa.Float():
            return n + 0.1
        case _:
            return f"{column.name} Zoë {n}"
