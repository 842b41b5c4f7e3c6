"""Step 4, consolidation: the same scenario found twice becomes one, and what recurs is lifted to a general strategy.

Only deltas with measured reasons; nothing is rewritten. (One rewrite of a whole playbook took it from 18,282 tokens to
122, and from 66.7 to 57.1 points: ACE, arXiv 2510.04618.)
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

from preceptor.dialogue.conversation import Context
from preceptor.library.model import Effect, Evidence, Scenario, Strategy
from preceptor.llm.parallel import gather
from preceptor.teaching.acceptance import NO_HELP, UNDECIDED, accept, effect_of, sign_test
from preceptor.teaching.crew import Crew
from preceptor.teaching.events import Note, StrategyAccepted
from preceptor.teaching.notebook import Notebook
from preceptor.teaching.pairs import hold_against
from preceptor.teaching.recurring import recurring
from preceptor.teaching.scenarios import same_scenarios

RECURS = 2
"""Scenarios a strategy must recur in to be decided over all of them."""
GENERAL = 3
"""Scenarios it must recur in to become general."""
DRAWS = 4
"""Pairs drawn from one context, at most."""
GROUPS = 40
"""Recurring strategies looked at, the most frequent first."""
LOOKS = (60, 240, 720)
"""Pairs after which a recurring strategy is given up if it is behind; it is decided after the last."""
ELSEWHERE = 120
"""Contexts of other scenarios a strategy must help in to become general."""


async def consolidate(crew: Crew, notebook: Notebook) -> None:
    """Merge scenarios that are one, then lift strategies that recur."""
    await _merge(crew, notebook)
    await _lift(crew, notebook)


async def _merge(crew: Crew, notebook: Notebook) -> None:
    scenarios = [scenario for scenario in notebook.scenarios if scenario.examples]
    homes = await same_scenarios(crew, "consolidation", scenarios)
    for scenario in scenarios:
        if (home := homes[scenario.id]) != scenario.id:
            await _join(crew, notebook, notebook.book.scenarios[home], scenario)


async def _join(crew: Crew, notebook: Notebook, kept: Scenario, gone: Scenario) -> None:
    """The second scenario's strategies must earn their place beside the first's."""
    theirs = [replace(strategy, scenario=kept.id) for strategy in notebook.guidance().of(gone.id)]
    sources = notebook.source_customers
    sources[kept.id] = sources.get(kept.id, set()) | sources.pop(gone.id, set())
    notebook.book.merge(kept.id, gone.id, crew.settings.examples)
    room = crew.settings.strategies_per_scenario - len(notebook.guidance().of(kept.id))
    trials = await accept(
        crew, notebook.in_force(kept.id), theirs[: max(room, 0)], notebook.held_back(kept.id), last_chance=True
    )
    adds = {trial.strategy.text: trial for trial in trials if trial.verdict == "accepted"}
    for strategy in [s for s in notebook.accepted.values() if s.scenario == gone.id]:
        del notebook.accepted[strategy.id]
        notebook.dropped[strategy.id] = replace(strategy, measured="dropped")
        reason = f"Its scenario is the same as {kept.description!r}."
        notebook.note(strategy.id, [Evidence("consolidation", "", reason=reason)])
        if trial := adds.get(strategy.text):
            moved = replace(trial.strategy, id=Strategy.new_id(strategy.text, kept.id))
            notebook.accepted[moved.id] = moved
            notebook.note(moved.id, [*notebook.evidence.get(strategy.id, []), trial.evidence])
    crew.tell(Note(f"Merged: {gone.description!r} is the same as {kept.description!r}."))


async def _lift(crew: Crew, notebook: Notebook) -> None:
    """Decide what recurs over all scenarios it recurs in; what helps elsewhere too becomes general.

    What could not be shown in any one scenario, such as not to do what the student does only now and then, may show
    over all of them. The false discovery rate over the groups is kept at `alpha` (Benjamini and Hochberg 1995), which
    also bounds the chance of accepting anything when nothing helps.
    """
    groups = (await recurring(crew, _unproven(notebook), RECURS))[:GROUPS]
    scored = await crew.all("consolidation", [partial(_together, crew, notebook, group) for group in groups])
    chances = [sign_test(scores.count(1), scores.count(-1)) for scores in scored]
    for group, scores, helps in zip(groups, scored, discoveries(chances, crew.settings.alpha), strict=True):
        if helps:
            await _decide(crew, notebook, group, effect_of(scores))


def discoveries(chances: Sequence[float], level: float) -> list[bool]:
    """Which of several tests to believe so that the share of false ones among them is `level` at most, expected.

    Args:
        chances: p-values. Those up to the largest that is no more than its rank's share of the level are believed.
    """
    ranked = sorted(chances)
    bounds = [chance for rank, chance in enumerate(ranked, 1) if chance <= level * rank / len(ranked)]
    return [bool(bounds) and chance <= bounds[-1] for chance in chances]


async def _decide(crew: Crew, notebook: Notebook, group: Sequence[Strategy], effect: Effect) -> None:
    homes, best = _homes(group), _best(group)
    evidence = Evidence("general", "", reason=f"It helps over the {len(homes)} scenarios it recurs in.", effect=effect)
    if len(homes) >= GENERAL and await _helps_elsewhere(crew, notebook, best, group):
        _make_general(crew, notebook, best, group, evidence)
    else:
        _keep_at_home(crew, notebook, group, evidence)


def _homes(group: Sequence[Strategy]) -> set[str | None]:
    return {strategy.scenario for strategy in group}


def _best(group: Sequence[Strategy]) -> Strategy:
    return max(group, key=lambda strategy: (strategy.value, strategy.id))


async def _helps_elsewhere(crew: Crew, notebook: Notebook, best: Strategy, group: Sequence[Strategy]) -> bool:
    """Doing no harm that shows is not enough: many strategies that each clutter a little spoil the prompt together."""
    contexts = _in_turn(notebook, _homes(group), inside=False)[:ELSEWHERE]
    scores = await _measure(crew, notebook, best, group, contexts)
    return sign_test(scores.count(1), scores.count(-1)) <= crew.settings.alpha


def _make_general(
    crew: Crew, notebook: Notebook, best: Strategy, group: Sequence[Strategy], evidence: Evidence
) -> None:
    lifted = _accepted(replace(best, id=Strategy.new_id(best.text, None), scenario=None), evidence)
    notebook.accepted[lifted.id] = lifted
    notebook.note(lifted.id, [*notebook.evidence.get(best.id, []), evidence])
    for strategy in group:
        if notebook.accepted.pop(strategy.id, None):
            notebook.dropped[strategy.id] = replace(strategy, measured="dropped")
            notebook.note(strategy.id, [Evidence("consolidation", "", reason="Lifted to a general strategy.")])
    crew.tell(StrategyAccepted(lifted, evidence.effect))


def _keep_at_home(crew: Crew, notebook: Notebook, group: Sequence[Strategy], evidence: Evidence) -> None:
    for strategy in group:
        if strategy.id in notebook.refused:
            del notebook.refused[strategy.id]
            notebook.accepted[strategy.id] = _accepted(strategy, evidence)
            notebook.note(strategy.id, [evidence])
            crew.tell(StrategyAccepted(notebook.accepted[strategy.id], evidence.effect))


def _accepted(strategy: Strategy, evidence: Evidence) -> Strategy:
    value = round(evidence.effect.mean, 6) if evidence.effect else 0.0
    return replace(strategy, measured="accepted", value=value)


def _unproven(notebook: Notebook) -> list[Strategy]:
    """Strategies of scenarios that are accepted, or could not be shown to help."""
    unproven = [strategy for strategy, reason in notebook.refused.values() if reason in (UNDECIDED, NO_HELP)]
    return [strategy for strategy in (*notebook.accepted.values(), *unproven) if strategy.scenario]


def _in_turn(notebook: Notebook, homes: set[str | None], *, inside: bool) -> list[tuple[str, Context]]:
    """Held-back contexts in (or outside) some scenarios, one of each after the other, so that each counts alike."""
    pools = {id_: notebook.held_back(id_) for id_ in notebook.book.scenarios if (id_ in homes) == inside}
    depth = max((len(pool) for pool in pools.values()), default=0)
    return [(id_, pool[n]) for n in range(depth) for id_, pool in pools.items() if n < len(pool)]


async def _together(crew: Crew, notebook: Notebook, group: Sequence[Strategy]) -> list[int]:
    """Scores of a group's best wording over the scenarios the group recurs in, in place of its other wordings."""
    contexts = _in_turn(notebook, _homes(group), inside=True) * DRAWS
    scores: list[int] = []
    for drawn, look in pairwise((0, *LOOKS)):
        scores += await _measure(crew, notebook, _best(group), group, contexts[drawn:look], drawn)
        if scores.count(1) <= scores.count(-1):
            break
    return scores


async def _measure(
    crew: Crew,
    notebook: Notebook,
    strategy: Strategy,
    group: Sequence[Strategy],
    contexts: Sequence[tuple[str, Context]],
    drawn: int = 0,
) -> list[int]:
    """With and without a strategy, beside what else is in force in each context's scenario; `drawn` came before."""
    said = {member.text for member in group}
    bases = {id_: [other for other in notebook.in_force(id_) if other.text not in said] for id_, _ in contexts}
    jobs = [
        partial(hold_against, crew, context, bases[id_], [*bases[id_], strategy], f"general {drawn + n}")
        for n, (id_, context) in enumerate(contexts)
    ]
    return [pair.score for pair in await gather(jobs) if pair]
