"""The migrations lead to exactly the tables that the rooms declare."""

import pkgutil
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import preceptor
from preceptor.dialogue.tools import record as tool_record
from preceptor.errors import Conflict
from preceptor.library import cases, tables
from preceptor.llm import ledger, sharing
from preceptor.logs import tables as log_tables
from preceptor.serving import tables as serving_tables
from preceptor.settings import errands
from preceptor.storage import migrations, records, runs, signals, vectors
from preceptor.storage.database import Database, metadata
from preceptor.web import tables as web_tables

from .steps import NOT_OURS, STEPS, make, rows, unopened

ROOMS = (
    cases,
    tables,
    errands,
    ledger,
    log_tables,
    records,
    runs,
    sharing,
    signals,
    serving_tables,
    tool_record,
    vectors,
    web_tables,
)


def test_migrations_make_what_the_rooms_declare(db: Database) -> None:
    with db.reading() as connection:
        options = {"compare_type": True, "compare_server_default": True, "include_name": _ours}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
        inspector = sa.inspect(connection)
        for table in metadata.sorted_tables:
            assert inspector.get_pk_constraint(table.name)["constrained_columns"] == [c.name for c in table.primary_key]
            made = {column["name"]: column["nullable"] for column in inspector.get_columns(table.name)}
            assert made == {column.name: column.nullable for column in table.columns}


def _ours(name: str | None, kind: str, _: object) -> bool:
    return kind != "table" or name not in NOT_OURS


@pytest.mark.parametrize("step", STEPS)
def test_from_every_step_rows_come_along(bare: str, step: str) -> None:
    before = make(bare, step)
    with Database.open(bare) as db, db.reading() as connection:
        after = rows(connection)
        assert migrations.revision(connection, db.name) == migrations.HEAD
    assert all(len(some) == 3 for some in before.values())
    for table, some in before.items():
        there = [{name: row[name] for name in some[0] if name not in SEALS} for row in after[table]]
        assert [row for row in map(_unsealed, some) if row not in there] == []


SEALS = ("hash", "entry", "touched")
"""Columns that a step may fill anew."""


def _unsealed(row: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name not in SEALS}


def test_a_newer_database_is_refused_and_left(bare: str) -> None:
    make(bare, migrations.HEAD)
    version = sa.table("alembic_version", sa.column("version_num"))
    with unopened(bare) as db:
        with db.begin() as connection:
            connection.execute(sa.update(version).values(version_num="9999"))
        with db.reading() as connection:
            before = rows(connection)
        for create in (True, False):
            with pytest.raises(Conflict, match=r"newer version .*9999"):
                Database.open(bare, create=create)
        with db.reading() as connection:
            assert rows(connection) == before
            assert connection.scalar(sa.select(version)) == "9999"


def test_every_room_with_tables_is_compared() -> None:
    """A module that declares tables elsewhere would escape the comparison above."""
    root = Path(preceptor.__file__).parent
    declaring = {str(path) for path in root.rglob("*.py") if "sa.Table(\n" in path.read_text("utf-8")}
    assert declaring == {room.__file__ for room in ROOMS}


def test_head_is_the_newest_step_and_steps_are_in_line() -> None:
    script = ScriptDirectory(Path(migrations.__file__).parent)
    assert script.get_heads() == [migrations.HEAD]
    files = [name for _, name, _ in pkgutil.iter_modules([str(Path(migrations.__file__).parent / "versions")])]
    assert len(files) == len(list(script.walk_revisions()))


def test_the_schema_is_one_postgresql_understands() -> None:
    for table in metadata.sorted_tables:
        assert str(sa.schema.CreateTable(table).compile(dialect=sa.make_url("postgresql://").get_dialect()()))
