"""What a teaching run will take, before it starts: calls and tokens by role.

An estimate, and said so: how often the student falls short is what the run is to find out. The assumptions below are
those of a first run on a domain nobody has taught yet; a budget, which binds, is the way to be sure.
"""

from preceptor.dialogue.domain import Domain
from preceptor.dialogue.outlay import TALK, TURN_TOKENS, TURNS, Role, Share, share, system_tokens
from preceptor.teaching.settings import Teaching

SCENARIOS_PER_TOPIC = 5.5
PAIRS = 11
"""Pairs of replies that tests draw per context of a scenario: its set, each member left out, what recurs."""
MOST_PAIRS = 500
"""… per scenario, at most: the last looks bound them."""
TRIES = 8
"""Retries per scenario while strategies are written."""


def estimate(domain: Domain, settings: Teaching, logged_moments: int = 0, contrasts: int = 0) -> dict[Role, Share]:
    """Calls and tokens by role for a run over all planned iterations.

    Args:
        logged_moments: answers in logs.
        contrasts: attempts that failed to be held against ones that passed.
    """
    conversations = settings.iterations * settings.customers
    moments = conversations * TURNS + logged_moments
    scenarios = len(domain.topics) * SCENARIOS_PER_TOPIC
    pairs = min(PAIRS * moments, MOST_PAIRS * scenarios) if settings.gate else 0
    tries = scenarios * TRIES
    scoring = (settings.iterations + 1) * settings.held_out
    own = system_tokens(domain)
    return {
        "teacher": share(2 * moments + tries + contrasts, own + TALK + 300, 60),
        "student": share(1.5 * moments + tries + 2 * pairs + scoring * TURNS, own + TALK + 60, TURN_TOKENS),
        "customer": share((conversations + scoring) * (TURNS + 1), TALK + 200, TURN_TOKENS),
        "judge": share(2 * (moments + tries + pairs) + scoring, own + TALK + 250, 40),
    }
