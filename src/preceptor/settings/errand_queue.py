"""The queue of errands: procrastinate on the project's PostgreSQL, in a schema of its own (`SCHEMA`).

What is in the queue decides nothing: a job names errands, and an errand that was done is not done again. So a job may
be lost, repeated, or done by two at once; it costs time at most. Jobs of a worker that shows no sign of life for
`STALLED` seconds are put back by whichever process notices first.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from preceptor.errors import Conflict, Stopped, UserError
from preceptor.storage.canonical import content_hash
from preceptor.storage.database import Database
from preceptor.storage.postgres import CUT_OFF

if TYPE_CHECKING:
    from procrastinate import App
    from procrastinate.worker import Worker

SCHEMA = "preceptor_queue"
TASK = "errands"
NOTHING = "nothing"
"""A queue that nobody sends to; the others are named for their runs."""
BEAT = 3.0
"""Seconds between two signs of life of a process, and between two looks at those of the others."""
STALLED = 12.0
"""Seconds without one after which a process counts as gone: four that did not come. A machine that is merely busy
seldom misses two. With the looks between, what it was doing is taken over within `STALLED` + `BEAT` + `POLL`."""
POLL = 2.0
"""Seconds after which a process looks for jobs unasked: those that were put back are not announced."""
RETRY = 1.0
"""Seconds before a server that went away is tried again."""

_workers = sa.table("procrastinate_workers", sa.column("id"), sa.column("last_heartbeat"), schema=SCHEMA)
_jobs = sa.table("procrastinate_jobs", sa.column("queue_name", sa.String), schema=SCHEMA)
_FRESH = _workers.c.last_heartbeat > sa.func.now() - sa.func.make_interval(0, 0, 0, 0, 0, 0, STALLED)

Do = Callable[[str, Sequence[str]], Awaitable[None]]
"""Does the errands of a run, by their keys. Raises `Leaving` to have them done elsewhere."""


class Leaving(Exception):
    """This process does no more; its jobs go back into the queue."""


def alive(connection: sa.Connection, name: str) -> bool:
    """Whether a process has lately shown a sign of life; the name is `Post.name`."""
    found = sa.select(sa.literal(1)).where(_workers.c.id == int(name), _FRESH)
    return connection.scalar(found) is not None


def present(db: Database) -> int:
    """How many processes take errands; 0 where there never was a queue."""
    with db.reading() as connection:
        if _mark(connection) is None:
            return 0
        return connection.scalar(sa.select(sa.func.count()).select_from(_workers).where(_FRESH)) or 0


def allowed(db: Database) -> bool:
    """Whether there is a queue, or one may be made."""
    may = sa.text("SELECT has_database_privilege(current_database(), 'CREATE')")
    with db.reading() as connection:
        return _mark(connection) is not None or bool(connection.scalar(may))


def waiting(connection: sa.Connection, run: str) -> bool:
    """Whether any job of a run is to be done, or being done."""
    return connection.scalar(sa.select(sa.literal(1)).where(_jobs.c.queue_name == run).limit(1)) is not None


def check(place: object) -> str:
    """The URL of a database that can hold a queue.

    Raises:
        UserError: it cannot, or procrastinate is not installed.
    """
    if not str(place).startswith("postgres"):
        raise UserError("Workers need a PostgreSQL database: set project.database to its URL (docs/workers.md).")
    try:
        import procrastinate  # noqa: F401
    except ImportError as fault:
        raise UserError(f"Workers need {fault.name!r}. Install preceptor with its 'queue' extra.") from None
    return str(place)


def prepare(db: Database) -> None:
    """Make the queue's tables, or make them anew for another version of procrastinate.

    Raises:
        Conflict: workers of the other version are at it.
        UserError: the server does not allow it.
    """
    from procrastinate.schema import SchemaManager

    text = SchemaManager.get_schema()
    mark = content_hash(text)[:16]
    with db.reading() as connection:
        if _mark(connection) == mark:
            return
    with db.begin() as connection:
        there = _mark(connection)
        if there == mark:
            return
        if there is not None:
            if connection.scalar(sa.select(sa.literal(1)).select_from(_workers).where(_FRESH)):
                raise Conflict("Workers with another version of procrastinate are at work. Stop them first.")
            connection.exec_driver_sql(f"DROP SCHEMA {SCHEMA} CASCADE")
        connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
        connection.exec_driver_sql(f"SET LOCAL search_path TO {SCHEMA}, pg_catalog")
        line = connection.connection.driver_connection
        assert line is not None, "a connection that is in use has one"
        line.execute(text)  # without parameters: only so the server takes several statements at once
        connection.exec_driver_sql(f"COMMENT ON SCHEMA {SCHEMA} IS '{mark}'")


def _mark(connection: sa.Connection) -> str | None:
    """Which tables the queue has; None: there is none."""
    text = sa.text("SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = :name")
    row = connection.execute(text, {"name": SCHEMA}).first()
    return None if row is None else row[0] or ""


@dataclass
class Post:
    """This process at the queue: its name, its jobs, and a look at how the others are. Use `at_work`."""

    place: str
    """The database's URL."""
    at_once: int
    """Most jobs at a time; 0: it only sends."""
    run: str | None
    """Whose jobs it takes; None: every run's."""
    do: Do
    tell: Callable[[str], None] = lambda told: None
    """Hears, in a sentence, of a queue that went away and of one that came back."""
    _app: "App | None" = None
    _worker: "Worker | None" = None
    _name: str = ""
    _leaving: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """Whom the queue knows this process as; another when it had to begin anew."""
        if self._worker is not None and self._worker.worker_id is not None:
            self._name = str(self._worker.worker_id)
        return self._name

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Take jobs while the block lasts. At its end jobs that are going on may finish, or raise `Leaving`.

        Raises:
            UserError: the queue cannot be reached.
        """
        for name in ("procrastinate", "psycopg"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what they would say is said here, in a sentence
        serving = asyncio.create_task(self._serve())
        try:
            while not self.name:
                await asyncio.wait([serving], timeout=0.02)
                if serving.done():
                    serving.result()
            yield
        except Stopped:
            raise
        except BaseException:
            if self._worker is not None:
                self._worker.shutdown_graceful_timeout = 0  # nobody waits for what is going on
            raise
        finally:
            self.leave()
            await asyncio.wait([serving])

    def leave(self) -> None:
        """Take no more jobs."""
        self._leaving.set()
        if self._worker is not None:
            self._worker.stop()  # type: ignore[no-untyped-call]

    async def wait(self) -> None:
        """Until told to leave."""
        await self._leaving.wait()

    async def send(self, run: str, batches: Iterable[Sequence[str]]) -> None:
        """Queue jobs, each a few errands of a run. Waits for a server that is away."""
        from procrastinate.exceptions import ConnectorException

        while True:
            with suppress(ConnectorException):
                if self._app is not None:
                    told: list[dict[str, Any]] = [{"run": run, "keys": list(keys)} for keys in batches]
                    await self._app.configure_task(TASK, queue=run).batch_defer_async(*told)
                    return
            await asyncio.sleep(RETRY)

    async def _serve(self) -> None:
        """As long as there is no word to leave: begin anew whenever the server went away."""
        from procrastinate.exceptions import ConnectorException
        from psycopg import Error
        from psycopg_pool import PoolTimeout

        first = True
        while not self._leaving.is_set():
            try:
                async with _application(self.place, self.do).open_async() as app:
                    self._app = app
                    await self._attend(app, first)
            except (ConnectorException, PoolTimeout, Error) as fault:
                if first and not self.name:
                    raise UserError(f"The queue cannot be used: {_words(fault)}.") from None
            finally:
                self._app = None
            first = False
            if not self._leaving.is_set():
                self.tell("The database went away; trying again.")
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._leaving.wait(), RETRY)

    async def _attend(self, app: "App", first: bool) -> None:
        from procrastinate.worker import Worker

        self._worker = Worker(
            app,
            [NOTHING] if not self.at_once else [self.run] if self.run else None,
            concurrency=max(1, self.at_once),
            fetch_job_polling_interval=POLL,
            delete_jobs="always",
            install_signal_handlers=False,
            update_heartbeat_interval=BEAT,
            stalled_worker_timeout=STALLED,
        )
        watching = asyncio.create_task(_watch_others(app))
        try:
            if not first:
                self.tell("The database is back.")
            await self._worker.run()  # type: ignore[no-untyped-call]
        finally:
            watching.cancel()
            await asyncio.wait([watching])


async def _watch_others(app: "App") -> None:
    """Put back what processes were doing that show no sign of life any more."""
    from procrastinate.exceptions import ConnectorException

    while True:
        await asyncio.sleep(BEAT)
        with suppress(ConnectorException):
            for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED):
                with suppress(ConnectorException):  # somebody else was quicker
                    await app.job_manager.retry_job(job)


def _application(place: str, do: Do) -> "App":
    from procrastinate import App, PsycopgConnector
    from procrastinate.jobs import Job
    from procrastinate.retry import BaseRetryStrategy, RetryDecision

    class Again(BaseRetryStrategy):
        """Whatever kept a job from being done: another process may do it, or this one later."""

        def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
            return RetryDecision(retry_in={"seconds": 0 if isinstance(exception, Leaving) else 5})

    url = sa.make_url(place.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql")
    told = str(url.query.get("options", ""))
    kept = f"-c tcp_keepalives_idle={CUT_OFF // 2} -c tcp_keepalives_interval={CUT_OFF // 4} -c tcp_keepalives_count=2"
    line = {
        "options": f"{told} -c search_path={SCHEMA},pg_catalog -c synchronous_commit=off {kept}".strip(),
        "connect_timeout": 10,
        "keepalives_idle": CUT_OFF // 2,
        "keepalives_interval": CUT_OFF // 4,
        "keepalives_count": 2,
        "tcp_user_timeout": CUT_OFF * 1000,
    }
    plain = url.difference_update_query(["options"]).render_as_string(hide_password=False)
    app = App(connector=PsycopgConnector(conninfo=plain, kwargs=line, min_size=1, max_size=4, timeout=10))

    @app.task(name=TASK, retry=Again())
    async def errands(run: str, keys: list[str]) -> None:
        await do(run, keys)

    return app


def _words(fault: BaseException) -> str:
    """The first line of the fault at the bottom."""
    while fault.__cause__ is not None:
        fault = fault.__cause__
    return (str(fault).strip().splitlines() or [type(fault).__name__])[0]
