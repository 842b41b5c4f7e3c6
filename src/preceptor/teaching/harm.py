"""The other half of acceptance: new strategies must do no harm in contexts of *other* scenarios.

Retrieval is not perfect, so some of a scenario's strategies will turn up elsewhere. Where, `outlook` has seen; there
the student answers with and without what was wrongly put in.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from preceptor.dialogue.conversation import Context
from preceptor.library.model import Effect, Evidence, Guidance, Strategy
from preceptor.teaching.acceptance import effect_of, harms, losses
from preceptor.teaching.crew import Crew
from preceptor.teaching.outlook import Outlook
from preceptor.teaching.pairs import Pair, hold_against

CONTEXTS = 12
"""Foreign contexts tried per scenario."""

Stray = tuple[Context, tuple[Strategy, ...], tuple[Strategy, ...]]
"""A foreign context, its strategies without the new ones, and with them."""


@dataclass(frozen=True)
class Elsewhere:
    """What a scenario's fresh strategies did in contexts of other scenarios."""

    effect: Effect
    harms: bool
    losses: tuple[Evidence, ...]
    """Each context in which the reply with them was judged worse, whether or not there are enough of these to tell."""


async def find_harm(crew: Crew, guidance: Guidance, outlook: Outlook, fresh: Collection[str]) -> dict[str, Elsewhere]:
    """By scenario, what its fresh strategies do where they turn up in contexts of others.

    Args:
        outlook: on the guidance's scenarios.
        fresh: ids of the strategies accepted in this iteration.
    """
    strays = _strays(crew, guidance, outlook, fresh)
    flat = [(scenario, stray) for scenario, found in strays.items() for stray in found[:CONTEXTS]]
    pairs = await crew.all("no harm", [partial(crew.send, hold_against, *stray, "no harm") for _, stray in flat])
    by_scenario: defaultdict[str, list[Pair]] = defaultdict(list)
    for (scenario, _), pair in zip(flat, pairs, strict=True):
        if pair:
            by_scenario[scenario].append(pair)
    return {scenario: _elsewhere(found) for scenario, found in by_scenario.items()}


def _elsewhere(pairs: list[Pair]) -> Elsewhere:
    scores = [pair.score for pair in pairs]
    return Elsewhere(effect_of(scores), harms(scores), losses(pairs, "In a context of another scenario."))


def _strays(crew: Crew, guidance: Guidance, outlook: Outlook, fresh: Collection[str]) -> dict[str, list[Stray]]:
    strays: defaultdict[str, list[Stray]] = defaultdict(list)
    retriever = outlook.retriever(guidance, crew.settings.slot_limit)
    for home, context, match in outlook.sightings:
        found = retriever.choose(match).strategies
        foreign = {s.scenario for s in found if s.id in fresh and s.scenario not in (None, home)}
        for scenario in sorted(filter(None, foreign)):
            without = tuple(s for s in found if not (s.scenario == scenario and s.id in fresh))
            strays[scenario].append((context, without, found))
    return strays
