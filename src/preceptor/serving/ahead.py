"""What a dense embedder is to know before conversations are matched, read by threads of its own in bounded time.

Promises: the event loop never computes; nobody waits longer than there is patience; what there is no time for is
dropped and not queued without end. The newest comes first: whoever has waited longest is about to do without, or does
already. What was late is read all the same when there is time, so that the conversation's next turn finds it known.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from preceptor.retrieval.embedding import Embedder

THREADS = 2
WAITING = 64
"""Conversations that may wait; the oldest are dropped first."""


@dataclass(frozen=True)
class _Job:
    embedder: Embedder
    texts: Sequence[str]
    future: "asyncio.Future[bool]"
    loop: asyncio.AbstractEventLoop


class Ahead:
    """Has texts read. One for each process; close it."""

    def __init__(self, patience: float, together: int = 1) -> None:
        """`patience`: seconds it may take. `together`: conversations whose texts are given to the embedder at once: a
        server is better asked once for many, while for one in this process a second text takes as long as the first
        and would only make that wait."""
        self.patience = patience
        self._together = together
        self._jobs: deque[_Job] = deque(maxlen=WAITING)
        self._change = threading.Condition()
        self._closed = False
        self._threads: list[threading.Thread] = []

    async def read(self, embedder: Embedder, texts: Sequence[str]) -> bool:
        """Have an embedder, one that remembers, read texts. False: it is late or away."""
        loop = asyncio.get_running_loop()
        job = _Job(embedder, texts, loop.create_future(), loop)
        with self._change:
            self._jobs.append(job)
            self._change.notify()
        if not self._threads:
            self._threads = [
                threading.Thread(target=self._work, name="preceptor-embed", daemon=True) for _ in range(THREADS)
            ]
            for thread in self._threads:
                thread.start()
        done, _ = await asyncio.wait([job.future], timeout=self.patience)
        return bool(done) and job.future.result()

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._change.notify_all()

    def _work(self) -> None:
        while jobs := self._take():
            try:
                jobs[0].embedder.embed(list(dict.fromkeys(text for job in jobs for text in job.texts)))
                known = True
            except Exception:
                # Whatever goes wrong in here must not end the thread: word vectors stand in.
                known = False
            for job in jobs:
                # The loop may have ended meanwhile, and with it whoever asked.
                with contextlib.suppress(RuntimeError):
                    job.loop.call_soon_threadsafe(_tell, job.future, known)

    def _take(self) -> Sequence[_Job]:
        """The newest, and with it others of the same embedder; none: it is over."""
        with self._change:
            self._change.wait_for(lambda: self._closed or self._jobs)
            if self._closed:
                return []
            jobs = [self._jobs.pop()]
            while self._jobs and len(jobs) < self._together and self._jobs[-1].embedder is jobs[0].embedder:
                jobs.append(self._jobs.pop())
            return jobs


def _tell(future: "asyncio.Future[bool]", known: bool) -> None:
    if not future.done():
        future.set_result(known)
