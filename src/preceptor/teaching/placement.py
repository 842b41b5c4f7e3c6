"""Where the slot stands is a property of the student, so it is measured.

Before anything is accepted, each placement is tried against no slot at all, with what the teacher has written. At the
end most replies with a slot beat those without, wherever it stands, and that tells little: then the others are held
against the placement in use, reply against reply.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import get_args

from preceptor.dialogue.conversation import Context
from preceptor.library.model import Placement, Strategy
from preceptor.teaching.crew import Crew
from preceptor.teaching.events import Note, PlacementChosen
from preceptor.teaching.pairs import hold_against

PLACEMENTS: tuple[Placement, ...] = get_args(Placement)
LEAD = 0.03
"""By how much a placement must beat the end of the system message, the customary place, to be preferred at first."""
Try = tuple[Context, tuple[Strategy, ...]]
"""A context, and what the student would be told in it."""


async def first_placement(crew: Crew, tries: Sequence[Try]) -> Placement:
    """Try each placement against no slot; one the server refuses is left out."""
    means = await _means(crew, PLACEMENTS, tries, None)
    if not means:
        crew.tell(Note("No placement could be measured; the slot stays at the end of the system message."))
        return "system_end"
    best = _best(means)
    if means[best] - means.get("system_end", -1.0) < LEAD:
        best = "system_end"
    crew.tell(PlacementChosen(best, {str(placement): mean for placement, mean in means.items()}))
    return best


async def last_placement(crew: Crew, tries: Sequence[Try], used: Placement) -> Placement:
    """Hold the other placements against the one in use; the best of all, which may be that one."""
    others = [placement for placement in PLACEMENTS if placement != used]
    means: dict[Placement, float] = {used: 0.0} | await _means(crew, others, tries, used)
    best = _best(means)
    crew.tell(PlacementChosen(best, {str(placement): mean for placement, mean in means.items()}))
    return best


def _best(means: dict[Placement, float]) -> Placement:
    return max(means, key=lambda placement: (means[placement], -PLACEMENTS.index(placement)))


async def _means(
    crew: Crew, placements: Sequence[Placement], tries: Sequence[Try], used: Placement | None
) -> dict[Placement, float]:
    """Win rate minus loss rate of each placement that could be measured, against the one used or no slot."""
    jobs = [partial(crew.send, score, placement, *one, used) for placement in placements for one in tries]
    scores = await crew.all("placement", jobs)
    means: dict[Placement, float] = {}
    for n, placement in enumerate(placements):
        got = [score for score in scores[n * len(tries) : (n + 1) * len(tries)] if score is not None]
        if got and len(got) * 2 > len(tries):
            means[placement] = round(sum(got) / len(got), 4)
    return means


async def score(
    crew: Crew, placement: Placement, context: Context, strategies: tuple[Strategy, ...], used: Placement | None
) -> int | None:
    """How a reply with the slot in this placement does against one without, or in the placement used. An errand."""
    rival = replace(crew.student, placement=placement)
    student = replace(crew.student, placement=used or placement)
    old = strategies if used else ()
    pair = await hold_against(crew, context, old, strategies, "placement", student, rival)
    return pair.score if pair else None
