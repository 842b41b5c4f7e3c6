"""What an evaluation reports while it goes, as typed events."""

from dataclasses import dataclass

from preceptor.llm.progress import Progress as Progress


@dataclass(frozen=True)
class Measured:
    """An arm has served a customer."""

    arm: str
    customer: str
    satisfaction: float | None
    """1 to 5; None: unscored."""


@dataclass(frozen=True)
class Decided:
    """One arm against the first, in a sentence."""

    text: str


@dataclass(frozen=True)
class Note:
    """Something a reader of the run should know, in a sentence."""

    text: str


@dataclass(frozen=True)
class Finished:
    reason: str
    customers: int
    """Served by every arm."""
    unscored: int
    """Conversations without a verdict, over all arms."""


Event = Progress | Measured | Decided | Note | Finished
