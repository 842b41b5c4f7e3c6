"""What passes between the process that does a run and whoever watches it: signs of life one way, wishes the other.

Neither decides what a run comes to. A sign of life replaces the one before; a wish stands until the run has heeded it
or is taken up again.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import orjson
import sqlalchemy as sa

from preceptor.storage.canonical import canonical
from preceptor.storage.database import Database, metadata

Wanted = Literal["pause", "cancel"]
"""Stop cleanly, to be resumed; or stop cleanly for good."""

pulses = sa.Table(
    "pulses",
    metadata,
    sa.Column("run", sa.String, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

wishes = sa.Table(
    "wishes",
    metadata,
    sa.Column("run", sa.String, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("what", sa.String, nullable=False),
    sa.Column("who", sa.String, nullable=False),
    sa.Column("at", sa.String, nullable=False),
)


@dataclass(frozen=True)
class Beat:
    at: str
    """ISO 8601, UTC."""
    body: Any


@dataclass(frozen=True)
class Wish:
    what: Wanted
    who: str
    """A person's name, as they signed in."""


class Signals:
    """The signals of a database's runs."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def beat(self, run: str, body: Any) -> None:
        """Say how a run is getting on."""
        row = {"run": run, "at": _now(), "body": canonical(body).decode()}
        await self._db.write(lambda connection: _replace(connection, pulses, row))

    def last(self, run: str) -> Beat | None:
        """What was last said; None where nothing ever was."""
        with self._db.reading() as connection:
            row = connection.execute(sa.select(pulses).where(pulses.c.run == run)).first()
        return None if row is None else Beat(row.at, orjson.loads(row.body))

    def wish(self, run: str, what: Wanted, who: str) -> None:
        """Ask the process that does a run to stop. A later wish takes the place of an earlier one."""
        row = {"run": run, "what": what, "who": who, "at": _now()}
        with self._db.begin() as connection:
            _replace(connection, wishes, row)

    def wished(self, run: str) -> Wish | None:
        """What is asked of a run."""
        with self._db.reading() as connection:
            return _wished(connection, run)

    async def heard(self, run: str) -> Wish | None:
        """`wished`, off the event loop."""
        return await self._db.read(lambda connection: _wished(connection, run))

    def settle(self, run: str) -> None:
        """Forget the wish: it was heeded, or the run is taken up again."""
        with self._db.begin() as connection:
            connection.execute(wishes.delete().where(wishes.c.run == run))


def _replace(connection: sa.Connection, table: sa.Table, row: dict[str, str]) -> None:
    connection.execute(table.delete().where(table.c.run == row["run"]))
    connection.execute(table.insert(), row)


def _wished(connection: sa.Connection, run: str) -> Wish | None:
    row = connection.execute(sa.select(wishes).where(wishes.c.run == run)).first()
    wanted = next((what for what in get_args(Wanted) if row is not None and what == row.what), None)
    return None if row is None or wanted is None else Wish(wanted, row.who)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
