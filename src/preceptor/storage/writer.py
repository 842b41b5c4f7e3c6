"""One thread that writes for everybody: group commit.

Whatever is waiting when the thread comes round goes into one transaction, each piece in a savepoint of its own, so that
one that fails takes nothing else with it; then one commit, and only then is anyone told. A commit costs a few
synchronous disk writes; a hundred callers share them. Work that nobody waits for does not begin one by itself: for a
moment it waits for work that somebody does wait for, which would else come just too late and wait for two commits.

A transaction that a server ended before it was kept is done again, as a whole: pieces change nothing but the database.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

Work = Callable[[sa.Connection], Any]

TRIES = 20
"""Of one transaction; each waits for the server by itself. A piece that makes a server fall must not do so for ever."""
PATIENCE = 0.05
"""Seconds that work nobody waits for waits for company: longer than it takes to ask the next question after a reply."""


@dataclass(frozen=True)
class _Job:
    work: Work
    future: "Future[Any]"
    urgent: bool


class Writer:
    """Runs pieces of work inside shared transactions, in the order they came."""

    def __init__(
        self,
        begin: Callable[[], AbstractContextManager[sa.Connection]],
        undone: Callable[[BaseException], bool] = lambda fault: False,
        patience: float = PATIENCE,
    ) -> None:
        """`undone`: whether a transaction ended so that nothing of it was kept, and may simply be done again."""
        self._begin = begin
        self._undone = undone
        self._patience = patience
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def put(self, work: Work, *, urgent: bool = True) -> "Future[Any]":
        """Queue a piece of work; its future is done when the work is on disk, or has failed.

        `urgent`: somebody waits for it.
        """
        self._start()
        job = _Job(work, Future(), urgent)
        self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Finish what is queued and end the thread."""
        with self._starting:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            thread.join()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="preceptor-writer", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        open_ = True
        while open_:
            jobs = self._due()
            open_ = None not in jobs
            self._commit([job for job in jobs if job is not None and job.future.set_running_or_notify_cancel()])

    def _due(self) -> list[_Job | None]:
        """What is waiting, once something of it is urgent, or has waited long enough."""
        jobs = [self._jobs.get()]
        end = monotonic() + self._patience
        while not self._jobs.empty() or not any(job is None or job.urgent for job in jobs):
            try:
                jobs.append(self._jobs.get(timeout=max(0.0, end - monotonic())))
            except Empty:
                break
        return jobs

    def _commit(self, jobs: list[_Job]) -> None:
        if not jobs:
            return
        try:
            outcomes = self._kept(jobs)
        except BaseException as fault:
            for job in jobs:
                job.future.set_exception(fault)
            return
        for job, tell in zip(jobs, outcomes, strict=True):
            tell(job.future)

    def _kept(self, jobs: list[_Job]) -> list[Callable[["Future[Any]"], None]]:
        """What to tell the owners, once it is on disk."""
        for left in reversed(range(TRIES)):
            try:
                with self._begin() as connection:
                    outcomes = [_attempt(connection, job.work) for job in jobs]
            except Exception as fault:
                if not left or not self._undone(fault):
                    raise
            else:
                return outcomes
        raise AssertionError("the last try returns or raises")


def _attempt(connection: sa.Connection, work: Work) -> Callable[["Future[Any]"], None]:
    """Run one piece in a savepoint; what to tell its owner once everything is committed."""
    savepoint = connection.begin_nested()
    try:
        result = work(connection)
        savepoint.commit()
    except Exception as fault:
        _undo(savepoint, fault)
        failure = fault
        return lambda future: future.set_exception(failure)
    return lambda future: future.set_result(result)


def _undo(savepoint: sa.NestedTransaction, fault: Exception) -> None:
    """Undo one piece. A full disk or a lost server can end the whole transaction instead; then nothing of it may be
    acknowledged."""
    if isinstance(fault, DBAPIError) and fault.connection_invalidated:
        raise fault
    try:
        savepoint.rollback()
    except DBAPIError:
        raise fault from None
