"""What a teaching run will take, before it starts: calls and tokens by role.

An estimate, and said so: how often the student falls short is what the run is to find out. The assumptions below are
those of a first run on a domain nobody has taught yet; a budget, which binds, is the way to be sure.
"""

from dataclasses import dataclass
from typing import Literal

from preceptor.dialogue.domain import Domain
from preceptor.teaching.settings import Teaching

Role = Literal["teacher", "student", "customer", "judge"]

TURNS = 3
"""Agent turns of a typical conversation."""
SCENARIOS_PER_TOPIC = 5.5
PAIRS = 11
"""Pairs of replies that tests draw per context of a scenario: its set, each member left out, what recurs."""
MOST_PAIRS = 500
"""… per scenario, at most: the last looks bound them."""
TRIES = 8
"""Retries per scenario while strategies are written."""
TURN_TOKENS = 45


@dataclass(frozen=True)
class Share:
    """One role's part."""

    calls: int
    prompt_tokens: int
    completion_tokens: int


def estimate(domain: Domain, settings: Teaching, logged_moments: int = 0) -> dict[Role, Share]:
    """Calls and tokens by role for a run over all planned iterations."""
    conversations = settings.iterations * settings.customers
    moments = conversations * TURNS + logged_moments
    scenarios = len(domain.topics) * SCENARIOS_PER_TOPIC
    pairs = min(PAIRS * moments, MOST_PAIRS * scenarios) if settings.gate else 0
    tries = scenarios * TRIES
    scoring = (settings.iterations + 1) * settings.held_out
    own = _tokens(domain.role + domain.goal + domain.policy)
    talk = TURNS * TURN_TOKENS
    return {
        "teacher": _share(2 * moments + tries, own + talk + 300, 60),
        "student": _share(1.5 * moments + tries + 2 * pairs + scoring * TURNS, own + talk + 60, TURN_TOKENS),
        "customer": _share((conversations + scoring) * (TURNS + 1), talk + 200, TURN_TOKENS),
        "judge": _share(2 * (moments + tries + pairs) + scoring, own + talk + 250, 40),
    }


def _share(calls: float, prompt: int, completion: int) -> Share:
    return Share(round(calls), round(calls * prompt), round(calls * completion))


def _tokens(text: str) -> int:
    """About: four characters of English to a token."""
    return len(text) // 4
