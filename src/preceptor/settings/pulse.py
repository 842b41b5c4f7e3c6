"""How a run is getting on, told about once a second to whoever watches it from another process, who may stop it.

A run never ends because it could not say how it is.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

import pydantic

from preceptor.errors import Conflict, PreceptorError
from preceptor.llm.prices import Amount
from preceptor.llm.progress import Progress
from preceptor.settings.team import Team
from preceptor.storage.signals import Beat, Signals

EVERY = 1.0
"""Seconds between two signs of life, and at most until a wish is heeded."""


@dataclass(frozen=True)
class Phase:
    """How far the present phase of a run is."""

    name: str
    done: int
    total: int
    since: datetime
    """When it began, UTC."""

    @classmethod
    def beginning(cls) -> "Phase":
        return cls("starting", 0, 0, datetime.now(UTC))

    def after(self, progress: Progress) -> "Phase":
        fresh = progress.done == 0 or progress.phase != self.name
        return Phase(progress.phase, progress.done, progress.total, datetime.now(UTC) if fresh else self.since)


@dataclass(frozen=True)
class Bounds:
    """What a run may use; None where nothing binds it."""

    calls: int | None = None
    tokens: int | None = None
    money: Decimal | None = None


@dataclass(frozen=True)
class Pulse:
    """A sign of life."""

    phase: Phase
    usage: Mapping[str, Amount] = field(default_factory=dict)
    """Charged so far, by role."""
    bounds: Bounds = Bounds()
    state: str = ""
    """What calls are waiting for, such as a rate limit, in words; empty when for nothing."""
    unusable: str = ""
    """Answers that could not be used, in words; empty when there were none."""
    at: datetime | None = None
    """When it was told, UTC."""

    @property
    def remaining(self) -> float | None:
        """Seconds the phase will still take at its pace so far; None while nothing is done."""
        phase = self.phase
        if not phase.done or self.at is None:
            return None
        return (self.at - phase.since).total_seconds() / phase.done * (phase.total - phase.done)


_PULSE = pydantic.TypeAdapter(Pulse)


def read(beat: Beat) -> Pulse:
    """Raises: Conflict: another version of preceptor told it."""
    try:
        return replace(_PULSE.validate_python(beat.body), at=datetime.fromisoformat(beat.at))
    except pydantic.ValidationError:
        raise Conflict("This run is being done by another version of preceptor.") from None


@asynccontextmanager
async def watched(signals: Signals, run: str, team: Team, phase: Callable[[], Phase]) -> AsyncIterator[None]:
    """Signs of life, and an ear for wishes, while the block lasts; a last sign at its end."""
    watching = asyncio.create_task(_watch(signals, run, team, phase))
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await _tell(signals, run, team, phase())


async def _watch(signals: Signals, run: str, team: Team, phase: Callable[[], Phase]) -> None:
    while True:
        await _tell(signals, run, team, phase())
        await asyncio.sleep(EVERY)
        with suppress(PreceptorError):
            if wish := await signals.heard(run):
                team.stop.set(f"{'Paused' if wish.what == 'pause' else 'Cancelled'} by {wish.who}.")


async def _tell(signals: Signals, run: str, team: Team, phase: Phase) -> None:
    budget, usage = team.budget, {role: total.charged for role, total in team.totals.items()}
    bounds = Bounds(budget.calls, budget.tokens, budget.money)
    pulse = Pulse(phase, usage, bounds, team.state, team.unusable)
    with suppress(PreceptorError):
        await signals.beat(run, _PULSE.dump_python(pulse, mode="json", exclude={"at"}))
