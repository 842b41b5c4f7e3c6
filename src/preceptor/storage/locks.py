"""Named locks between processes that no crash leaves behind.

With SQLite all processes share a machine, so the operating system keeps the lock (`flock` on a small file beside the
database) and drops it when the process dies, however it dies. A row with a heartbeat would need a time-out that is
either too short for a suspended laptop or too long for someone waiting to resume. With PostgreSQL the server does the
same for a session (advisory lock).
"""

import fcntl
import hashlib
import os
import select
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from preceptor.errors import Conflict, UserError
from preceptor.storage.postgres import NAMED

GRACE = 1.0
"""Seconds that a server is given to notice that a session has ended which held a lock: one of ours that broke, or that
of a process that was killed just now."""
LOOK = 0.1
"""Seconds in which whoever only looks at a lock beside a file (`held`) has done so, with time to spare."""


class Locks(Protocol):
    """The locks of one database."""

    def hold(self, name: str) -> AbstractContextManager[None]:
        """Hold the lock for the length of the block.

        Raises:
            Conflict: somebody else holds it; the message says who, where that is known.
        """

    def held(self, name: str) -> bool:
        """Whether anybody holds it, this process included. Takes nothing, so that looking is in nobody's way."""


class FileLocks:
    """Locks beside a file."""

    def __init__(self, database: str) -> None:
        self._folder = Path(f"{database}-locks")

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        path = self._path(name)
        handle = _acquire(path, name)
        try:
            # Only told to others; a full disk is no reason to hold nothing.
            with suppress(OSError):
                os.ftruncate(handle, 0)
                os.pwrite(handle, str(os.getpid()).encode(), 0)
            yield
        finally:
            # While it is still held, so that nobody locks a file that is about to go.
            path.unlink(missing_ok=True)
            os.close(handle)

    def held(self, name: str) -> bool:
        try:
            handle = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def _path(self, name: str) -> Path:
        """A library's name, which may be part of a lock's, may hold anything."""
        return self._folder / f"{quote(name, safe=' ')}.lock"


@dataclass
class _Held:
    connection: sa.Connection
    """Closed: the lock was lost to somebody else."""
    session: int
    """The server's process for it."""


class ServerLocks:
    """Locks of sessions with a server. A server that was restarted has forgotten them: `renew` takes them again."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._held: dict[str, _Held] = {}
        self._guard = threading.Lock()

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        with self._guard:
            self._held[name] = self._take(name)
        try:
            yield
        finally:
            with self._guard:
                _drop(self._held.pop(name), name)

    def held(self, name: str) -> bool:
        with self._engine.connect() as connection:
            return _holder(connection, name) is not None

    def renew(self, broken: bool) -> None:
        """See that the locks held here still are. `broken`: another connection broke, so ask; else it is enough that
        nothing was heard: a server that ends a session says so.

        Raises:
            Conflict: somebody else took one meanwhile. What was begun under it must not go on.
        """
        with self._guard:
            for name, held in self._held.items():
                if held.connection.closed or ((broken or _heard(held)) and not _lives(held)):
                    held.connection.close()
                    self._held[name] = self._take(name, before=held.session)

    def _take(self, name: str, before: int | None = None) -> _Held:
        """`before`: our own session that broke; the server may not have noticed."""
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            until = time.monotonic() + GRACE
            while not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_key(name)))):
                holder = _holder(connection, name)
                if holder is not None and time.monotonic() > until:
                    who = holder.application_name.removeprefix(NAMED) or "another process"
                    raise Conflict(f"{name!r} is in use by {who}. Wait for it, or stop it first.")
                if holder is not None and holder.pid == before:
                    connection.scalar(sa.select(sa.func.pg_terminate_backend(before)))
                time.sleep(0.02)
            return _Held(connection, connection.scalar(sa.select(sa.func.pg_backend_pid())) or 0)
        except BaseException:
            connection.close()
            raise


def _key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def _heard(held: _Held) -> bool:
    """Whether the server has said something, unasked; that takes no way there and back."""
    if held.connection.invalidated:
        return True
    line = held.connection.connection.driver_connection
    assert line is not None, "a connection that is not invalidated has one"
    return line.closed or bool(select.select([line.fileno()], [], [], 0)[0])


def _lives(held: _Held) -> bool:
    try:
        return held.connection.scalar(sa.select(sa.func.pg_backend_pid())) == held.session
    except DBAPIError:
        return False


def _drop(held: _Held, name: str) -> None:
    if held.connection.closed:
        return
    # With a broken session its locks are gone, too.
    with suppress(DBAPIError):
        held.connection.scalar(sa.select(sa.func.pg_advisory_unlock(_key(name))))
    held.connection.close()


_HOLDER = sa.text(
    "SELECT a.pid, a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
    "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND (l.classid::bigint << 32) | l.objid::bigint = "
    ":key AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def _holder(connection: sa.Connection, name: str) -> Any:
    """Who holds a lock; None: nobody any more."""
    return connection.execute(_HOLDER, {"key": _key(name)}).first()


def _acquire(path: Path, name: str) -> int:
    until = time.monotonic() + LOOK
    while True:
        handle = _open(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(handle, 32, 0).decode(errors="replace")
            os.close(handle)
            if time.monotonic() < until:
                time.sleep(0.01)
                continue
            who = f"process {owner}" if owner else "another process"
            raise Conflict(f"{name!r} is in use by {who}. Wait for it, or stop it first.") from None
        if _still_there(handle, path):
            return handle
        os.close(handle)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as fault:
        raise UserError(f"The lock {str(path)!r} cannot be made: {fault.strerror}.") from None


def _still_there(handle: int, path: Path) -> bool:
    """Whether the locked file is the one at `path`: its last owner may have removed it between open and lock."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
