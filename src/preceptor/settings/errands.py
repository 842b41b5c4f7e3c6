"""Errands of runs, as rows: what is to be done, and what came of it.

A row is written by whoever leads a run and ended by whoever did the errand, after every call it made is on disk. An
outcome is a fact of the run: a run that is resumed does not send the errand again. When a run is done they go: what
they hold can be had from the ledger.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from preceptor.errors import NotFound
from preceptor.llm.sharing import purses
from preceptor.storage.database import Database, metadata

State = Literal["open", "done", "failed"]

errands = sa.Table(
    "errands",
    metadata,
    sa.Column("run", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text),
    sa.Column("ended", sa.BigInteger),
    sa.Index("ix_errands_ended", "run", "ended"),
)

papers = sa.Table(
    "papers",
    metadata,
    sa.Column("run", sa.String, primary_key=True),
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
)


@dataclass(frozen=True)
class Ended:
    """What came of an errand."""

    key: str
    state: State
    outcome: bytes
    """What it gave, or what went wrong; JSON."""
    number: int
    """Counts up over a run."""


@dataclass(frozen=True)
class Errands:
    """The errands of one run."""

    db: Database
    run: str

    async def put(self, bodies: Mapping[str, bytes], with_papers: Mapping[str, bytes]) -> list[Ended]:
        """Write errands down by their keys; those that were done before are not opened again, and given back."""
        return await self.db.write(partial(self._put, bodies, with_papers))

    def _put(
        self, bodies: Mapping[str, bytes], with_papers: Mapping[str, bytes], connection: sa.Connection
    ) -> list[Ended]:
        if with_papers:
            rows = [{"run": self.run, "name": name, "body": body.decode()} for name, body in with_papers.items()]
            connection.execute(insert(papers).on_conflict_do_nothing(), rows)
        new = [{"run": self.run, "key": key, "state": "open", "body": body.decode()} for key, body in bodies.items()]
        connection.execute(insert(errands).on_conflict_do_nothing(), new)
        mine = (errands.c.run == self.run) & errands.c.key.in_(list(bodies))
        again = errands.update().where(mine, errands.c.state == "failed")
        connection.execute(again.values(state="open", outcome=None, ended=None))
        return _ended(connection, mine & (errands.c.state == "done"))

    async def ended_after(self, number: int) -> list[Ended]:
        """In order."""
        after = (errands.c.run == self.run) & (errands.c.ended > number)
        return await self.db.read(partial(_ended, wanted=after))

    async def ended(self, keys: Sequence[str]) -> list[Ended]:
        """Those of some errands that have ended, in order."""
        mine = (errands.c.run == self.run) & errands.c.key.in_(list(keys)) & (errands.c.state != "open")
        return await self.db.read(partial(_ended, wanted=mine))

    def last(self) -> int:
        """The newest number."""
        with self.db.reading() as connection:
            return _last(connection, self.run)

    async def open(self, keys: Sequence[str]) -> tuple[str | None, dict[str, bytes]]:
        """What the run asks of whoever takes part (None: it is closed to others), and those of some errands that are
        still to be done."""
        return await self.db.read(partial(self._open, keys))

    def _open(self, keys: Sequence[str], connection: sa.Connection) -> tuple[str | None, dict[str, bytes]]:
        crew = connection.scalar(sa.select(purses.c.crew).where(purses.c.run == self.run, purses.c.open))
        mine = (errands.c.run == self.run) & errands.c.key.in_(keys) & (errands.c.state == "open")
        rows = connection.execute(sa.select(errands.c.key, errands.c.body).where(mine)).all()
        return crew, {row.key: row.body.encode() for row in rows}

    async def end(self, key: str, state: State, outcome: bytes) -> None:
        """Write down what came of an errand, after what was written before; nothing if somebody else has."""
        await self.db.write(partial(self._end, key, state, outcome))

    def _end(self, key: str, state: State, outcome: bytes, connection: sa.Connection) -> None:
        mine = (errands.c.run == self.run) & (errands.c.key == key) & (errands.c.state == "open")
        ended = {"state": state, "outcome": outcome.decode(), "ended": _last(connection, self.run) + 1}
        connection.execute(errands.update().where(mine).values(ended))

    async def fetch(self, name: str) -> bytes:
        """A paper. Raises: NotFound: it is not there."""
        wanted = sa.select(papers.c.body).where(papers.c.run == self.run, papers.c.name == name)
        body = await self.db.read(lambda connection: connection.scalar(wanted))
        if body is None:
            raise NotFound(f"Run {self.run!r} has no paper {name!r}.")
        return str(body).encode()

    def forget(self) -> None:
        """The run is done."""
        with self.db.begin() as connection:
            for table in (errands, papers):
                connection.execute(table.delete().where(table.c.run == self.run))


def _last(connection: sa.Connection, run: str) -> int:
    return connection.scalar(sa.select(sa.func.max(errands.c.ended)).where(errands.c.run == run)) or 0


def _ended(connection: sa.Connection, wanted: sa.ColumnElement[bool]) -> list[Ended]:
    columns = (errands.c.key, errands.c.state, errands.c.outcome, errands.c.ended)
    rows = connection.execute(sa.select(*columns).where(wanted).order_by(errands.c.ended))
    return [Ended(row.key, row.state, row.outcome.encode(), row.ended) for row in rows]
