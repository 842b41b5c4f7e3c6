"""The database: one place where everything durable lives. SQLite by path, PostgreSQL by URL.

Promises:

- What `begin` has committed, or `write` has returned from, survives a kill, a full disk and (SQLite) a power cut.
- A file that is damaged, foreign or made by a newer version is refused in one sentence and left as it was.
- Several processes may use the same database; writers wait for each other.

Rooms that own tables declare them on `metadata`; `storage.migrations` brings a database up to date when it is opened.
"""

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, cast

import anyio.to_thread
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from preceptor.errors import Conflict, Defect, NotFound, UserError
from preceptor.storage import files, migrations, postgres, sqlite
from preceptor.storage.locks import FileLocks, Locks, ServerLocks
from preceptor.storage.writer import Writer

ResultT = TypeVar("ResultT")

PATIENCE = 300.0
"""Seconds to wait for a server that went away: longer than it takes to restart one, so that a run goes on by itself."""
CLOSING = 10.0
"""Seconds to wait for one when all is over."""

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)
"""Every table of every room. A test holds it against what the migrations make."""


@dataclass(frozen=True)
class About:
    """What `doctor` says of a database."""

    engine: str
    """With its version: ``SQLite 3.40.1``, ``PostgreSQL 15.18``."""
    schema: str
    """The newest step of the schema's history that it has."""
    seconds: float
    """For the way there and back: the quickest of a few."""
    cautions: tuple[str, ...]
    """What of it, or of how it is set up, is not as it should be."""


class Database:
    """An open database. Use `open`; close it, or use it as a context manager."""

    def __init__(self, engine: sa.Engine, name: str, patience: float = PATIENCE) -> None:
        self.name = name
        """How messages call it: the file's path, or the URL without its password."""
        self._engine = engine
        self._writing = threading.Lock()
        self._owner: int | None = None
        # A disk that refuses can have taken a commit all the same; only a server's word that nothing was kept is one.
        on_server = engine.dialect.name != "sqlite"
        self._writer = Writer(self.begin, _undone) if on_server else Writer(self.begin)
        self._server: postgres.Server | None = None
        self._locks: Locks = FileLocks(name)
        if on_server:
            locks = self._locks = ServerLocks(engine)
            self._server = postgres.Server(engine, name, patience, locks.renew)
        sa.event.listen(engine, "before_cursor_execute", _refuse_nul)

    @classmethod
    def open(cls, url: str | Path, *, create: bool = True, patience: float = PATIENCE) -> "Database":
        """Open a database and bring its schema up to date.

        `url` is a path or an SQLAlchemy URL. Without `create`, a file that is not there is an error, as is a server's
        database without our tables. `patience`: seconds to wait for a server that went away after it was reached here.

        Raises:
            NotFound: there is no such file, or no such place.
            Conflict: a newer version made it, or another process keeps it locked.
            UserError: not a database, damaged, not ours, or cannot be read or written.
        """
        database = cls._at(_url(url), create=create, patience=patience)
        try:
            with database._explained():
                database._upgrade(create)
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def at(cls, url: str | Path) -> "Database":
        """A place for a new database, with nothing looked at or made yet; see `filling`.

        Raises:
            Conflict: there is such a file.
            UserError: the place cannot be used.
        """
        parsed = _url(url)
        if _is_sqlite(parsed) and Path(parsed.database or "").exists():
            raise Conflict(f"There is a database {parsed.database!r} already. Name another place, or move it away.")
        return cls._at(parsed, create=True)

    @classmethod
    def _at(cls, parsed: sa.URL, *, create: bool, patience: float = PATIENCE) -> "Database":
        name = parsed.database or "" if _is_sqlite(parsed) else parsed.render_as_string(hide_password=True)
        if _is_sqlite(parsed):
            _check_place(name, create)
        return cls(_engine(parsed), name, patience)

    def settle(self, connection: sa.Connection) -> None:
        """What tables that were just made need here. Raises: UserError: the server cannot hold our text."""
        if self._server:
            postgres.settle(connection, self.name)

    @contextmanager
    def filling(self) -> Iterator[sa.Connection]:
        """A transaction that makes the tables and fills them; without it, or if it raises, nothing is there.

        Raises:
            Conflict: a file has come to be there meanwhile.
            UserError: the disk or the server does not allow it.
        """
        if self._server:
            with self._explained(), self._server.preparing() as connection:
                yield connection
            return
        part = Path(f"{self.name}.{os.getpid()}")
        try:
            made = Database(_engine(sa.URL.create("sqlite", database=str(part))), str(part))
            with made, made.begin() as connection:
                yield connection
            files.put(part, Path(self.name))
        except FileExistsError:
            raise Conflict(f"There is a database {self.name!r} already. Name another place.") from None
        finally:
            sqlite.remove(part)

    @contextmanager
    def snapshot(self, spare: Path) -> Iterator[sa.Connection]:
        """A consistent view that may take long to read, and holds up no writer meanwhile. `spare`: where SQLite may
        keep a copy for that time: with a rollback journal, whoever reads holds up whoever writes."""
        if self._server:
            with self.reading() as connection:
                yield connection
            return
        try:
            with self._explained():
                sqlite.copy(self._engine, spare)
            copy = Database(_engine(sa.URL.create("sqlite", database=str(spare))), self.name)
            with copy, copy.reading() as connection:
                yield connection
        finally:
            sqlite.remove(spare)

    def _upgrade(self, create: bool) -> None:
        preparing = self._server.preparing if self._server else self.begin
        migrations.upgrade(preparing, self.reading, self.name, create=create, settle=self.settle)

    @property
    def journal(self) -> Literal["wal", "rollback", "server"]:
        """How commits are made safe; `doctor` shows it. ``rollback`` where SQLite's WAL has its old fault."""
        if self._server:
            return "server"
        return sqlite.journal_for(sqlite3.sqlite_version_info[:3])

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A transaction that may write: committed at the end of the block, rolled back if it raises.

        Raises:
            UserError, Conflict: the disk, the file or the server does not allow it; nothing of the block was kept.
            Defect: the calling thread is already inside such a block.
        """
        if self._owner == threading.get_ident():
            raise Defect("A write transaction was begun inside another one.")
        # In one process writers queue here, where a waiter wakes at once; SQLite would let them poll.
        with self._writing, self._explained():
            self._owner = threading.get_ident()
            try:
                with self._server.writing() if self._server else self._engine.begin() as connection:
                    yield connection
            finally:
                self._owner = None

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A consistent view that must not write."""
        with self._explained(), self._server.reading() if self._server else self._viewing() as connection:
            yield connection

    @contextmanager
    def _viewing(self) -> Iterator[sa.Connection]:
        with self._engine.connect() as connection, connection.execution_options(reading=True).begin():
            yield connection

    async def write(self, work: Callable[[sa.Connection], ResultT]) -> ResultT:
        """Run `work` in a transaction shared with whoever else is waiting; return when it is on disk.

        A `work` that raises is undone alone, and its exception is raised here. Where a server went away before it was
        kept, it is run again when the server is back; so it must change nothing but the database.

        Raises:
            UserError, Conflict: as `begin`.
        """
        return cast(ResultT, await asyncio.wrap_future(self.submit(work)))

    def submit(self, work: Callable[[sa.Connection], ResultT], *, urgent: bool = True) -> "Future[ResultT]":
        """As `write`, without waiting. What comes later is never on disk before it; `close` waits for it.

        `urgent`: somebody waits for the future; else it may wait a moment for something that is.
        """
        return self._writer.put(work, urgent=urgent)

    async def read(self, work: Callable[[sa.Connection], ResultT]) -> ResultT:
        """Run `work` with a consistent view, in a thread."""

        def run() -> ResultT:
            with self.reading() as connection:
                return work(connection)

        return await anyio.to_thread.run_sync(run)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold a named lock that dies with this process; see `Locks.hold`."""
        with self._explained(), self._locks.hold(name):
            yield

    def locked(self, name: str) -> bool:
        """Whether anybody holds a named lock."""
        with self._explained():
            return self._locks.held(name)

    def check(self) -> tuple[str, ...]:
        """Read the whole database and say what is wrong with it; empty when nothing is."""
        if self._server:
            with self._explained():
                return postgres.damage(self._engine)
        with self.reading() as connection:
            rows = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
        return tuple(row for row in rows if row != "ok")

    def about(self) -> About:
        with self.reading() as connection:
            schema = migrations.revision(connection, self.name) or ""
            if self._server:
                engine, cautions = postgres.version(connection), postgres.cautions(connection)
            else:
                engine, cautions = f"SQLite {sqlite3.sqlite_version}", sqlite.cautions()
            ways = []
            for _ in range(5):
                began = time.perf_counter()
                connection.exec_driver_sql("SELECT 1").all()
                ways.append(time.perf_counter() - began)
        return About(engine, schema, min(ways), cautions)

    def close(self) -> None:
        if self._server:
            self._server.patience = min(self._server.patience, CLOSING)
        self._writer.close()
        if self._server:
            self._server.forget()
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as fault:
            told = (postgres if self._server else sqlite).explain(fault, self.name)
            if told is None:
                raise
            raise told from fault
        except UnicodeEncodeError as fault:
            raise UserError(f"A text holds half of a character (a lone surrogate): {fault.object[:40]!r}.") from fault


def _undone(fault: BaseException) -> bool:
    """Whether a transaction ended so that nothing of it was kept, and the same may work if it is done again."""
    cause = fault.__cause__
    return isinstance(cause, DBAPIError) and postgres.away(cause)


def _refuse_nul(
    connection: sa.Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    """SQLite would take what PostgreSQL cannot hold, and a library could not move.

    Raises:
        UserError
    """
    for row in parameters if executemany else (parameters,):
        for value in row.values() if isinstance(row, dict) else row:
            if isinstance(value, str) and "\0" in value:
                raise UserError(f"The text {value[:40]!r} holds a character that is none (NUL).")


def _url(url: str | Path) -> sa.URL:
    if isinstance(url, Path) or "://" not in url:
        return sa.URL.create("sqlite", database=str(url))
    try:
        parsed = sa.make_url(url.replace("postgres://", "postgresql://", 1))
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise NoSuchModuleError
    except (ArgumentError, NoSuchModuleError):
        # The URL may hold a password, so it is not repeated.
        raise UserError("The database URL cannot be used. Give a path, sqlite:///PATH or postgresql://…") from None
    return parsed if _is_sqlite(parsed) else parsed.set(drivername="postgresql+psycopg")


def _is_sqlite(url: sa.URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _engine(url: sa.URL) -> sa.Engine:
    if _is_sqlite(url):
        # Readers are threads of ours, so the pool needs no limit of its own.
        engine = sa.create_engine(url, max_overflow=-1)
        sqlite.prepare(engine)
        return engine
    try:
        return postgres.engine(url)
    except ImportError as fault:
        raise UserError(f"This database needs {fault.name!r}. Install preceptor with its 'postgres' extra.") from None


def _check_place(name: str, create: bool) -> None:
    if name in ("", ":memory:"):
        raise UserError("A database in memory would lose what it promises to keep. Name a file.")
    path = Path(name)
    if path.is_dir():
        raise UserError(f"{name!r} is a folder. Name a file in it for the database.")
    if path.exists():
        return
    if not create:
        raise NotFound(f"There is no database {name!r}. `preceptor teach` makes one, and `preceptor logs import`.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise UserError(f"The folder {str(path.parent)!r} cannot be made: {fault.strerror}.") from None
