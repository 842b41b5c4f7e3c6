"""What is particular to PostgreSQL: whose turn it is to write, servers that go away, and what its error codes mean.

Promises, so that a server gives the rooms what a file gives them:

- One writer at a time over all processes and machines, as with SQLite: a write transaction takes a lock of the server
  at its start. So whoever reads and then writes need not think of others, and nobody deadlocks.
- A commit whose answer was lost is looked up, not guessed: each transaction leaves its number in a row of its writer,
  so that afterwards it is known whether it was kept.
- A server that goes away is waited for. What waits is not told, and not lost.
- A machine that is cut off holds nobody up for longer than `CUT_OFF`.
"""

import datetime
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError, OperationalError

from preceptor.errors import Conflict, UserError

T = TypeVar("T")
BUSY_SECONDS = 60
"""How long to wait for another process's turn, as with SQLite."""
CUT_OFF = 20
"""Seconds after which the server gives up a machine that no longer answers, and we a server that does not."""
STILL = 60
"""Seconds for which a write transaction may do nothing before the server ends it, for others wait for it."""
IN_DOUBT = 10.0
"""Least seconds to find out what became of a commit whose answer was lost."""
RETRY_FROM, RETRY_TO = 0.05, 1.0
"""Seconds between two tries to reach a server: doubling, and at most a second after it is back."""

NAMED = "preceptor, "
"""How our sessions' names begin, for whoever looks at a server's."""
WRITERS = "preceptor_writers"
_writers = sa.table(WRITERS, sa.column("id", sa.String), sa.column("n", sa.BigInteger), sa.column("at", sa.DateTime))
"""By writer, the number of its last transaction that was kept. In no step of the schema's history: SQLite has none."""
_WRITERS = (
    "CREATE TABLE IF NOT EXISTS preceptor_writers (id text PRIMARY KEY, n bigint NOT NULL, at timestamptz NOT NULL)"
)
_TURN_KEY = 0x7072656365707472
"""The lock of whoever writes; those of names are hashes."""
_LOCK = sa.func.pg_advisory_xact_lock(sa.literal(_TURN_KEY, sa.BigInteger))


def _turn() -> sa.Select[Any]:
    """The first statement of a transaction that writes: its number, how long it may wait and be still, the lock."""
    new = insert(_writers).values(id=sa.bindparam("writer"), n=sa.bindparam("turn"), at=sa.func.now())
    mine = new.on_conflict_do_update(index_elements=["id"], set_={"n": new.excluded.n, "at": new.excluded.at})
    bounds = {"lock_timeout": BUSY_SECONDS, "idle_in_transaction_session_timeout": STILL}
    set_ = [sa.func.set_config(name, f"{seconds}s", True) for name, seconds in bounds.items()]
    return sa.select(*set_, _LOCK).select_from(mine.returning(_writers.c.n).cte("mine"))


_TURN = _turn()

_AGAIN = frozenset({"40001", "40P01", "57P01", "57P02", "57P03", "25P03"})
"""Serialisation failures and deadlocks; a server that stops or starts; a session that did nothing for too long: undone,
and worth another try."""
_FULL = frozenset({"53100", "53200", "54000"})
_DENIED = frozenset({"42501", "25006", "28000", "28P01"})
_DAMAGED = frozenset({"XX001", "XX002"})
_LOCKED = frozenset({"55P03"})
_TEXT = frozenset({"22021", "22P05"})


def engine(url: sa.URL) -> sa.Engine:
    """Raises: ImportError: psycopg is not installed."""
    wanted: dict[str, Any] = {
        "connect_timeout": 10,
        "application_name": f"{NAMED}process {os.getpid()} on {socket.gethostname()}"[:63],
        "keepalives_idle": CUT_OFF // 2,
        "keepalives_interval": CUT_OFF // 4,
        "keepalives_count": 2,
        "tcp_user_timeout": CUT_OFF * 1000,
        "options": f"-c tcp_keepalives_idle={CUT_OFF // 2} -c tcp_keepalives_interval={CUT_OFF // 4} "
        "-c tcp_keepalives_count=2",
    }
    chosen = {name: value for name, value in wanted.items() if name not in url.query}
    # Readers are threads of ours, so the pool needs no limit of its own. A connection is asked whether it still lives
    # before it is used: what was idle while the server was restarted is dead, and says so only when it is needed.
    return sa.create_engine(url, max_overflow=-1, pool_pre_ping=True, connect_args=chosen, use_native_hstore=False)


class Server:
    """A server as one `Database` uses it."""

    def __init__(self, engine: sa.Engine, name: str, patience: float, returned: Callable[[bool], None]) -> None:
        """`patience`: seconds to wait for a server that was reached before and is away now. `returned`: called before
        each write; told whether a connection broke since the last."""
        self._engine = engine
        self._name = name
        self.patience = patience
        self._me = uuid.uuid4().hex
        self._turns = 0
        self._reached = False
        self._returned = returned
        self._away = False
        """A connection broke since `returned` was last called."""
        event.listen(engine, "handle_error", self._note)

    def _note(self, context: sa.ExceptionContext) -> None:
        self._away = self._away or context.is_disconnect

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A view of one moment. The server is waited for before it begins, not within."""
        connection = self._patiently(self._connected)
        try:
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection
        finally:
            connection.close()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A turn to write: kept at the end of the block, undone if it raises."""
        self._turns += 1
        turn = self._turns
        connection = self._patiently(lambda: self._taken(turn))
        try:
            yield connection
            try:
                connection.commit()
            except DBAPIError as fault:
                if not away(fault) or not self._kept(turn, fault):
                    raise
        finally:
            connection.close()

    @contextmanager
    def preparing(self) -> Iterator[sa.Connection]:
        """As `writing`, where our tables may not be there yet."""
        with self._engine.connect() as connection, connection.begin():
            connection.execute(sa.select(_LOCK))
            yield connection

    def forget(self) -> None:
        """Take back this writer's row, and those of writers that ended without doing so long ago."""
        if self._turns:
            old = _writers.c.at < sa.func.now() - datetime.timedelta(days=7)
            with suppress(DBAPIError), self._engine.begin() as connection:
                connection.execute(sa.delete(_writers).where(old | (_writers.c.id == self._me)))

    def _connected(self) -> sa.Connection:
        connection = self._engine.connect()
        self._reached = True
        return connection

    def _taken(self, turn: int) -> sa.Connection:
        connection = self._connected()
        try:
            self._returned(self._away)
            self._away = False
            connection.execute(_TURN, {"writer": self._me, "turn": turn})
        except BaseException:
            connection.close()
            raise
        return connection

    def _patiently(self, attempt: Callable[[], T], least: float = 0.0) -> T:
        """Try until it works. A server that was never reached is not waited for: its address may be wrong."""
        began, wait = time.monotonic(), RETRY_FROM
        while True:
            try:
                return attempt()
            except OperationalError as fault:
                late = time.monotonic() - began + wait > max(least, self.patience)
                if not self._reached or not away(fault) or late:
                    raise
            time.sleep(wait)
            wait = min(2 * wait, RETRY_TO)

    def _kept(self, turn: int, fault: DBAPIError) -> bool:
        """Whether a transaction was kept whose end was not heard.

        Raises:
            UserError: it cannot be told.
        """
        try:
            return self._patiently(self._last_turn, IN_DOUBT) == turn
        except DBAPIError as again:
            # With no fault of a server as its cause: such are repeated.
            raise UserError(
                f"The database {self._name!r} went away in the middle of a commit ({fault.orig}) and cannot be asked "
                f"({again.orig}): whether the last change was kept is not known. Look before you repeat it."
            ) from None

    def _last_turn(self) -> int | None:
        """The number of this writer's last transaction that was kept."""
        with self._connected() as connection:
            # Its session may not have ended yet; until it has, the answer could still change.
            connection.execute(sa.select(_LOCK))
            return connection.scalar(sa.select(_writers.c.n).where(_writers.c.id == self._me))


def away(fault: DBAPIError) -> bool:
    """Whether the server or the way to it is at fault, so that the same may work later."""
    if fault.connection_invalidated or code(fault) in _AGAIN:
        return True
    return isinstance(fault, OperationalError) and code(fault) is None


def code(fault: DBAPIError) -> str | None:
    """The SQLSTATE; None where no session came about, or it broke."""
    state: str | None = getattr(fault.orig, "sqlstate", None)
    return state


def explain(fault: DBAPIError, name: str) -> UserError | None:
    """The sentence for a fault of the server or its place; None when the fault is not of that kind."""
    state, words = code(fault), str(fault.orig).strip().splitlines()
    said = words[0].strip() if words else "no reason given"
    could_not = UserError(f"The database {name!r} could not be used: {said}.")
    if away(fault):
        return could_not
    if state in _LOCKED:
        return Conflict(f"Another process has kept the database {name!r} locked for {BUSY_SECONDS} s. Try again.")
    if state in _FULL:
        return UserError(
            f"No space left for the database {name!r} ({said}). Free some, then resume; what was saved is safe."
        )
    if state in _DENIED:
        return UserError(f"The database {name!r} cannot be written ({said}). Check its permissions.")
    if state in _DAMAGED:
        return UserError(f"The database {name!r} is damaged ({said}). Restore it from a backup.")
    if state in _TEXT:
        return UserError(f"A text holds a character that {name!r} cannot hold: {said}.")
    return could_not if isinstance(fault, OperationalError) else None


def settle(connection: sa.Connection, name: str) -> None:
    """What a schema needs here besides its tables; within the transaction that made them.

    Texts are compared as bytes, as SQLite does: by a language's rules, the same rows would come in another order on
    another server, and what is hashed in order would have another name.

    Raises:
        UserError: the server keeps text in another encoding than UTF-8.
    """
    encoding = connection.scalar(sa.text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise UserError(f"The database {name!r} keeps text as {encoding}. Make one with `createdb -E UTF8`.")
    connection.exec_driver_sql(_WRITERS)
    columns = connection.execute(
        sa.text(
            "SELECT table_name, column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = current_schema() AND data_type IN ('text', 'character varying') "
            "AND collation_name IS DISTINCT FROM 'C' AND table_name <> 'alembic_version' ORDER BY 1, 2"
        )
    ).all()
    quote = connection.dialect.identifier_preparer.quote
    by_table: dict[str, list[str]] = {}
    for table, column, kind in columns:
        by_table.setdefault(table, []).append(f'ALTER COLUMN {quote(column)} TYPE {kind} COLLATE "C"')
    for table, changes in by_table.items():
        connection.exec_driver_sql(f"ALTER TABLE {quote(table)} {', '.join(changes)}")


def version(connection: sa.Connection) -> str:
    return f"PostgreSQL {connection.scalar(sa.text('SHOW server_version'))}"


def cautions(connection: sa.Connection) -> tuple[str, ...]:
    """What of a server's settings breaks our promises."""
    names = ("fsync", "full_page_writes", "synchronous_commit")
    off = [name for name in names if connection.scalar(sa.func.current_setting(name)) == "off"]
    return (f"{', '.join(off)} off: what was acknowledged can be lost in a crash",) if off else ()


def damage(engine: sa.Engine) -> tuple[str, ...]:
    """Have the server read every row of ours, whole; what it says of those it cannot read."""
    found = []
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
    for table in names:
        whole = sa.func.length(sa.cast(sa.literal_column("t"), sa.Text))
        try:
            with engine.connect() as connection:
                connection.execute(sa.select(sa.func.sum(whole)).select_from(sa.table(table).alias("t")))
        except DBAPIError as fault:
            if away(fault):
                raise
            found.append(f"{table}: {str(fault.orig).strip().splitlines()[0]}")
    return tuple(found)
