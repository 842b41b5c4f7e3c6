"""Latency and faults, drawn from a seed: what real endpoints do to their callers.

`Faults` says how often what goes wrong; `Attempts` decides it for each attempt at a request; `Faulty` acts it out in
process and `server` over HTTP. The third attempt at the same request fails the same way in every run.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

import anyio

from preceptor.errors import Garbled, RateLimited, Rejected, Unavailable
from preceptor.llm.capabilities import Feature
from preceptor.llm.messages import Reply, Request
from preceptor.llm.model import Model
from preceptor.simulated.chance import Chance

Kind = Literal["rate_limit", "server_error", "stall", "cut", "broken_json"]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class Faults:
    """How often an attempt fails in which way (chances 0…1, together at most 1), and what is never taken."""

    rate_limit: float = 0.0
    """429."""
    retry_after: float = 1.0
    """Seconds told with a 429."""
    server_error: float = 0.0
    """500."""
    stall: float = 0.0
    """No answer for `stall_seconds`, then 504."""
    stall_seconds: float = 60.0
    cut: float = 0.0
    """The reply stops in the middle."""
    broken_json: float = 0.0
    """200 with a body that is no JSON."""
    rejects: frozenset[Feature] = frozenset()
    """Refused with 400 whenever a request uses it."""
    most: int | None = None
    """Requests at once above which 429 is answered."""
    seed: int = 0


class Attempts:
    """Decides what happens to each attempt at a request. Counts attempts, so one is needed for each server."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.running = 0
        self._made: Counter[bytes] = Counter()

    def next(self, model: str, request: Request) -> Kind | None:
        """What goes wrong with the next attempt at a request; None: nothing."""
        if self.faults.most is not None and self.running >= self.faults.most:
            return "rate_limit"
        chance = Chance.of(self.faults.seed, model, request)
        self._made[chance.key] += 1
        left = chance.draw("attempt", str(self._made[chance.key]))
        for kind in ("rate_limit", "server_error", "stall", "cut", "broken_json"):
            left -= getattr(self.faults, kind)
            if left < 0:
                return kind
        return None


def refused(faults: Faults, request: Request) -> Rejected | None:
    """The refusal of a request that uses what is never taken."""
    used = {
        "response_format": request.schema is not None,
        "seed": request.sampling.seed is not None,
        "temperature": request.sampling.temperature is not None,
        "top_p": request.sampling.top_p is not None,
        "system": any(message.role == "system" for message in request.messages),
    }
    for feature in sorted(faults.rejects):
        if used.get(feature):
            what = "the system role" if feature == "system" else f"'{feature}'"
            return Rejected(f"Unsupported parameter: {what} is not supported with this model.", 400, feature)
    return None


class Faulty:
    """A model behind a bad line, in process."""

    def __init__(self, model: Model, faults: Faults, latency: float = 0.0, sleep: Sleep = anyio.sleep) -> None:
        """`latency`: seconds before each answer; `sleep` is passed in so that tests need not wait."""
        self._model, self._latency, self._sleep = model, latency, sleep
        self._attempts = Attempts(faults)

    @property
    def name(self) -> str:
        return self._model.name

    async def ask(self, request: Request) -> Reply:
        kind = self._attempts.next(self.name, request)
        self._attempts.running += 1
        try:
            await self._sleep(self._attempts.faults.stall_seconds if kind == "stall" else self._latency)
            if refusal := refused(self._attempts.faults, request):
                raise refusal
            if kind is not None:
                raise self._fault(kind)
            return replace(await self._model.ask(request), seconds=self._latency)
        finally:
            self._attempts.running -= 1

    def _fault(self, kind: Kind) -> Exception:
        match kind:
            case "rate_limit":
                return RateLimited(f"{self.name} asks to slow down (429).", self._attempts.faults.retry_after)
            case "server_error":
                return Unavailable(f"{self.name} failed (500).")
            case "stall":
                return Unavailable(f"{self.name} did not answer in time.")
            case "cut" | "broken_json":
                return Garbled(f"{self.name} sent a reply that cannot be read.")
