"""Where the slot stands is a property of the student, so it is measured: each placement against no slot at all."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import get_args

from preceptor.dialogue.conversation import Context
from preceptor.library.model import Placement, Strategy
from preceptor.teaching.crew import Crew
from preceptor.teaching.events import Note, PlacementChosen
from preceptor.teaching.pairs import hold_against

LEAD = 0.03
"""By how much a placement must beat the end of the system message, the customary place, to be preferred."""


async def choose_placement(crew: Crew, tries: Sequence[tuple[Context, tuple[Strategy, ...]]]) -> Placement:
    """Try each placement on contexts with candidate strategies; a placement the server refuses is left out."""
    placements: tuple[Placement, ...] = get_args(Placement)
    jobs = [
        partial(_score, crew, placement, context, strategies)
        for placement in placements
        for context, strategies in tries
    ]
    scores = await crew.all("placement", jobs)
    means: dict[Placement, float] = {}
    for n, placement in enumerate(placements):
        got = [score for score in scores[n * len(tries) : (n + 1) * len(tries)] if score is not None]
        if got and len(got) * 2 > len(tries):
            means[placement] = round(sum(got) / len(got), 4)
    if not means:
        crew.tell(Note("No placement could be measured; the slot stays at the end of the system message."))
        return "system_end"
    best = max(means, key=lambda placement: (means[placement], -placements.index(placement)))
    if means[best] - means.get("system_end", -1.0) < LEAD:
        best = "system_end"
    crew.tell(PlacementChosen(best, {str(placement): mean for placement, mean in means.items()}))
    return best


async def _score(crew: Crew, placement: Placement, context: Context, strategies: tuple[Strategy, ...]) -> int | None:
    student = replace(crew.student, placement=placement)
    pair = await hold_against(crew, context, (), strategies, "placement", student)
    return pair.score if pair else None
