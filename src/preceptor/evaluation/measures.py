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
Value = Callable[[Served], float | None]
"""What a report can average. A `Measure` is one."""


@dataclass(frozen=True)
class Measure:
    """Call it with one served customer."""

    name: str
    """In data and settings, such as ``goal_reached``."""
    title: str
    """In tables, such as ``goal reached``."""
    unit: Unit
    higher_is_better: bool
    value: Value
    against_first: bool = False
    """It is a comparison with the first arm already: its mean is what is to be compared with 0."""

    def __call__(self, served: Served) -> float | None:
        return self.value(served)


def _flag(value: bool | None) -> float | None:
    return None if value is None else float(value)


def _duel_score(served: Served) -> float | None:
    scores = [duel.verdict.score for duel in served.duels if isinstance(duel.verdict, Comparison)]
    return sum(scores) / len(scores) if scores else None


def _unbroken(value: Value) -> Value:
    """None where the conversation broke off: what would have come of it is not known."""
    return lambda served: None if served.conversation.ending == "broken" else value(served)


def _pass(k: int) -> Measure:
    return Measure(f"pass_{k}", f"pass^{k}", "share", True, lambda served: served.pass_hat(k))


PASSED_EVERY_TIME = tuple(map(_pass, (2, 3, 4, 8)))
"""pass^k: in k trials of k. Others are to be had from `Served.pass_hat`."""
SATISFACTION = Measure("satisfaction", "satisfaction", "1 to 5", True, lambda served: served.satisfaction)
GOAL_REACHED = Measure("goal_reached", "goal reached", "share", True, lambda served: served.share("goal_reached"))
POLICY_KEPT = Measure("policy_kept", "policy kept", "share", True, lambda served: served.share("policy_kept"))
RULES_KEPT = Measure(
    "rules_kept", "rules kept", "share", True, _unbroken(lambda s: _flag(not s.breaches) if s.rules else None)
)
RESOLVED = Measure("resolved", "resolved", "share", True, _unbroken(lambda served: _flag(served.resolved)))
TURNS_TO_RESOLUTION = Measure(
    "turns_to_resolution",
    "turns to resolution",
    "turns",
    False,
    lambda served: float(served.agent_turns) if served.resolved else None,
)
ESCALATED = Measure("escalated", "escalated", "share", False, _unbroken(lambda served: _flag(served.escalated)))
PASSED = Measure("passed", "passed", "share", True, lambda served: served.pass_hat(1))
"""pass^1: the share of a customer's trials in which all checks of the outcome were kept."""
DUEL_SCORE = Measure("duel_score", "duel score", "-1 to 1", True, _duel_score, against_first=True)
TOKENS = Measure("tokens", "tokens", "tokens", False, lambda s: float(s.cost.prompt_tokens + s.cost.completion_tokens))
MONEY = Measure("money", "money", "money", False, lambda served: served.cost.nano / NANO)
SECONDS = Measure("seconds", "seconds", "s", False, lambda served: served.cost.seconds)

MEASURES = (
    SATISFACTION,
    PASSED,
    *PASSED_EVERY_TIME,
    GOAL_REACHED,
    POLICY_KEPT,
    RULES_KEPT,
    RESOLVED,
    TURNS_TO_RESOLUTION,
    ESCALATED,
    DUEL_SCORE,
    TOKENS,
    MONEY,
    SECONDS,
)
