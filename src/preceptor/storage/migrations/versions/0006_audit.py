"""The audit: lines of the trail are chained, rows know their line, and lists have tables of their own.

What a database holds at this step is sealed as it is: its lines are chained in their order, and one more line,
"chained at migration", holds the digests of all its rows.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# As `library.trail` had them when this step was written.
_LINE = ("library", "n", "at", "who", "what", "subject", "before", "after", "note", "seen", "facts")
_SEALED = {
    "scenarios": (
        *("library", "id", "version", "retired", "description", "examples", "tags"),
        *("author", "at", "entry"),
    ),
    "strategies": (
        *("library", "id", "version", "edited", "text", "reason", "scenario", "value", "measured", "decision"),
        *("flags", "author", "at", "entry"),
    ),
    "evidence": ("library", "strategy", "key", "n", "run", "context", "body", "entry"),
    "steps": ("library", "run", "step", "entry"),
    "releases": (
        *("library", "hash", "created", "author", "note", "parent", "body", "evidence"),
        *("digest", "entry"),
    ),
}
_BOOLEAN, _FLOAT = ("retired", "edited"), ("value",)


def upgrade() -> None:
    for table in _SEALED:
        op.add_column(table, sa.Column("entry", sa.Integer, nullable=False, server_default="0"))
    op.add_column("strategies", sa.Column("touched", sa.Integer, nullable=False, server_default="0"))
    op.add_column("strategies", sa.Column("deferred", sa.String))
    op.add_column("libraries", sa.Column("indexed", sa.Integer, nullable=False, server_default="0"))
    op.add_column("trail", sa.Column("seen", sa.Text))
    op.add_column("trail", sa.Column("facts", sa.Text, nullable=False, server_default="{}"))
    op.add_column("trail", sa.Column("hash", sa.String, nullable=False, server_default="-"))
    op.create_index("ix_trail_library_subject", "trail", ["library", "subject"])
    for table in ("scenarios", "strategies"):
        # With the shorter one SQLite reads all the newest rows to find one by its id.
        op.drop_index(f"ix_{table}_library_latest", table)
        op.create_index(f"ix_{table}_library_latest_id", table, ["library", "latest", "id"])
    _lists()
    _chain(op.get_bind())


def _lists() -> None:
    op.create_table(
        "heads",
        sa.Column("library", sa.String, sa.ForeignKey("libraries.name"), primary_key=True),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("hash", sa.String, nullable=False),
    )
    op.create_table(
        "queue",
        sa.Column("library", sa.String, sa.ForeignKey("libraries.name"), primary_key=True),
        sa.Column("strategy", sa.String, primary_key=True),
        sa.Column("scenario", sa.String, nullable=False),
        sa.Column("measured", sa.String, nullable=False),
        sa.Column("decision", sa.String, nullable=False),
        sa.Column("deferred", sa.String),
        sa.Column("stale", sa.Boolean, nullable=False),
        sa.Column("edited", sa.Boolean, nullable=False),
        sa.Column("risk", sa.Integer, nullable=False),
        sa.Column("run", sa.String, nullable=False),
        sa.Column("mean", sa.Float),
        sa.Column("low", sa.Float),
        sa.Column("high", sa.Float),
        sa.Column("n", sa.Integer),
        sa.Column("unit", sa.String),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("share", sa.Float, nullable=False),
    )
    op.create_table(
        "phrases",
        sa.Column("library", sa.String, sa.ForeignKey("libraries.name"), primary_key=True),
        sa.Column("strategy", sa.String, primary_key=True),
        sa.Column("gist", sa.Text, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
    )
    op.create_table(
        "marks",
        sa.Column("library", sa.String, sa.ForeignKey("libraries.name"), primary_key=True),
        sa.Column("strategy", sa.String, primary_key=True),
        sa.Column("flag", sa.String, primary_key=True),
        sa.Column("other", sa.String, primary_key=True),
        sa.Column("standing", sa.Boolean, nullable=False),
    )
    op.create_index("ix_marks_flag_library", "marks", ["flag", "library"])
    op.create_index("ix_marks_other_library", "marks", ["other", "library"])
    op.create_table(
        "homes",
        sa.Column("library", sa.String, sa.ForeignKey("libraries.name"), primary_key=True),
        sa.Column("scenario", sa.String, primary_key=True),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("hits", sa.Integer, nullable=False),
        sa.Column("turns", sa.Integer, nullable=False),
        sa.Column("run", sa.String),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("share", sa.Float, nullable=False),
    )
    op.create_table(
        "held",
        sa.Column("library", sa.String, sa.ForeignKey("libraries.name"), primary_key=True),
        sa.Column("strategy", sa.String, primary_key=True),
        sa.Column("release", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
    )


def _chain(connection: sa.Connection) -> None:
    libraries = sa.table("libraries", *map(sa.column, ("name", *_USE)))
    for row in connection.execute(sa.select(libraries)).all():
        _chain_one(connection, row)


_USE = ("domain", "placement", "false_injections", "foreign_share")


def _chain_one(connection: sa.Connection, library: Any) -> None:
    trail = sa.table("trail", *map(sa.column, (*_LINE, "hash")))
    mine = trail.c.library == library.name
    last, n = "", 0
    for row in connection.execute(sa.select(trail).where(mine).order_by(trail.c.n)).all():
        last, n = _hash([last, *(getattr(row, name) for name in _LINE)]), row.n
        connection.execute(trail.update().where(mine, trail.c.n == n).values(hash=last))
    use = {name: _value(name, getattr(library, name)) for name in _USE}
    facts: dict[str, Any] = {"use": use} | _sealed(connection, library.name, n + 1)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"library": library.name, "n": n + 1, "at": now, "who": "preceptor", "what": "chain", "subject": "library"}
    line |= {"before": None, "after": None, "note": "chained at migration", "seen": None}
    line |= {"facts": orjson.dumps(facts, option=orjson.OPT_SORT_KEYS).decode()}
    last = _hash([last, *(line[name] for name in _LINE)])
    connection.execute(trail.insert(), line | {"hash": last})
    heads = sa.table("heads", *map(sa.column, ("library", "n", "hash")))
    connection.execute(heads.insert(), {"library": library.name, "n": n + 1, "hash": last})


def _sealed(connection: sa.Connection, library: str, entry: int) -> dict[str, Any]:
    """Say of all rows that they belong to a line; their digests."""
    found: dict[str, Any] = {}
    for name, columns in _SEALED.items():
        table = sa.table(name, *map(sa.column, (*columns, *(("touched",) if name == "strategies" else ()))))
        values = {"entry": entry} | ({"touched": entry} if name == "strategies" else {})
        connection.execute(table.update().where(table.c.library == library).values(values))
        wanted = sa.select(*(table.c[column] for column in columns)).where(table.c.library == library)
        hashes = sorted(_hash(list(map(_value, columns, row))) for row in connection.execute(wanted))
        if hashes:
            found[name] = [len(hashes), hashlib.sha256("".join(hashes).encode()).hexdigest()]
    return found


def _value(column: str, value: Any) -> Any:
    if column in _BOOLEAN:
        return bool(value)
    return float(value) + 0.0 if column in (*_FLOAT, "false_injections", "foreign_share") else value


def _hash(value: Any) -> str:
    return hashlib.sha256(orjson.dumps(value)).hexdigest()
