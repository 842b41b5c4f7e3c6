"""What a judge says. A failed measurement is *unscored, because…*, and never a value."""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["win", "tie", "loss"]


@dataclass(frozen=True)
class Unscored:
    """No verdict, and why."""

    reason: str


@dataclass(frozen=True)
class Comparison:
    """One reply held against another, seen blind and in both orders."""

    outcome: Outcome
    """Of the *new* reply against the *old*: a win or a loss only when both orders agree."""
    reason: str
    orders_agree: bool

    @property
    def score(self) -> int:
        """1 win, 0 tie, -1 loss."""
        return {"win": 1, "tie": 0, "loss": -1}[self.outcome]


@dataclass(frozen=True)
class Rating:
    """A whole conversation, judged."""

    satisfaction: float
    """1 (worst) to 5."""
    goal_reached: bool
    policy_kept: bool
    reason: str
