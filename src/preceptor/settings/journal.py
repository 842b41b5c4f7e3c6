"""A run being done: held, its events written down in their order, and how it ended.

A run that is resumed happens again from its beginning, answered from its ledger; nothing is written down twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar

import pydantic

from preceptor.errors import Conflict, PreceptorError, Stopped
from preceptor.llm.progress import Progress
from preceptor.settings.pulse import Phase, watched
from preceptor.settings.team import Team
from preceptor.storage.database import Database
from preceptor.storage.runs import Runs, Status
from preceptor.storage.signals import Signals, Wish

EventT = TypeVar("EventT")
T = TypeVar("T")


class Journal(Generic[EventT]):
    """Passes events on and writes them down, all but those of a kind there are too many of to read again."""

    def __init__(self, runs: Runs, run: str, tell: Callable[[EventT], None], passing: tuple[type, ...]) -> None:
        self._runs, self._run, self._tell, self._passing = runs, run, tell, passing
        self._heard = 0
        self._known = {event.n for event in runs.events(run)}
        self._notes: list[asyncio.Future[int]] = []
        self.phase = Phase.beginning()

    def hear(self, event: EventT) -> None:
        self._tell(event)
        if isinstance(event, Progress):
            self.phase = self.phase.after(event)
        if isinstance(event, self._passing):
            return
        self._heard += 1
        if self._heard not in self._known:
            # By its number: what a bad disk did not take leaves a gap, which a resumed run fills.
            note = self._runs.note(self._run, type(event).__name__, event, self._heard)
            self._notes.append(asyncio.ensure_future(note))

    async def written_down(self) -> None:
        """Return when every event is on disk. A kill before that loses none: a resumed run tells them again."""
        await asyncio.gather(*self._notes)


async def carry_out(
    db: Database,
    run: str,
    team: Team,
    journal: Callable[[Runs], Journal[EventT]],
    work: Callable[[Journal[EventT]], Awaitable[T]],
    result: Callable[[T], Mapping[str, Any]],
) -> T:
    """Do a run, or what is left of it, with nobody else at it, and record how it ended. Those who watch are told how
    it is getting on, and may stop it.

    Raises:
        Conflict: another process is at it.
        PreceptorError: from the work; the run is then ``stopped`` or ``failed``, and can be resumed, or ``cancelled``.
    """
    runs, signals = Runs(db), Signals(db)
    with runs.lock(run):
        signals.settle(run)
        runs.finish(run, "running")
        book = journal(runs)
        try:
            async with watched(signals, run, team, lambda: book.phase):
                done = await work(book)
                team.check()
                await team.ledger.written()
        except PreceptorError as raised:
            fault = team.stop.fault or raised
            await book.written_down()
            runs.finish(run, _ending(fault, signals.wished(run)), {"reason": str(fault)})
            raise fault from None
        await book.written_down()
        runs.finish(run, "done", result(done))
        return done


def _ending(fault: PreceptorError, wish: Wish | None) -> Status:
    if not isinstance(fault, Stopped):
        return "failed"
    return "cancelled" if wish is not None and wish.what == "cancel" else "stopped"


class Recorded(Generic[EventT]):
    """Reads events of these kinds back as they were told."""

    def __init__(self, *kinds: type[EventT]) -> None:
        self._kinds = {kind.__name__: pydantic.TypeAdapter(kind) for kind in kinds}

    def read(self, kind: str, body: Any) -> EventT:
        """Raises: Conflict: another version of preceptor wrote it."""
        try:
            return self._kinds[kind].validate_python(body)
        except (KeyError, pydantic.ValidationError):
            raise Conflict(f"An event of kind {kind!r} was recorded by another version of preceptor.") from None
