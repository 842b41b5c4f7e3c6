"""One request as it is dealt with, and what may look at it when it is over: logs, recordings, outcomes."""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from preceptor.llm.prices import NOTHING, Amount
from preceptor.serving.access import Caller
from preceptor.serving.coach import Given
from preceptor.serving.protocols import openai
from preceptor.serving.protocols.asked import Asked
from preceptor.serving.refusals import Refused
from preceptor.serving.relay import Scope, Traced, Trip
from preceptor.serving.usage import Heard


@dataclass
class Visit:
    """One request as it is dealt with, for metrics and logs."""

    route: str
    status: int = 0
    """0: the client left before there was an answer."""
    caller: Caller | None = None
    asked: Asked | None = None
    given: Given | None = None
    trip: Trip | None = None
    heard: Heard | None = None
    """What the answer told of itself; None while it has not ended, and where it was an error."""
    cost: Amount = NOTHING
    traced: Traced | None = None
    """Who follows it; None: nobody."""
    refused: str = ""
    """Our own reason for saying no, as programs know it."""
    began: float = field(default_factory=time.perf_counter)
    error: Callable[[Refused], bytes] = field(default=openai.error)
    """How a refusal is written."""


class Beside(Protocol):
    """Something that looks at requests when they are over."""

    @property
    def taped(self) -> bool:
        """Whether it needs the whole answer."""

    @property
    def lost(self) -> int:
        """What it could not keep."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """What it needs, while requests are served."""

    def note(self, visit: Visit) -> None:
        """A request is over. In the event loop, so briefly; must not raise."""


class Tracing(Beside, Protocol):
    """Something that follows requests from their beginning to their end."""

    def begin(self, scope: Scope) -> Traced | None:
        """A request has come. None: it is not followed."""
