"""The other half of acceptance: new strategies must do no harm in contexts of *other* scenarios.

Retrieval is not perfect, so some of a scenario's strategies will turn up elsewhere. To see where, a retriever is fitted
on one half of the customers and asked about the other half (a context that finds itself would flatter the result); here
the student answers with and without what was wrongly put in.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from preceptor.dialogue.conversation import Context
from preceptor.library.model import Effect, Guidance, Strategy
from preceptor.retrieval.selector import Retriever
from preceptor.teaching.acceptance import effect_of, sign_test
from preceptor.teaching.crew import Crew
from preceptor.teaching.moments import Moment
from preceptor.teaching.pairs import hold_against

CONTEXTS = 12
"""Foreign contexts tried per scenario."""
LEVEL = 0.1
"""Level of the test for harm; lenient towards the customer, so larger than the gate's."""

Stray = tuple[Context, tuple[Strategy, ...], tuple[Strategy, ...]]
"""A foreign context, its strategies without the new ones, and with them."""


async def find_harm(
    crew: Crew, guidance: Guidance, moments: Mapping[str, Sequence[Moment]], fresh: Collection[str]
) -> dict[str, Effect]:
    """Scenarios whose fresh strategies make the student worse elsewhere, with the measured effect.

    Args:
        moments: all moments by scenario id.
        fresh: ids of the strategies accepted in this iteration.
    """
    strays = _strays(crew, guidance, moments, fresh)
    flat = [(scenario, stray) for scenario, found in strays.items() for stray in found[:CONTEXTS]]
    pairs = await crew.all("no harm", [partial(hold_against, crew, *stray, "no harm") for _, stray in flat])
    by_scenario: defaultdict[str, list[int]] = defaultdict(list)
    for (scenario, _), pair in zip(flat, pairs, strict=True):
        if pair:
            by_scenario[scenario].append(pair.score)
    return {
        scenario: effect_of(found)
        for scenario, found in by_scenario.items()
        if sign_test(found.count(-1), found.count(1)) <= LEVEL
    }


def _strays(
    crew: Crew, guidance: Guidance, moments: Mapping[str, Sequence[Moment]], fresh: Collection[str]
) -> dict[str, list[Stray]]:
    strays: defaultdict[str, list[Stray]] = defaultdict(list)
    for half in (0, 1):
        retriever = Retriever(_without_half(guidance, moments, half), crew.embedder, crew.settings.slot_limit)
        for home, mine in moments.items():
            for moment in mine:
                if _half(moment) == half:
                    _collect(strays, retriever, home, moment, fresh)
    return strays


def _collect(
    strays: dict[str, list[Stray]], retriever: Retriever, home: str, moment: Moment, fresh: Collection[str]
) -> None:
    found = tuple(retriever.find(moment.context).strategies)
    foreign = {s.scenario for s in found if s.id in fresh and s.scenario not in (None, home)}
    for scenario in sorted(filter(None, foreign)):
        without = tuple(s for s in found if not (s.scenario == scenario and s.id in fresh))
        strays[scenario].append((moment.context, without, found))


def _without_half(guidance: Guidance, moments: Mapping[str, Sequence[Moment]], half: int) -> Guidance:
    scenarios = tuple(
        replace(
            scenario,
            examples=tuple(m.context for m in moments.get(scenario.id, ()) if _half(m) != half)[
                : len(scenario.examples)
            ],
        )
        for scenario in guidance.scenarios
    )
    return replace(guidance, scenarios=scenarios)


def _half(moment: Moment) -> int:
    return sum(moment.customer.encode()) % 2
