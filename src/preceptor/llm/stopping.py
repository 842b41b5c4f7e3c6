"""Stopping: one flag that ends a run cleanly. What is in flight finishes, nothing new is sent."""

import asyncio
from dataclasses import dataclass

from preceptor.errors import ProviderError, Stopped
from preceptor.llm.clock import Clock
from preceptor.llm.messages import Reply, Request
from preceptor.llm.model import Model


class Stop:
    """Set once, from the event loop's thread (a signal handler added with `loop.add_signal_handler` runs there)."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._reason = ""
        self.fault: ProviderError | None = None
        """Why the run cannot go on, if that is what stopped it."""

    def set(self, reason: str = "The run was told to stop.") -> None:
        self._reason = self._reason or reason
        self._event.set()

    def fail(self, fault: ProviderError) -> Stopped:
        """Stop because a model cannot be asked any more; what to raise, so that what else is in flight finishes."""
        self.fault = self.fault or fault
        self.set(str(fault))
        return Stopped(str(fault))

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raises: Stopped: the flag is set."""
        if self.is_set:
            raise Stopped(self._reason)

    async def pause(self, clock: Clock, seconds: float) -> None:
        """Sleep, but not past the stop.

        Raises:
            Stopped: the flag was set before the time was over.
        """
        waits = [asyncio.ensure_future(clock.sleep(seconds)), asyncio.ensure_future(self._event.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self.check()


@dataclass(frozen=True)
class Stoppable:
    """Sends nothing once the flag is set."""

    model: Model
    stop: Stop

    @property
    def name(self) -> str:
        return self.model.name

    async def ask(self, request: Request) -> Reply:
        self.stop.check()
        return await self.model.ask(request)
