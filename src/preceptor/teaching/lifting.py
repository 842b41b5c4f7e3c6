"""Lifting: what recurs, or may matter elsewhere, is decided over all scenarios in which it is open; what helps outside
of all of them too becomes general.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

from preceptor.dialogue.conversation import Context
from preceptor.library.model import Effect, Evidence, Strategy
from preceptor.llm.parallel import gather
from preceptor.teaching.acceptance import HARM_LEVEL, HOPELESS, NO_HELP, UNDECIDED, effect_of, harms, sign_test
from preceptor.teaching.crew import Crew
from preceptor.teaching.events import StrategyAccepted
from preceptor.teaching.notebook import Notebook
from preceptor.teaching.pairs import hold_against
from preceptor.teaching.pooling import positive
from preceptor.teaching.recurring import recurring
from preceptor.teaching.suggestions import fitting

RECURS = 2
"""Scenarios a strategy must recur in to be decided over all of them."""
GENERAL = 3
"""Scenarios it must recur in to become general."""
GROUPS = 60
"""Recurring strategies looked at, the most frequent first."""
LOOKS = (60, 240, 720)
"""Pairs after which a recurring strategy is given up if it is behind, given up if hopeless, and decided."""
FALSE = 0.05
"""Share of false ones among the recurring strategies found to help, and the chance of finding any when none does. The
tests within some sixty scenarios leave about one false one; this adds a twentieth."""
ELSEWHERE = 120
"""Contexts of other scenarios a strategy must help in to become general."""
CLOSER = 40
"""Pairs in a scenario where it seems to lose."""

Score = tuple[str, int]
"""A scenario's id and how a pair in one of its contexts came out."""


@dataclass(frozen=True)
class Recurring:
    """One instruction, in the words it was given in for several scenarios."""

    members: tuple[Strategy, ...]

    @property
    def best(self) -> Strategy:
        """The wording that did best: the one that is tried for all."""
        return max(self.members, key=lambda strategy: (strategy.value, strategy.id))

    @property
    def proven(self) -> frozenset[str]:
        """Scenarios in which it is accepted."""
        return frozenset(one.scenario for one in self.members if one.scenario and one.measured == "accepted")

    @property
    def open(self) -> frozenset[str]:
        """Scenarios in which it is not decided."""
        return frozenset(one.scenario for one in self.members if one.scenario) - self.proven


async def lift(crew: Crew, notebook: Notebook) -> None:
    """Decide what recurs, or may matter elsewhere, over all scenarios in which it is open.

    What helps outside of all of them too becomes general.

    What could not be shown in any one scenario, such as not to do what the student does only now and then, may show
    over all of them. The false discovery rate over the groups is kept (Benjamini and Hochberg 1995). Scenarios in which
    it is accepted already have no say: where it helps clearly, it would carry those in which it harms.
    """
    groups = await _groups(crew, notebook)
    open_ = [group for group in groups if group.open]
    scored = await crew.all("consolidation", [partial(_together, crew, notebook, group) for group in open_])
    chances = [_chance(scores) for scores in scored]
    found = discoveries(chances, FALSE)
    helps = {group.best.id: scores for group, scores, shown in zip(open_, scored, found, strict=True) if shown}
    for group in groups:
        won = _won(helps.get(group.best.id, []))
        places = group.proven | won.keys()
        elsewhere = await _elsewhere(crew, notebook, group.best, places) if len(places) >= GENERAL else None
        if elsewhere:
            _make_general(crew, notebook, group, elsewhere)
        else:
            _keep_at_home(crew, notebook, group, won)


async def _groups(crew: Crew, notebook: Notebook) -> list[Recurring]:
    """What stands in several scenarios, or stands in one and may matter in others, the most frequent first."""
    scenarios = [one for one in notebook.scenarios if _enough(crew, notebook, one.id)]
    known = [Recurring(tuple(found)) for found in await recurring(crew, _unproven(crew, notebook))]
    known = [group for group in known if group.proven or len(group.open) >= RECURS]
    matter = await fitting(crew, scenarios, [group.best.text for group in known])
    groups = [_suggested(group, [id_ for id_, texts in matter.items() if group.best.text in texts]) for group in known]
    recur = [group for group in groups if len(group.open | group.proven) >= RECURS]
    return sorted(recur, key=lambda group: -len(group.members))[:GROUPS]


def _suggested(group: Recurring, scenarios: Sequence[str]) -> Recurring:
    """The group with its best wording proposed for more scenarios."""
    best, held = group.best, group.open | group.proven
    more = [
        replace(best, id=Strategy.new_id(best.text, id_), scenario=id_, value=0.0, measured="proposed")
        for id_ in scenarios
        if id_ not in held
    ]
    return Recurring((*group.members, *more))


def discoveries(chances: Sequence[float], level: float) -> list[bool]:
    """Which of several tests to believe so that the share of false ones among them is `level` at most, expected.

    Args:
        chances: p-values. Those up to the largest that is no more than its rank's share of the level are believed.
    """
    ranked = sorted(chances)
    bounds = [chance for rank, chance in enumerate(ranked, 1) if chance <= level * rank / len(ranked)]
    return [bool(bounds) and chance <= bounds[-1] for chance in chances]


def _tally(scores: Sequence[Score]) -> tuple[int, int]:
    """Wins and losses."""
    return sum(score > 0 for _, score in scores), sum(score < 0 for _, score in scores)


def _chance(scores: Sequence[Score]) -> float:
    """Of scores so good if it helps nowhere: over all scenarios together, or in the best of them alone.

    The smaller of the two, times two for having looked twice; and the best of several is tested as one of so many.
    """
    together = sign_test(*_tally(scores))
    alone = [sign_test(found.count(1), found.count(-1)) for found in _by_scenario(scores).values()]
    return together if len(alone) < 2 else min(1.0, 2 * together, 2 * len(alone) * min(alone))


def _by_scenario(scores: Sequence[Score]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for scenario, score in scores:
        found.setdefault(scenario, []).append(score)
    return found


def _won(scores: Sequence[Score]) -> dict[str, Effect]:
    """Where a strategy that helps on the whole helps as well, with its effect there.

    One piece of advice is right in one scenario and wrong in the next, so a gain over all of them is not enough.
    """
    found = _by_scenario(scores)
    sure = positive(list(found.values()))
    return {
        scenario: effect_of(mine)
        for (scenario, mine), chance in zip(found.items(), sure, strict=True)
        if chance >= 1 - HARM_LEVEL
    }


async def _elsewhere(crew: Crew, notebook: Notebook, strategy: Strategy, places: Collection[str]) -> Effect | None:
    """Its effect outside some places, if it helps there and loses nowhere; None otherwise.

    Doing no harm that shows is not enough: many strategies that each clutter a little spoil the prompt together. Where
    more was lost than won, it is looked at more closely.
    """
    contexts = _in_turn(crew, notebook, notebook.book.scenarios.keys() - places)[:ELSEWHERE]
    scores = await _measure(crew, notebook, strategy, contexts)
    if sign_test(*_tally(scores)) > crew.settings.alpha:
        return None
    doubtful = [scenario for scenario, found in _by_scenario(scores).items() if sum(found) < 0]
    for scenario in doubtful:
        closer = _in_turn(crew, notebook, {scenario})[:CLOSER]
        found = await _measure(crew, notebook, strategy, closer, ELSEWHERE)
        if harms([score for _, score in found], HARM_LEVEL / len(doubtful)):
            return None
    return effect_of([score for _, score in scores])


def _make_general(crew: Crew, notebook: Notebook, group: Recurring, effect: Effect) -> None:
    best, lifted_id = group.best, Strategy.new_id(group.best.text, None)
    evidence = Evidence("general", "", reason="It helps in scenarios it was not found in, too.", effect=effect)
    lifted = _accepted(replace(best, id=lifted_id, scenario=None), effect)
    notebook.accepted[lifted.id] = lifted
    notebook.note(lifted.id, [*notebook.evidence.get(best.id, []), evidence])
    for strategy in group.members:
        if notebook.accepted.pop(strategy.id, None):
            notebook.dropped[strategy.id] = replace(strategy, measured="dropped")
            notebook.note(strategy.id, [Evidence("consolidation", "", reason="Lifted to a general strategy.")])
    crew.tell(StrategyAccepted(lifted, effect))


def _keep_at_home(crew: Crew, notebook: Notebook, group: Recurring, won: Mapping[str, Effect]) -> None:
    """In the words that were tried, which may not be those it was first written in there."""
    text = group.best.text
    for scenario, effect in won.items():
        if len(notebook.in_force(scenario)) >= crew.settings.slot_limit:
            continue
        first = next(strategy for strategy in group.members if strategy.scenario == scenario)
        kept = _accepted(replace(first, id=Strategy.new_id(text, scenario), text=text), effect)
        known = notebook.evidence
        earlier = [] if kept.id in known else known.get(first.id) or known.get(group.best.id, [])
        reason = f"It helps over the {len(group.open)} scenarios in which it was open, and in this one."
        notebook.refused.pop(kept.id, None)
        notebook.accepted[kept.id] = kept
        notebook.note(kept.id, [*earlier, Evidence("general", "", reason=reason, effect=effect)])
        crew.tell(StrategyAccepted(kept, effect))


def _accepted(strategy: Strategy, effect: Effect) -> Strategy:
    return replace(strategy, measured="accepted", value=round(effect.mean, 6))


def _unproven(crew: Crew, notebook: Notebook) -> list[Strategy]:
    """Strategies of scenarios that are accepted, or could not be shown to help.

    Not those shown to harm, nor those of a scenario that is no more or has too few contexts.
    """
    unproven = [strategy for strategy, reason in notebook.refused.values() if reason in (UNDECIDED, NO_HELP)]
    return [
        strategy
        for strategy in (*notebook.accepted.values(), *unproven)
        if strategy.scenario in notebook.book.scenarios and _enough(crew, notebook, strategy.scenario)
    ]


def _enough(crew: Crew, notebook: Notebook, scenario: str) -> bool:
    """Are there contexts enough to try anything on?"""
    return len(notebook.held_back(scenario)) >= crew.settings.min_contexts


def _in_turn(crew: Crew, notebook: Notebook, scenarios: Collection[str]) -> list[tuple[str, Context]]:
    """Held-back contexts of some scenarios, drawn as often as allowed, in turn, so that each scenario counts alike."""
    pools = {
        id_: notebook.held_back(id_) * crew.settings.repeats for id_ in notebook.book.scenarios if id_ in scenarios
    }
    depth = max((len(pool) for pool in pools.values()), default=0)
    return [(id_, pool[n]) for n in range(depth) for id_, pool in pools.items() if n < len(pool)]


async def _together(crew: Crew, notebook: Notebook, group: Recurring) -> list[Score]:
    """Scores of a group's best wording over the scenarios in which it is open."""
    contexts = _in_turn(crew, notebook, group.open)
    scores: list[Score] = []
    for drawn, look in pairwise((0, *LOOKS)):
        scores += await _measure(crew, notebook, group.best, contexts[drawn:look], drawn)
        wins, losses = _tally(scores)
        if wins <= losses or (drawn and _chance(scores) > HOPELESS):
            break
    return scores


async def _measure(
    crew: Crew, notebook: Notebook, strategy: Strategy, contexts: Sequence[tuple[str, Context]], drawn: int = 0
) -> list[Score]:
    """With and without a strategy, beside what is in force in each context's scenario; `drawn` pairs came before."""
    bases = {id_: [other for other in notebook.in_force(id_) if other.text != strategy.text] for id_, _ in contexts}
    jobs = [
        partial(crew.send, hold_against, context, bases[id_], [*bases[id_], strategy], f"general {drawn + n}")
        for n, (id_, context) in enumerate(contexts)
    ]
    pairs = await gather(jobs)
    return [(id_, pair.score) for (id_, _), pair in zip(contexts, pairs, strict=True) if pair]
