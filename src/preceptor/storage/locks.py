"""Named locks between processes that no crash leaves behind.

With SQLite all processes share a machine, so the operating system keeps the lock (`flock` on a small file beside the
database) and drops it when the process dies, however it dies. A row with a heartbeat would need a time-out that is
either too short for a suspended laptop or too long for someone waiting to resume. With PostgreSQL the server does the
same for a session (advisory lock).
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from preceptor.errors import Conflict, UserError


class Locks:
    """The locks of one database."""

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self._engine = engine
        self._folder = Path(f"{name}-locks")

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Hold the lock for the length of the block.

        Raises:
            Conflict: somebody else holds it; the message says who, where that is known.
        """
        held = self._file(name) if self._engine.dialect.name == "sqlite" else self._advisory(name)
        with held:
            yield

    @contextmanager
    def _file(self, name: str) -> Iterator[None]:
        path = self._folder / f"{name}.lock"
        handle = _acquire(path, name)
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
            yield
        finally:
            # While it is still held, so that nobody locks a file that is about to go.
            path.unlink(missing_ok=True)
            os.close(handle)

    @contextmanager
    def _advisory(self, name: str) -> Iterator[None]:
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(key))):
                raise Conflict(f"{name!r} is in use by another process. Wait for it, or stop it first.")
            try:
                yield
            finally:
                connection.scalar(sa.select(sa.func.pg_advisory_unlock(key)))


def _acquire(path: Path, name: str) -> int:
    while True:
        handle = _open(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(handle, 32, 0).decode(errors="replace")
            os.close(handle)
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
