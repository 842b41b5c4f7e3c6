"""Records: what a run leaves behind beside its events, such as each conversation of an evaluation.

Written as they come, behind whoever makes them, and sharing commits with everything else that is written; read back in
the order their keeper gave them. A record that is kept again, as a resumed run does, replaces the one there was.
"""

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from preceptor.storage.canonical import canonical
from preceptor.storage.database import Database, metadata

_AT_A_TIME = 500

records = sa.Table(
    "records",
    metadata,
    sa.Column("run", sa.String, primary_key=True),
    sa.Column("kind", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)


@dataclass(frozen=True)
class Record:
    key: str
    n: int
    body: str
    """JSON."""


class Records:
    """The records of a database."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._fault: BaseException | None = None

    def keep(self, run: str, kind: str, key: str, body: Any, n: int = 0) -> None:
        """Have a record written; `written` says when it is. `n`: its place among the others of its kind.

        Raises:
            UserError, Conflict: an earlier one could not be written.
        """
        self._check()
        row = {"run": run, "kind": kind, "key": key, "n": n, "body": canonical(body).decode()}
        self._db.submit(lambda connection: _put(connection, row), urgent=False).add_done_callback(self._done)

    def written(self) -> None:
        """Wait until everything kept is on disk; takes as long as a commit.

        Raises:
            UserError, Conflict: something could not be written.
        """
        self._db.submit(lambda _: None).result()
        self._check()

    def all(self, run: str, kind: str) -> Iterator[Record]:
        """The records of a kind, by place and key, without having all of them in memory."""
        mine = (records.c.run == run) & (records.c.kind == kind)
        wanted = sa.select(records.c.key, records.c.n, records.c.body).where(mine).order_by(records.c.n, records.c.key)
        with self._db.reading() as connection:
            for row in connection.execute(wanted, execution_options={"yield_per": _AT_A_TIME}):
                yield Record(row.key, row.n, row.body)

    def count(self, run: str, kind: str) -> int:
        mine = (records.c.run == run) & (records.c.kind == kind)
        with self._db.reading() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(records).where(mine)) or 0

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _done(self, future: "Future[Any]") -> None:
        """Keep the first fault for whoever asks next."""
        if not future.cancelled() and self._fault is None:
            self._fault = future.exception()


def _put(connection: sa.Connection, row: dict[str, Any]) -> None:
    same = (records.c.run == row["run"]) & (records.c.kind == row["kind"]) & (records.c.key == row["key"])
    connection.execute(sa.delete(records).where(same))
    connection.execute(sa.insert(records), row)
