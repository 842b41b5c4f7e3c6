"""What became of conversations: who was in which arm of a trial, and what applications tell us afterwards.

Promises: nothing in the path of a request waits for the database; what a killed process had not written yet is written
again at the conversation's next turn.
"""

import asyncio
import contextlib
import threading
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import anyio.to_thread
import sqlalchemy as sa

from preceptor.errors import NotFound
from preceptor.serving.keyring import Source
from preceptor.serving.tables import answers, feedback, trials
from preceptor.serving.trial import Arm, Trial, name_of
from preceptor.serving.visit import Visit
from preceptor.storage.database import Database

EVERY = 1.0
"""Seconds between two writings."""
REMEMBERED = 20_000
"""Conversations known to be written, newest first."""
WAITING = 100_000
"""Rows that may wait while the database is away; the oldest are lost first, and counted."""
Measure = Literal["rating", "resolved", "handed_over"]
_Row = tuple[sa.Table, dict[str, object]]


@dataclass(frozen=True)
class Outcome:
    """One measure of one conversation."""

    conversation: str
    arm: Arm
    release: str
    chance: float
    """Of its arm."""
    found: bool
    """There was something to teach it, whether or not it was."""
    measure: Measure
    value: float
    """A rating from 1 to 5; 0 or 1 else."""


@dataclass(frozen=True)
class Tally:
    """How many conversations of an arm there are, and how many of them anything was told of."""

    conversations: int
    told: int


class Outcomes:
    """Keeps a trial's books. One for each process."""

    taped = False

    def __init__(self, source: Source, trial: Trial) -> None:
        """`source`: only this uses it."""
        self._source = source
        self._trial = trial
        self._known: OrderedDict[tuple[str, Arm, bool], None] = OrderedDict()
        self._rows: deque[_Row] = deque()
        self._writing = threading.Lock()
        self.lost = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        following = asyncio.create_task(self._follow(stop))
        try:
            yield
        finally:
            stop.set()
            await following
            await anyio.to_thread.run_sync(self._source.close)

    def note(self, visit: Visit) -> None:
        given, caller = visit.given, visit.caller
        if given is None or given.arm is None or caller is None or visit.heard is None:
            return
        about = (given.conversation, given.arm, given.found)
        if about not in self._known:
            self._known[about] = None
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
            row: dict[str, object] = {"conversation": given.conversation, "arm": given.arm, "library": caller.library}
            row |= {"tenant": caller.tenant, "release": given.release, "found": given.found}
            self._put(trials, {**row, "chance": self._trial.chance(given.arm), "at": _now()})
        if visit.heard.id:
            self._put(answers, {"id": name_of(caller.tenant, visit.heard.id), "conversation": given.conversation})

    async def tell(
        self, tenant: str, conversation: str | None, answer: str | None, told: Mapping[Measure, float]
    ) -> str:
        """Keep what became of a conversation, named by the application's name or ours, or by one of its answers' ids;
        its name here.

        Raises:
            NotFound: no such answer is known.
            PreceptorError: the database cannot be written; nothing was kept.
        """
        return await anyio.to_thread.run_sync(self._tell, tenant, conversation, answer, told)

    def _tell(self, tenant: str, conversation: str | None, answer: str | None, told: Mapping[Measure, float]) -> str:
        self.write()
        with self._writing, self._source.database().begin() as connection:
            if conversation is None:
                known = sa.select(answers.c.conversation).where(answers.c.id == name_of(tenant, answer or ""))
                conversation = connection.scalar(known)
                if conversation is None:
                    raise NotFound(
                        f"No answer {answer!r} is known here: answers are while a trial is on. Name the conversation."
                    )
            name = name_of(tenant, conversation)
            for measure, value in told.items():
                row: dict[str, object] = {"conversation": name, "measure": measure}
                _add(connection, feedback, row, {"value": value, "at": _now()})
            return name

    def _put(self, table: sa.Table, row: dict[str, object]) -> None:
        self._rows.append((table, row))
        if len(self._rows) > WAITING:
            self._rows.popleft()
            self.lost += 1

    async def _follow(self, stop: asyncio.Event) -> None:
        while True:
            ended = stop.is_set()
            # Whatever is wrong with the database, rows wait for it.
            with contextlib.suppress(Exception):
                await anyio.to_thread.run_sync(self.write)
            if ended:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), EVERY)

    def write(self) -> None:
        """Write what is waiting.

        Raises:
            PreceptorError: the database cannot be written; the rows go on waiting.
        """
        with self._writing:
            rows = [self._rows.popleft() for _ in range(len(self._rows))]
            if not rows:
                return
            try:
                with self._source.database().begin() as connection:
                    for table, row in rows:
                        _write(connection, table, row)
            except BaseException:
                self._rows.extendleft(reversed(rows))
                raise


def outcomes(db: Database, library: str, since: str = "") -> Sequence[Outcome]:
    """What was told of conversations in a trial of a library, in the order in which it was told; those that changed
    their arm, because shares were changed, are left out. `since`: an ISO time before which conversations began that do
    not count."""
    mine = (trials.c.library == library) & (trials.c.at >= since)
    once = sa.select(trials.c.conversation).where(mine).group_by(trials.c.conversation).having(sa.func.count() == 1)
    wanted = (
        sa.select(trials, feedback.c.measure, feedback.c.value)
        .join(feedback, feedback.c.conversation == trials.c.conversation)
        .where(mine & trials.c.conversation.in_(once))
        .order_by(feedback.c.at, feedback.c.conversation)
    )
    with db.reading() as connection:
        rows = connection.execute(wanted).all()
    return [
        Outcome(row.conversation, row.arm, row.release, row.chance, row.found, row.measure, row.value) for row in rows
    ]


def tallies(db: Database, library: str, since: str = "") -> dict[Arm, Tally]:
    """How many conversations each arm has."""
    told = sa.exists().where(feedback.c.conversation == trials.c.conversation)
    counted = sa.select(trials.c.arm, sa.func.count(), sa.func.sum(sa.case((told, 1), else_=0)))
    mine = (trials.c.library == library) & (trials.c.at >= since)
    with db.reading() as connection:
        rows = connection.execute(counted.where(mine).group_by(trials.c.arm)).all()
    return {row[0]: Tally(row[1], row[2]) for row in rows}


def _write(connection: sa.Connection, table: sa.Table, row: dict[str, object]) -> None:
    keys = {column.name: row[column.name] for column in table.primary_key}
    rest = {name: value for name, value in row.items() if name not in keys}
    if not _add(connection, table, keys, rest) and row.get("found"):
        same = sa.and_(*(table.c[name] == value for name, value in keys.items()))
        connection.execute(sa.update(table).where(same).values(found=True))


def _add(connection: sa.Connection, table: sa.Table, keys: dict[str, object], rest: dict[str, object]) -> bool:
    """Add a row unless there is one of its key. Within a savepoint: another process may have been quicker."""
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(table), {**keys, **rest})
    except sa.exc.IntegrityError:
        return False
    return True


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
