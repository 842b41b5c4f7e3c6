"""What a release has to say about a conversation, found off the event loop and in bounded time.

Promises: a turn that was read once is not read again; the event loop never computes; what takes longer than it may is
given up, and said to have been. One thread matches whatever conversations are waiting, together: handing work to a
thread and setting up small matrices costs more than the sums, and so is shared. A dense embedder has threads of its own
before that, and when it is late the release's fall-back, on word vectors alone, answers.
"""

import asyncio
import hashlib
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from preceptor.dialogue.conversation import Turn
from preceptor.errors import PreceptorError
from preceptor.library.model import Guidance, Placement, Scenario
from preceptor.retrieval.embedding import Embedder
from preceptor.retrieval.keeping import Fitted
from preceptor.retrieval.matcher import Match
from preceptor.retrieval.results import pairs
from preceptor.retrieval.selector import Found, Retriever, fit
from preceptor.retrieval.windows import spoken
from preceptor.serving.ahead import Ahead
from preceptor.student.student import SLOT_LIMIT

TOGETHER = 32
"""Most conversations matched at once: more would make the first wait for the last."""
PAUSE = 0.005
"""Most seconds that are waited for more conversations when several came at once before, and never longer than those
took: twice as many at once are two thirds of the work each, and nobody waits on a machine that has time."""
REMEMBERED = 4_096
"""Conversations whose findings are kept, newest first."""
SHOWN = 5
"""Scenarios ranked for a conversation, at least as many as a slot is filled from: ranking a thousand takes longer than
finding them, and keeping them would be most of the memory."""
LONGEST = 8_000
"""Characters of a turn that are read, its last: more than a thousand words. Somebody who pastes a book into a chat must
not take a second and a gigabyte for it, nor fill what is remembered."""


class Late(PreceptorError):
    """Nothing was found in the time there was."""


@dataclass(frozen=True)
class Guide:
    """A release, ready to be asked."""

    release: str
    """Its hash."""
    library: str
    retriever: Retriever
    fallback: Retriever | None = None
    """On word vectors, where `retriever` has an embedder that can be late or away."""
    embedder: Embedder | None = None
    """That embedder; it remembers what it has embedded."""
    degraded: bool = False
    """There should be an embedder, but it could not be had: word vectors alone decide."""

    @property
    def placement(self) -> Placement:
        return self.retriever.guidance.placement

    @classmethod
    def of(
        cls,
        guidance: Guidance,
        library: str,
        words: Embedder,
        dense: Embedder | None,
        before: "Guide | None" = None,
        fitted: Fitted | None = None,
    ) -> "Guide":
        """Make a release ready. `words`: word vectors, used alone where there is no dense embedder. `before`: a guide
        whose fitting may serve again: what tells scenarios apart does not depend on strategies. `fitted`: what was
        fitted before, on disk.

        Raises:
            UserError, ProviderError: from fitting.
        """
        same = before is not None and before.fits(guidance)
        if before is not None and same and before.embedder is dense:
            main = Retriever(guidance, limit=SLOT_LIMIT, matcher=before.retriever.matcher)
            spare = before.fallback and Retriever(guidance, limit=SLOT_LIMIT, matcher=before.fallback.matcher)
            return cls(guidance.hash, library, main, spare, dense)
        if dense is None:
            return cls(guidance.hash, library, _retriever(guidance, words, fitted))
        # What decided for a while on word vectors alone goes on as the fall-back.
        known = before.retriever.matcher if before is not None and same and before.embedder is None else None
        spare = Retriever(guidance, limit=SLOT_LIMIT, matcher=known) if known else _retriever(guidance, words, fitted)
        return cls(guidance.hash, library, _retriever(guidance, dense, fitted), spare, dense)

    def fits(self, guidance: Guidance) -> bool:
        """Whether what was fitted here holds for another release."""
        return _fitted(self.retriever.guidance) == _fitted(guidance)

    def fresh(self) -> "Guide":
        """The same, remembering no turns."""
        return replace(self, retriever=_fresh(self.retriever), fallback=self.fallback and _fresh(self.fallback))


def _fresh(retriever: Retriever) -> Retriever:
    return Retriever(retriever.guidance, limit=retriever.limit, matcher=retriever.matcher.fresh())


def _retriever(guidance: Guidance, embedder: Embedder, fitted: Fitted | None) -> Retriever:
    matcher = fitted.get(guidance, embedder) if fitted else None
    if matcher is None:
        matcher = fit(guidance, embedder)
        if fitted:
            fitted.put(guidance, embedder, matcher)
    # Word vectors and their tokenizer are loaded when first needed, and no customer should wait for that.
    matcher.match((Turn("customer", "Hello."),))
    return Retriever(guidance, limit=SLOT_LIMIT, matcher=matcher)


def _fitted(one: Guidance) -> tuple[list[Scenario], float, float]:
    """What a matcher is fitted to."""
    return sorted(one.scenarios, key=lambda scenario: scenario.id), one.false_injections, one.foreign


@dataclass(frozen=True)
class Finding:
    """What was found, and how."""

    found: Found
    seconds: float
    """From asking to knowing."""
    embedder: str
    """Whose vectors decided."""
    late: bool = False
    """The release's own embedder was late or away, and word vectors decided."""
    remembered: bool = False
    """The same conversation was asked about before."""


@dataclass
class _Job:
    retriever: Retriever
    turns: tuple[Turn, ...]
    future: "asyncio.Future[Match]"
    loop: asyncio.AbstractEventLoop


class Finder:
    """Asks guides. One for each process; close it."""

    def __init__(self, patience: float = 0.03, limit: float = 0.25, together: int = 1) -> None:
        """`patience`: seconds a dense embedder may take, then word vectors decide. `limit`: seconds matching may take;
        then nothing is taught. It takes one or two milliseconds, so more means that the machine is overrun.
        `together`: see `Ahead`."""
        self.limit = limit
        self._ahead = Ahead(patience, together)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._known: OrderedDict[bytes, Finding] = OrderedDict()
        self._thread = threading.Thread(target=self._work, name="preceptor-match", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._jobs.put(None)
        self._ahead.close()

    async def find(self, guide: Guide, turns: Sequence[Turn]) -> Finding:
        """What a guide has to say.

        Raises:
            Late: matching took longer than it may.
            PreceptorError: from retrieval.
        """
        began = time.perf_counter()
        said = tuple(_clean(turn) for turn in spoken(turns))
        key = _key(guide, said)
        if known := self._known.get(key):
            self._known.move_to_end(key)
            return Finding(known.found, time.perf_counter() - began, known.embedder, remembered=True)
        retriever, late = guide.retriever, guide.degraded
        if guide.embedder is not None and guide.fallback is not None:
            read = await self._ahead.read(
                guide.embedder, list(dict.fromkeys(turn.text for turn in said if pairs(turn.text) is None))
            )
            retriever, late = (retriever, late) if read else (guide.fallback, True)
        match = await self._match(retriever, said)
        finding = Finding(retriever.choose(match), time.perf_counter() - began, retriever.matcher.embedder_id, late)
        if not late:
            self._remember(key, finding)
        return finding

    def _remember(self, key: bytes, finding: Finding) -> None:
        self._known[key] = finding
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def _match(self, retriever: Retriever, turns: tuple[Turn, ...]) -> Match:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Match] = loop.create_future()
        self._jobs.put(_Job(retriever, turns, future, loop))
        alarm = loop.call_later(self.limit, _give_up, future)
        try:
            return await future
        finally:
            alarm.cancel()

    def _work(self) -> None:
        """The matching thread."""
        pause = 0.0
        while (job := self._jobs.get()) is not None:
            time.sleep(pause)
            jobs = [job]
            while len(jobs) < TOGETHER:
                try:
                    more = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    return
                jobs.append(more)
            began = time.perf_counter()
            _answer(jobs)
            pause = min(PAUSE, time.perf_counter() - began) if len(jobs) > 1 else 0.0


def _answer(jobs: Sequence[_Job]) -> None:
    by_retriever: dict[int, list[_Job]] = {}
    for job in jobs:
        if not job.future.done():
            by_retriever.setdefault(id(job.retriever), []).append(job)
    for mine in by_retriever.values():
        outcome = _matched(mine[0].retriever, mine)
        for loop in {job.loop for job in mine}:
            pairs = [pair for pair in zip(mine, outcome, strict=True) if pair[0].loop is loop]
            try:
                loop.call_soon_threadsafe(_deliver, pairs)
            except RuntimeError:
                # The loop has ended meanwhile, and with it whoever asked.
                continue


def _matched(retriever: Retriever, jobs: Sequence[_Job]) -> Sequence[Match | Exception]:
    try:
        return retriever.matcher.match_all([job.turns for job in jobs], SHOWN)
    except Exception as fault:
        # Whatever goes wrong in here must not end the thread: it is told to those who asked.
        return [fault] * len(jobs)


def _deliver(pairs: Sequence[tuple[_Job, Match | Exception]]) -> None:
    for job, outcome in pairs:
        if job.future.done():
            continue
        if isinstance(outcome, Exception):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)


def _give_up(future: "asyncio.Future[Match]") -> None:
    if not future.done():
        future.set_exception(Late("Matching took too long."))


def _clean(turn: Turn) -> Turn:
    """A turn of bounded length, whose text is Unicode: JSON can name halves of characters, which encoders refuse."""
    if len(turn.text) > LONGEST:
        turn = replace(turn, text=turn.text[-LONGEST:])
    try:
        turn.text.encode()
    except UnicodeEncodeError:
        return replace(turn, text=turn.text.encode("utf-8", "replace").decode())
    return turn


def _key(guide: Guide, turns: Sequence[Turn]) -> bytes:
    told = "\0".join(part for turn in turns for part in (turn.party, turn.text))
    return hashlib.blake2b(f"{guide.release}\0{told}".encode(), digest_size=16).digest()
