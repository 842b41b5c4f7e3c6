"""Runs: one teaching or evaluation job each, with its resolved settings, its events in order, and its result."""

import difflib
import secrets
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
import sqlalchemy as sa

from preceptor.errors import Conflict, NotFound
from preceptor.storage.canonical import canonical
from preceptor.storage.database import Database, metadata
from preceptor.storage.text import begins

Status = Literal["running", "done", "stopped", "failed", "cancelled"]
"""A run that was stopped or has failed can go on; one that was cancelled, by a person, is not to."""

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("settings", sa.Text, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("created", sa.String, nullable=False),
    sa.Column("finished", sa.String),
    sa.Column("result", sa.Text),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("run", sa.String, sa.ForeignKey(runs.c.id), primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)


@dataclass(frozen=True)
class Run:
    id: str
    """Sorts by time of creation: ``20261121-153012-ab12``."""
    kind: str
    """``teach``, ``evaluate``…"""
    status: Status
    settings: dict[str, Any]
    """As resolved when the run began, without secrets."""
    seed: int
    created: str
    """ISO 8601, UTC."""
    finished: str | None = None
    result: Any = None

    @property
    def reason(self) -> str:
        """Why it ended, where that was told; else empty."""
        return str(self.result.get("reason", "")) if isinstance(self.result, dict) else ""


@dataclass(frozen=True)
class Event:
    n: int
    """Counts from 1 within its run."""
    at: str
    """ISO 8601, UTC."""
    kind: str
    body: Any


class Runs:
    """The runs of a database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def create(self, kind: str, settings: Mapping[str, Any], seed: int) -> Run:
        at = datetime.now(UTC)
        created = at.isoformat(timespec="microseconds")
        row = {"kind": kind, "status": "running", "seed": seed, "created": created}
        with self._db.begin() as connection:
            new = _new_id(at)
            # An id is short enough to be typed, so of many runs begun in one second two may draw the same.
            while connection.scalar(sa.select(runs.c.id).where(runs.c.id == new)):
                new = _new_id(at)
            connection.execute(runs.insert(), row | {"id": new, "settings": canonical(settings).decode()})
        return Run(new, kind, "running", dict(settings), seed, created)

    def get(self, prefix: str) -> Run:
        """The run with this id, or the only one whose id begins so.

        Raises:
            NotFound: naming the nearest.
            Conflict: several begin so.
        """
        found = sa.select(runs).where(begins(runs.c.id, prefix)).order_by(runs.c.id)
        with self._db.reading() as connection:
            rows = connection.execute(found).all()
            ids = [] if rows else connection.scalars(sa.select(runs.c.id).order_by(runs.c.id)).all()
        if not rows:
            raise NotFound(_missing(prefix, list(ids)))
        exact = [row for row in rows if row.id == prefix] or rows
        if len(exact) > 1:
            raise Conflict(f"{prefix!r} could be run {exact[0].id!r} or {exact[1].id!r}. Give more of the id.")
        return _run(exact[0])

    def again(self, prefix: str) -> Run:
        """A run that is to be taken up again.

        Raises:
            NotFound, Conflict: as `get`; or it was cancelled.
        """
        run = self.get(prefix)
        if run.status == "cancelled":
            raise Conflict(f"Run {run.id!r} does not go on: {run.reason} Begin another one.")
        return run

    def list(self, limit: int | None = None, offset: int = 0) -> tuple[Run, ...]:
        """All runs, or a part of them, newest first."""
        wanted = sa.select(runs).order_by(runs.c.created.desc(), runs.c.id.desc()).limit(limit).offset(offset)
        with self._db.reading() as connection:
            return tuple(_run(row) for row in connection.execute(wanted))

    def count(self) -> int:
        with self._db.reading() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(runs)) or 0

    def finish(self, run_id: str, status: Status, result: Any = None) -> None:
        """Set how a run stands; ``running`` reopens it. A result once given stays until another is."""
        at = None if status == "running" else _now()
        values: dict[str, Any] = {"status": status, "finished": at}
        if result is not None:
            values["result"] = canonical(result).decode()
        with self._db.begin() as connection:
            if connection.execute(runs.update().where(runs.c.id == run_id).values(values)).rowcount == 0:
                raise NotFound(f"There is no run {run_id!r}.")

    def event(self, run_id: str, kind: str, body: Any) -> int:
        """Append an event; its number."""
        with self._db.begin() as connection:
            return _append(connection, run_id, kind, body)

    async def note(self, run_id: str, kind: str, body: Any, n: int | None = None) -> int:
        """`event`, sharing its commit with whoever else is writing.

        `n`: its number, where the caller counts; if there is one with it, nothing is done.
        """
        return await self._db.write(lambda connection: _append(connection, run_id, kind, body, n))

    def events(self, run_id: str, after: int = 0, kinds: Collection[str] | None = None) -> tuple[Event, ...]:
        """The events of a run in order, from the one after number `after`; only those of some kinds, if given."""
        wanted = sa.select(events).where(events.c.run == run_id, events.c.n > after).order_by(events.c.n)
        if kinds is not None:
            wanted = wanted.where(events.c.kind.in_(kinds))
        with self._db.reading() as connection:
            return tuple(Event(r.n, r.at, r.kind, orjson.loads(r.body)) for r in connection.execute(wanted))

    def tally(self, run_id: str) -> dict[str, int]:
        """How many events of each kind a run has."""
        wanted = sa.select(events.c.kind, sa.func.count()).where(events.c.run == run_id).group_by(events.c.kind)
        with self._db.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(wanted)}

    def lock(self, run_id: str) -> AbstractContextManager[None]:
        """Hold a run, so that no other process works on it; let go when this process ends, however it ends.

        Raises:
            Conflict: another process holds it.
        """
        return self._db.lock(run_id)

    def held(self, run_id: str) -> bool:
        """Whether any process holds a run."""
        return self._db.locked(run_id)


def _append(connection: sa.Connection, run_id: str, kind: str, body: Any, n: int | None = None) -> int:
    mine = events.c.run == run_id
    if n is None:
        n = (connection.scalar(sa.select(sa.func.max(events.c.n)).where(mine)) or 0) + 1
    elif connection.scalar(sa.select(events.c.n).where(mine, events.c.n == n)) is not None:
        return n
    row = {"run": run_id, "n": n, "at": _now(), "kind": kind, "body": canonical(body).decode()}
    connection.execute(events.insert(), row)
    return n


def _run(row: Any) -> Run:
    result = None if row.result is None else orjson.loads(row.result)
    settings = orjson.loads(row.settings)
    return Run(row.id, row.kind, row.status, settings, row.seed, row.created, row.finished, result)


def _missing(prefix: str, ids: list[str]) -> str:
    if not ids:
        return f"There is no run {prefix!r}, nor any other yet. `preceptor teach` starts one."
    near = (difflib.get_close_matches(prefix, ids, 1, 0) or ids[-1:])[0]
    return f"There is no run {prefix!r}. The nearest is {near!r}; `preceptor runs` lists them."


def _new_id(at: datetime) -> str:
    return f"{at:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
