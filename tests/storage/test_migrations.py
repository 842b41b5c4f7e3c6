"""The migrations lead to exactly the tables that the rooms declare."""

import pkgutil
from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import preceptor
from preceptor.library import tables
from preceptor.llm import ledger
from preceptor.serving import tables as serving_tables
from preceptor.storage import migrations, records, runs, signals, vectors
from preceptor.storage.database import Database, metadata
from preceptor.web import tables as web_tables

ROOMS = (tables, ledger, records, runs, signals, serving_tables, vectors, web_tables)


def test_migrations_make_what_the_rooms_declare(tmp_path: Path) -> None:
    with Database.open(tmp_path / "p.db") as db, db.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        inspector = sa.inspect(connection)
        for table in metadata.sorted_tables:
            assert inspector.get_pk_constraint(table.name)["constrained_columns"] == [c.name for c in table.primary_key]
            made = {column["name"]: column["nullable"] for column in inspector.get_columns(table.name)}
            assert made == {column.name: column.nullable for column in table.columns}


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
