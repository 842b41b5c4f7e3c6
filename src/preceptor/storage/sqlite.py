"""What is particular to SQLite: journals, locks and what its error codes mean. No other module knows.

SQLite before 3.51.3 can corrupt a database in WAL mode: when several connections write and checkpoint at once, a
reset of the WAL may lose frames (https://sqlite.org/wal.html, "WAL-reset bug"). Older versions therefore get a
rollback journal, which is slower for single commits; group commit (`storage.writer`) makes up for it. The journal is
the file's and not the connection's: a process with a newer version can put it to WAL under one with an older, which
then writes no more.
"""

import sqlite3
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError

from preceptor.errors import Conflict, NotFound, UserError

Journal = Literal["wal", "rollback"]

WAL_SAFE_FROM = (3, 51, 3)
BUSY_SECONDS = 60
"""How long to wait for another process. A teaching run holds the lock for milliseconds; a slow disk or a suspended
laptop for longer, and giving up then would fail the run for nothing."""


def journal_for(version: tuple[int, int, int]) -> Journal:
    """The journal that is safe with this version of SQLite."""
    return "wal" if version >= WAL_SAFE_FROM else "rollback"


def cautions() -> tuple[str, ...]:
    """What `doctor` says of this SQLite."""
    if journal_for(sqlite3.sqlite_version_info[:3]) == "wal":
        return ()
    safe = ".".join(map(str, WAL_SAFE_FROM))
    return (f"before {safe} WAL can lose rows, so it is not used: as safe, but readers and writers take turns",)


def prepare(engine: sa.Engine) -> None:
    """Set up every connection of an engine, and let SQLAlchemy rather than the driver begin transactions."""
    journal = journal_for(sqlite3.sqlite_version_info[:3])

    def connect(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        connection.execute("PRAGMA foreign_keys = ON")
        _set(connection, journal)
        # FULL also with WAL: what was acknowledged survives a power cut.
        connection.execute("PRAGMA synchronous = FULL")

    def begin(connection: sa.Connection) -> None:
        # A writer takes its lock at once: upgrading a read lock later can deadlock, which no waiting mends.
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
        if journal == "rollback" and not reading:
            line = connection.connection.driver_connection
            assert line is not None, "a transaction has begun on it"
            _refuse_wal(line)

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", begin)


def _set(connection: sqlite3.Connection, journal: Journal) -> None:
    """Raises: Conflict: another process has the database open in WAL, which is not safe here."""
    if journal == "wal":
        connection.execute("PRAGMA journal_mode = wal")
        return
    try:
        # TRUNCATE and not DELETE: one directory update less for each commit, and as safe.
        connection.execute("PRAGMA journal_mode = truncate")
    except sqlite3.OperationalError:
        _refuse_wal(connection)
        raise


def _refuse_wal(connection: sqlite3.Connection) -> None:
    """Raises: Conflict: the database is in WAL."""
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        safe = ".".join(map(str, WAL_SAFE_FROM))
        raise Conflict(
            f"Another process has put the database to WAL, which can lose rows with SQLite {sqlite3.sqlite_version} "
            f"here. End that process, or use SQLite {safe} or newer everywhere; then try again. What was saved is safe."
        )


def copy(engine: sa.Engine, to: Path) -> None:
    """Copy the whole database as of now into a new file. Writers wait for as long as that takes, and no longer.

    Raises:
        DBAPIError: it cannot be read, or not be written there.
    """
    to.touch(mode=0o600)
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("VACUUM INTO ?", (str(to),))
    except sqlite3.Error as fault:
        raise OperationalError("VACUUM INTO", None, fault) from fault
    finally:
        connection.close()


def remove(path: Path) -> None:
    """Remove a database that nobody has open, and what SQLite keeps beside it."""
    for name in (path.name, f"{path.name}-journal", f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)


def explain(fault: DBAPIError, name: str) -> UserError | None:
    """The sentence for a fault of the file or its place; None when the fault is not of that kind."""
    code: Any = getattr(fault.orig, "sqlite_errorcode", None)
    if code is None:
        return None
    match code & 0xFF:
        case sqlite3.SQLITE_NOTADB:
            return UserError(f"{name!r} is not a database. Name another file, or move this one away.")
        case sqlite3.SQLITE_CORRUPT:
            return UserError(f"The database {name!r} is damaged ({fault.orig}). Restore it from a backup.")
        case sqlite3.SQLITE_FULL:
            return UserError(
                f"No space left for the database {name!r}. Free some, then resume; what was saved is safe."
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return UserError(f"The database {name!r} cannot be written ({fault.orig}). Check its permissions.")
        case sqlite3.SQLITE_CANTOPEN:
            return NotFound(f"The database {name!r} cannot be opened. Check that the folder exists and can be written.")
        case sqlite3.SQLITE_IOERR:
            return UserError(
                f"The disk refused to read or write the database {name!r} ({fault.orig}). "
                "Check the disk and its limits, then resume; what was saved is safe."
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Conflict(f"Another process has kept the database {name!r} locked for {BUSY_SECONDS} s. Try again.")
    return None
