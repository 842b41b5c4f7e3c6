"""What a run's tools were asked and what they gave: a row before the call, finished with its result.

A run that is resumed finds each result where it stood and calls nothing again. What was under way when it ended is
known to have been: whoever asks decides what becomes of it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from preceptor.dialogue.tools.backend import Visit
from preceptor.errors import Mishap, PreceptorError
from preceptor.storage.canonical import canonical
from preceptor.storage.database import Database, metadata

tool_calls = sa.Table(
    "tool_calls",
    metadata,
    sa.Column("run", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("conversation", sa.String, nullable=False),
    sa.Column("tool", sa.String, nullable=False),
    sa.Column("arguments", sa.Text, nullable=False),
    sa.Column("result", sa.Text),
    sa.Column("mishap", sa.String),
    sa.Column("again", sa.Integer, nullable=False),
    sa.Column("sent_at", sa.String, nullable=False),
    sa.Column("finished_at", sa.String),
)


@dataclass(frozen=True)
class Given:
    """How a call ended."""

    result: str
    """What the agent was told."""
    mishap: Mishap | None = None
    """Why it failed; None where it did not."""


class Record:
    """The calls of one run's tools. All of them are in memory: a replay reads nothing from disk."""

    def __init__(self, db: Database, run: str) -> None:
        """Load a run's rows (none: a new run)."""
        self.run = run
        self._db = db
        self._fault: BaseException | None = None
        self._calls: dict[str, Given | None] = {}
        db.submit(lambda _: None).result()
        columns = [tool_calls.c[name] for name in ("key", "result", "mishap")]
        with db.reading() as connection:
            for row in connection.execute(sa.select(*columns).where(tool_calls.c.run == run)):
                self._calls[row.key] = None if row.result is None else Given(row.result, row.mishap)

    def given(self, key: str) -> Given | None:
        """How a call ended, if it has."""
        return self._calls.get(key)

    def begun(self, key: str) -> bool:
        return key in self._calls

    async def begin(self, key: str, visit: Visit, tool: str, arguments: Mapping[str, Any]) -> None:
        """Return when it is on disk that this call is made.

        Raises:
            UserError, Conflict: it could not be written; then the call must not be made.
        """
        if self._fault is not None:
            raise self._fault
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        if self.begun(key):
            same = (tool_calls.c.run == self.run) & (tool_calls.c.key == key)
            change = sa.update(tool_calls).where(same).values(again=tool_calls.c.again + 1, sent_at=now)
            await self._kept(key, change)
            return
        row = {
            "run": self.run,
            "key": key,
            "conversation": visit.conversation,
            "tool": tool,
            "arguments": canonical(arguments).decode(),
            "again": 0,
            "sent_at": now,
        }
        await self._kept(key, sa.insert(tool_calls).values(row))
        self._calls[key] = None

    async def _kept(self, key: str, change: sa.Insert | sa.Update) -> None:
        written = self._db.submit(lambda connection: connection.execute(change))
        try:
            await asyncio.wrap_future(written)
        except asyncio.CancelledError:
            if not written.cancel() and not self.begun(key):
                # The row is there all the same, or will be, and the call is not made.
                self._remove([key]).add_done_callback(self._written)
            raise
        except PreceptorError as fault:
            # It may be on disk all the same, which only a resumed run finds out; until then nothing more is called.
            self._fault = self._fault or fault
            raise

    def finish(self, key: str, given: Given) -> None:
        """Write down how a call ended, behind whoever goes on: what is sent because of it is on disk after it."""
        self._calls[key] = given
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        same = (tool_calls.c.run == self.run) & (tool_calls.c.key == key)
        change = sa.update(tool_calls).where(same).values(result=given.result, mishap=given.mishap, finished_at=now)
        self._db.submit(lambda connection: connection.execute(change), urgent=False).add_done_callback(self._written)

    async def forget(self, keys: Sequence[str]) -> None:
        """Calls that were never made after all: a run that is resumed makes them."""
        await asyncio.wrap_future(self._remove(keys))
        for key in keys:
            self._calls.pop(key, None)

    def _remove(self, keys: Sequence[str]) -> "Future[Any]":
        gone = (tool_calls.c.run == self.run) & tool_calls.c.key.in_(list(keys))
        return self._db.submit(lambda connection: connection.execute(sa.delete(tool_calls).where(gone)))

    async def written(self) -> None:
        """Return when everything is on disk. Raises: UserError, Conflict: something could not be written."""
        await self._db.write(lambda _: None)
        if self._fault is not None:
            raise self._fault

    def _written(self, future: "Future[Any]") -> None:
        """Keep the first fault for whoever calls next."""
        if not future.cancelled():
            self._fault = self._fault or future.exception()
