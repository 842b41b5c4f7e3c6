"""Where else a strategy may matter: the teacher is asked, scenario by scenario, and what it names is tried.

Strategies are written from a few contexts of a scenario. What the student does wrong there now and then goes unseen,
and a scenario with few contexts gets few strategies; but the teacher knows what matters when it is asked about it.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from preceptor.dialogue.conversation import Context
from preceptor.errors import BadReply, Rejected
from preceptor.library.model import Scenario
from preceptor.llm.messages import Sampling
from preceptor.teaching.crew import Crew
from preceptor.teaching.tasks import FITTING_STRATEGIES

LISTED = 60
"""Instructions the teacher is shown at a time."""
VOTES = 3
"""Contexts of a scenario it is asked about; most must agree."""
SAMPLING = Sampling(temperature=0.0, max_tokens=400)


async def fitting(crew: Crew, scenarios: Sequence[Scenario], texts: Sequence[str]) -> dict[str, list[str]]:
    """By scenario id, which of the first `LISTED` texts the teacher takes to matter there."""
    listed = texts[:LISTED]
    ballots = [(scenario, context) for scenario in scenarios for context in scenario.examples[:VOTES]]
    jobs = [partial(crew.send, fits, one.id, one.description, context, listed) for one, context in ballots if listed]
    votes: dict[str, list[list[int]]] = {}
    for (scenario, _), named in zip(ballots, await crew.all("consolidation", jobs), strict=bool(listed)):
        votes.setdefault(scenario.id, []).append(named)
    return {id_: [text for n, text in enumerate(listed) if _most(n, cast)] for id_, cast in votes.items()}


def _most(n: int, cast: Sequence[Sequence[int]]) -> bool:
    return sum(n in named for named in cast) * 2 > len(cast)


async def fits(crew: Crew, scenario: str, description: str, context: Context, texts: Sequence[str]) -> list[int]:
    """Places of the texts that matter in a scenario; none when the answer cannot be read. An errand."""
    try:
        said = await FITTING_STRATEGIES.ask(
            crew.teacher_model,
            replace(SAMPLING, seed=crew.seed("fitting", scenario, context.key)),
            policy=crew.domain.policy,
            scenario=description,
            conversation=context.transcript(),
            strategies="\n".join(f"{n}. {text}" for n, text in enumerate(texts, 1)),
        )
    except (BadReply, Rejected):
        return []
    return [number - 1 for number in said.fitting if 0 < number <= len(texts)]
