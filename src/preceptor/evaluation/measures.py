"""What can be measured of one served customer: a number each, or None where it is not known.

Each measure carries what a table needs to show it, so that tables and reports go through `MEASURES` and name none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from preceptor.evaluation.results import Served
from preceptor.judging.verdicts import Comparison
from preceptor.llm.prices import NANO

Unit = Literal["1 to 5", "share", "-1 to 1", "turns", "tokens", "money", "s"]
"""``share``: 0 or 1 for a customer, or between where a judge was asked several times. ``money`` is in the project's
currency."""


@dataclass(frozen=True)
class Measure:
    """Call it with one served customer."""

    name: str
    """In data and settings, such as ``goal_reached``."""
    title: str
    """In tables, such as ``goal reached``."""
    unit: Unit
    higher_is_better: bool
    value: Callable[[Served], float | None]

    def __call__(self, served: Served) -> float | None:
        return self.value(served)


def _flag(value: bool | None) -> float | None:
    return None if value is None else float(value)


def _duel_score(served: Served) -> float | None:
    scores = [duel.verdict.score for duel in served.duels if isinstance(duel.verdict, Comparison)]
    return sum(scores) / len(scores) if scores else None


def _unbroken(value: Callable[[Served], float | None]) -> Callable[[Served], float | None]:
    """None where the conversation broke off: what would have come of it is not known."""
    return lambda served: None if served.conversation.ending == "broken" else value(served)


satisfaction = Measure("satisfaction", "satisfaction", "1 to 5", True, lambda served: served.satisfaction)
goal_reached = Measure("goal_reached", "goal reached", "share", True, lambda served: served.share("goal_reached"))
policy_kept = Measure("policy_kept", "policy kept", "share", True, lambda served: served.share("policy_kept"))
rules_kept = Measure(
    "rules_kept", "rules kept", "share", True, _unbroken(lambda s: _flag(not s.breaches) if s.rules else None)
)
resolved = Measure("resolved", "resolved", "share", True, _unbroken(lambda served: _flag(served.resolved)))
turns_to_resolution = Measure(
    "turns_to_resolution",
    "turns to resolution",
    "turns",
    False,
    lambda served: float(served.agent_turns) if served.resolved else None,
)
escalated = Measure("escalated", "escalated", "share", False, _unbroken(lambda served: _flag(served.escalated)))
duel_score = Measure("duel_score", "duel score", "-1 to 1", True, _duel_score)
tokens = Measure("tokens", "tokens", "tokens", False, lambda s: float(s.cost.prompt_tokens + s.cost.completion_tokens))
money = Measure("money", "money", "money", False, lambda served: served.cost.nano / NANO)
seconds = Measure("seconds", "seconds", "s", False, lambda served: served.cost.seconds)

MEASURES = (
    satisfaction,
    goal_reached,
    policy_kept,
    rules_kept,
    resolved,
    turns_to_resolution,
    escalated,
    duel_score,
    tokens,
    money,
    seconds,
)
