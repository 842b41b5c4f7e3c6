"""What is spent on keys: counted at once, in a journal before the client knows, in the database a moment later.

Promises: a process that is killed loses no more than the replies in flight; nothing is counted twice; a database
that is away delays the books and loses nothing. A journal is a file of lines, one for each reply, appended without
waiting for the disk (what a killed process has written is the system's to keep). How far it has been taken into the
database is written there in the same transaction. A journal whose process is gone is finished by the next gateway that
starts.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
import sqlalchemy as sa

from preceptor.llm.prices import NOTHING, Amount
from preceptor.serving.keys import periods
from preceptor.serving.tables import journals, spends
from preceptor.storage.database import Database

LONG = 8 << 20
"""Bytes from which on a journal is left, once it has been taken in, and another begun."""


@dataclass
class _File:
    path: Path
    handle: int
    written: int = 0
    """Bytes."""

    @classmethod
    def new(cls, folder: Path) -> "_File":
        """Raises: OSError: it cannot be made."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            path = folder / f"spent-{secrets.token_hex(6)}.jsonl"
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            # Between making and locking it, another may have taken it for left behind, and removed it.
            if _locked(handle) and path.exists():
                return cls(path, handle)
            os.close(handle)

    def append(self, line: bytes) -> None:
        """Raises: OSError: such as a full disk; nothing of the line is there."""
        if os.write(self.handle, line) < len(line):
            # The next line must not stand behind half of this one.
            os.ftruncate(self.handle, self.written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.written += len(line)

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self.handle)


Moment = tuple[str, str]
"""A key's id and a day."""


class Spending:
    """What is spent through one process. `charge` in the event loop, `settle` in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guard = threading.Lock()
        self._settling = threading.Lock()
        self._file: _File | None = None
        self._unsettled: dict[Moment, Amount] = {}
        self._tried: list[tuple[str, int, Mapping[Moment, Amount]]] = []
        """Settlements that failed at their end since the last that did not: their journal, how far they went, and what
        was unsettled. Any may have been kept all the same: a database can go away between a commit and its answer."""
        self.faults = 0
        """Replies that could not be written to the journal; they are counted in memory only."""

    def charge(self, key: str, amount: Amount) -> None:
        """Count a reply."""
        moment = (key, datetime.now(UTC).date().isoformat())
        line = orjson.dumps([*moment, amount.calls, amount.prompt_tokens, amount.completion_tokens, amount.nano])
        with self._guard:
            try:
                self._file = self._file or _File.new(self._folder)
                self._file.append(line + b"\n")
            except OSError:
                self.faults += 1
            self._unsettled[moment] = self._unsettled.get(moment, NOTHING) + amount

    @property
    def unsettled(self) -> Mapping[Moment, Amount]:
        """What the database does not know yet."""
        with self._guard:
            return dict(self._unsettled)

    def settle(self, db: Database) -> None:
        """Take what was counted into the database.

        Raises:
            PreceptorError: the database cannot be written; nothing is lost.
        """
        with self._settling:
            self._settle(db)

    def _settle(self, db: Database) -> None:
        with self._guard:
            file, amounts = self._file, dict(self._unsettled)
            written = file.written if file else 0
        if not amounts:
            return
        with db.begin() as connection:
            _book(connection, _less(amounts, self._kept(connection)))
            if file:
                _note(connection, file.path.name, written)
                self._tried.append((file.path.name, written, amounts))
        self._tried.clear()
        with self._guard:
            self._unsettled = _less(self._unsettled, amounts)
            done = file if file and written == file.written and written >= LONG else None
            if done:
                self._file = None
        if done:
            self._forget(db, done)

    def _kept(self, connection: sa.Connection) -> Mapping[Moment, Amount]:
        """What the database has of what we think it does not know."""
        for name, written, amounts in reversed(self._tried):
            read = connection.scalar(sa.select(journals.c.read).where(journals.c.name == name)) or 0
            if read >= written:
                self._tried = [(name, written, amounts)]
                return amounts
        self._tried.clear()
        return {}

    def recover(self, db: Database) -> int:
        """Take in what killed processes have left; how many journals there were.

        Raises:
            PreceptorError: the database cannot be written; nothing is lost.
        """
        found = 0
        for path in sorted(self._folder.glob("spent-*.jsonl")):
            with contextlib.suppress(FileNotFoundError):
                handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    if _locked(handle) and path.exists():
                        _take_in(db, path)
                        found += 1
                finally:
                    os.close(handle)
        return found

    def close(self, db: Database | None) -> None:
        """End the journal; it goes if the database has all of it."""
        with self._guard:
            file, self._file = self._file, None
            settled = not self._unsettled
        if file is None:
            return
        if db is not None and settled:
            self._forget(db, file)
        else:
            os.close(file.handle)

    def _forget(self, db: Database, file: _File) -> None:
        # The file first: a note without a file says nothing, a file without its note would be taken in again.
        file.drop()
        _unnote(db, file.path.name)


def _less(amounts: Mapping[Moment, Amount], by: Mapping[Moment, Amount]) -> dict[Moment, Amount]:
    rest = {moment: amount - by.get(moment, NOTHING) for moment, amount in amounts.items()}
    return {moment: amount for moment, amount in rest.items() if amount != NOTHING}


def _take_in(db: Database, path: Path) -> None:
    with db.begin() as connection:
        read = connection.scalar(sa.select(journals.c.read).where(journals.c.name == path.name)) or 0
        lines = path.read_bytes()[read:].splitlines(keepends=True)
        amounts: dict[Moment, Amount] = {}
        for line in lines:
            # A line that was cut belongs to a reply in flight.
            with contextlib.suppress(ValueError, TypeError):
                key, day, *counts = orjson.loads(line)
                amounts[key, day] = amounts.get((key, day), NOTHING) + Amount(*counts)
        _book(connection, amounts)
        _note(connection, path.name, read + sum(map(len, lines)))
    path.unlink()
    _unnote(db, path.name)


def _book(connection: sa.Connection, amounts: Mapping[Moment, Amount]) -> None:
    sums: dict[tuple[str, str], Amount] = {}
    for (key, day), amount in amounts.items():
        for period in periods(datetime.fromisoformat(day).replace(tzinfo=UTC)).values():
            sums[key, period] = sums.get((key, period), NOTHING) + amount
    # In one order for every process, so that two never wait for each other's rows.
    for (key, period), amount in sorted(sums.items()):
        counts = {
            "calls": amount.calls,
            "prompt_tokens": amount.prompt_tokens,
            "completion_tokens": amount.completion_tokens,
            "nano": amount.nano,
        }
        mine = (spends.c.key == key) & (spends.c.period == period)
        more = {name: spends.c[name] + count for name, count in counts.items()}
        if not connection.execute(sa.update(spends).where(mine).values(more)).rowcount:
            connection.execute(sa.insert(spends), {"key": key, "period": period, **counts})


def _note(connection: sa.Connection, name: str, read: int) -> None:
    if not connection.execute(sa.update(journals).where(journals.c.name == name).values(read=read)).rowcount:
        connection.execute(sa.insert(journals), {"name": name, "read": read})


def _unnote(db: Database, name: str) -> None:
    with db.begin() as connection:
        connection.execute(sa.delete(journals).where(journals.c.name == name))


def _locked(handle: int) -> bool:
    """Whether the file was nobody's; the system frees it when its process ends, however it ends."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
