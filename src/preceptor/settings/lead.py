"""Several processes at one teaching run: the one that leads it.

It does the run as ever; its errands go into the queue, and it takes part in doing them. Workers (`settings.worker`) do
them, too, and the outcome comes back here. What comes of a run depends on none of this: an errand gives the same
whoever does it, and what is lost is done again.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Any, TypeVar

import orjson

from preceptor.errors import (
    BadReply,
    BudgetExhausted,
    Defect,
    PreceptorError,
    ProviderError,
    Rejected,
    Stopped,
    UserError,
)
from preceptor.llm.parallel import gather
from preceptor.llm.prices import NOTHING, Amount
from preceptor.llm.sharing import Purse, SharedLedger
from preceptor.llm.stopping import Stop
from preceptor.retrieval.embedding import Embedder
from preceptor.settings import errand_queue
from preceptor.settings.errands import Ended, Errands
from preceptor.settings.models import Providers
from preceptor.settings.project import Project
from preceptor.settings.schema import ROLES
from preceptor.settings.team import Team
from preceptor.storage.canonical import canonical
from preceptor.storage.database import Database
from preceptor.teaching import errands as parts
from preceptor.teaching.crew import Crew
from preceptor.teaching.errands import Description, Desk

T = TypeVar("T")
TICK = 0.1
"""Seconds between two looks for errands that were done."""
TOGETHER = 0.01
"""Seconds to wait for errands that are sent at the same time."""
SHORT_AT_ONCE = 8
"""Short errands to a job: a job costs some four transactions, about what the row of one call does."""
REFRESH = 1.0
"""Seconds between two looks at what all processes have used."""
LOST = 10.0
"""Seconds with nothing done and nothing in the queue after which errands are sent again."""


def fingerprint(project: Project, providers: Providers, embedder: Embedder) -> str:
    """What processes at one run must have in common: whatever decides what an errand gives, but is not in the run."""
    models = {}
    for role in ROLES:
        section = project.settings.models.of(role)
        sampling = section.temperature, section.top_p, section.max_tokens
        models[role] = [providers.model(section).name, *sampling]
    return canonical({"preceptor": version("preceptor"), "models": models, "embedder": embedder.id}).decode()


def jobs_at_once(project: Project) -> int:
    """Twice as many as the models take calls at a time. Of an errand one call at least is in flight most of the time,
    but not while it is fetched, given back, and waits for the row of its next call to be on disk."""
    return project.settings.workers.jobs or 2 * max(project.settings.models.of(role).concurrency for role in ROLES)


class Lead:
    """Leads a run whose errands others may do.

    Make the run's team over `ledger`, and do the run with the hands that `at_work` gives, while it is held.
    """

    def __init__(self, project: Project, db: Database, run: str, tell: Callable[[str], None]) -> None:
        """Raises: UserError: the database cannot hold a queue, or procrastinate is not installed."""
        self.project, self.db, self.run = project, db, run
        self.purse = Purse(db, run)
        self.errands = Errands(db, run)
        part = jobs_at_once(project) if project.settings.workers.lead_works else 0
        self.post = errand_queue.Post(errand_queue.check(project.place), part, run, self._do, tell)
        self._elsewhere = NOTHING
        self._desk: Desk | None = None
        self._stop = Stop()
        """The run's, once it is led."""

    def ledger(self, elsewhere: Amount = NOTHING) -> SharedLedger:
        """The ledger to do the run over. `elsewhere`: what other runs have used of its budget."""
        self._elsewhere = elsewhere
        return SharedLedger(self.db, self.run, lambda: self.post.name, errand_queue.alive)

    @asynccontextmanager
    async def at_work(self, team: Team, crew: Crew) -> AsyncIterator["Dispatch"]:
        """Let workers in, send errands, and do some, while the block lasts. `crew`: the run's, without hands.

        Raises:
            Conflict, UserError: the queue cannot be used.
        """
        self._stop = team.stop
        self._desk = Desk(crew, self.errands)
        dispatch = Dispatch(self.errands, self.post, team)
        await asyncio.to_thread(self._open, team, crew)
        try:
            async with self.post.at_work(), dispatch.at_work():
                try:
                    yield dispatch
                finally:
                    await self._close()
        finally:
            await self._close()

    def _open(self, team: Team, crew: Crew) -> None:
        errand_queue.prepare(self.db)
        self.purse.open(team.budget, self._elsewhere, fingerprint(self.project, team.providers, crew.embedder))

    async def _close(self) -> None:
        # Where the server is away, workers cannot write either, and end with what is in the queue.
        with suppress(PreceptorError):
            await asyncio.to_thread(self.purse.close)

    async def _do(self, run: str, keys: Sequence[str]) -> None:
        assert self._desk is not None, "jobs come only while at work"
        _, bodies = await self.errands.open(keys)
        if not await done(self.errands, self._desk, bodies, self._stop):
            raise errand_queue.Leaving


@dataclass
class Dispatch:
    """Hands: sends a run's errands into the queue, and waits for what comes of them."""

    errands: Errands
    post: errand_queue.Post
    team: Team
    _waiting: dict[str, "asyncio.Future[Ended]"] = field(default_factory=dict)
    _fresh: dict[str, Description] = field(default_factory=dict)
    _papers: dict[str, bytes] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _last: int = 0
    """The newest end heard of."""

    async def do(
        self, crew: Crew, errand: Callable[..., Awaitable[T]], arguments: Sequence[Any], options: Mapping[str, Any]
    ) -> T:
        """Raises: Stopped, BudgetExhausted, BadReply, Rejected, UserError, Defect: as whoever did it."""
        self.team.stop.check()
        description, papers = parts.describe(crew, errand, arguments, options)
        key = description.key
        if key not in self._waiting:
            self._waiting[key] = asyncio.get_running_loop().create_future()
            self._fresh[key] = description
            self._papers |= papers
            self._wake.set()
        waiting = self._waiting[key]
        await asyncio.wait([waiting])
        ended = waiting.result()
        if ended.state == "failed":
            raise _fault(ended.outcome, self.team.stop)
        return parts.outcome_of(errand, ended.outcome)  # type: ignore[no-any-return]

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        # Before anything is sent: what ends after this is news.
        self._last = await asyncio.to_thread(self.errands.last)
        tasks = [asyncio.create_task(work()) for work in (self._send, self._watch, self._refresh)]
        for task in tasks:
            task.add_done_callback(self._failed)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _failed(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._give_up(fault)

    def _give_up(self, fault: BaseException) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(fault)
                # Nobody may be waiting; that is no reason for asyncio to complain about an exception never looked at.
                waiting.exception()

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(TOGETHER)
            self._wake.clear()
            fresh, self._fresh = self._fresh, {}
            papers, self._papers = self._papers, {}
            known = await self.errands.put({key: told.body for key, told in fresh.items()}, papers)
            for ended in known:
                self._hear(ended)
            gone = {ended.key for ended in known}
            await self.post.send(self.errands.run, _batches({k: told for k, told in fresh.items() if k not in gone}))

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        heard = loop.time()
        while True:
            await asyncio.sleep(TICK)
            if self.team.stop.is_set:
                self._stopped()
                continue
            if not self._outstanding:
                heard = loop.time()
                continue
            for ended in await self.errands.ended_after(self._last):
                self._last, heard = ended.number, loop.time()
                self._hear(ended)
            if loop.time() - heard > LOST and not await self._any_queued():
                heard = loop.time()
                await self._send_again()

    async def _any_queued(self) -> bool:
        return await self.errands.db.read(partial(errand_queue.waiting, run=self.errands.run))

    async def _send_again(self) -> None:
        """The queue has lost jobs; whatever was done of what they were to do is heard of first."""
        for ended in await self.errands.ended(self._outstanding):
            self._hear(ended)
        await self.post.send(self.errands.run, [[key] for key in self._outstanding])

    @property
    def _outstanding(self) -> list[str]:
        return [key for key, waiting in self._waiting.items() if not waiting.done()]

    def _hear(self, ended: Ended) -> None:
        waiting = self._waiting.pop(ended.key, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(ended)

    def _stopped(self) -> None:
        try:
            self.team.stop.check()
        except Stopped as stopped:
            self._give_up(stopped)

    async def _refresh(self) -> None:
        ledger = self.team.ledger
        assert isinstance(ledger, SharedLedger), "a run that is led is kept by several"
        while True:
            await asyncio.sleep(REFRESH)
            with suppress(PreceptorError):
                await ledger.refresh()


def _batches(fresh: Mapping[str, Description]) -> list[list[str]]:
    """A job for each customer or scenario, and one for a few short errands."""
    short = [key for key, told in fresh.items() if told.short]
    long = [[key] for key, told in fresh.items() if not told.short]
    return long + [short[n : n + SHORT_AT_ONCE] for n in range(0, len(short), SHORT_AT_ONCE)]


async def done(errands: Errands, desk: Desk, bodies: Mapping[str, bytes], stop: Stop) -> bool:
    """Do errands and write down what came of them; False: some were stopped, and are still to be done."""

    async def one(key: str, body: bytes) -> bool:
        try:
            outcome = await desk.do(body)
        except PreceptorError as fault:
            if isinstance(fault, Stopped) and not isinstance(fault, BudgetExhausted) and stop.fault is None:
                return False
            await errands.end(key, "failed", _told(stop.fault or fault))
        else:
            await errands.end(key, "done", outcome)
        return True

    return all(await gather([partial(one, key, body) for key, body in bodies.items()]))


def _told(fault: PreceptorError) -> bytes:
    about = {"status": fault.status, "param": fault.param} if isinstance(fault, Rejected) else {}
    return canonical({"kind": type(fault).__name__, "message": str(fault), "host": socket.gethostname(), **about})


def _fault(body: bytes, stop: Stop) -> PreceptorError:
    """What went wrong with an errand, to be raised where it was sent from."""
    told = orjson.loads(body)
    message, where = told["message"], f" (On {told['host']}.)"
    match told["kind"]:
        case "BudgetExhausted":
            return BudgetExhausted(message)
        case "BadReply" | "Garbled":
            return BadReply(message)
        case "Rejected":
            return Rejected(message, told["status"], told["param"])
        case "Denied" | "RateLimited" | "Unavailable" | "ProviderError":
            return stop.fail(ProviderError(message + where))
        case "Defect":
            return Defect(message + where)
    return UserError(message + where)
