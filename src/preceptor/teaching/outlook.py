"""Where retrieval would put what: of the scenarios as they stand, whatever their strategies.

Fitting takes seconds and needs no strategies, so it can be done while these are written and tested. A context that
finds itself would flatter retrieval: each is looked up by a matcher fitted on the other half of the customers.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from preceptor.dialogue.conversation import Context
from preceptor.library.model import Guidance
from preceptor.retrieval.embedding import Embedder
from preceptor.retrieval.matcher import Match, Matcher
from preceptor.retrieval.selector import Retriever, fit
from preceptor.teaching.moments import Moment

Sighting = tuple[str, Context, Match]
"""A scenario's id, a context of it, and what a matcher that had not seen the context's customer makes of it."""


@dataclass(frozen=True)
class Outlook:
    matcher: Matcher
    """Fitted on everything: what a student taught so far goes by."""
    sightings: tuple[Sighting, ...]
    """Every moment there is."""

    def retriever(self, guidance: Guidance, limit: int) -> Retriever:
        """For strategies of the same scenarios; `limit`: most of them at a time."""
        return Retriever(guidance, limit=limit, matcher=self.matcher)

    def reach(self, guidance: Guidance, limit: int) -> dict[str, tuple[int, int]]:
        """By scenario id (empty: the general strategies): in how many of all sightings its strategies would stand in
        the slot, and how many sightings there are."""
        retriever = self.retriever(guidance, limit)
        hits: Counter[str] = Counter()
        for _, _, match in self.sightings:
            hits.update({one.scenario or "" for one in retriever.choose(match).strategies})
        homes = {one.scenario or "" for one in guidance.strategies}
        return {home: (hits[home], len(self.sightings)) for home in sorted(homes)}


def look(guidance: Guidance, moments: Mapping[str, Sequence[Moment]], embedder: Embedder) -> Outlook:
    """`moments`: all of them, by scenario id.

    Raises:
        ProviderError: from the embedder.
    """
    sightings = [sighting for half in (0, 1) for sighting in _look_at(half, guidance, moments, embedder)]
    return Outlook(fit(guidance, embedder), tuple(sightings))


def _look_at(
    half: int, guidance: Guidance, moments: Mapping[str, Sequence[Moment]], embedder: Embedder
) -> list[Sighting]:
    mine = [(home, moment.context) for home, found in moments.items() for moment in found if _half(moment) == half]
    if not mine:
        return []
    matcher = fit(_without_half(guidance, moments, half), embedder)
    return [(home, context, matcher.match(context.turns)) for home, context in mine]


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
