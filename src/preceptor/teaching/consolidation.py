"""Step 4, consolidation: the same scenario found twice becomes one, and what recurs is lifted to a general strategy.

Only deltas with measured reasons; nothing is rewritten. (One rewrite of a whole playbook took it from 18,282 tokens to
122, and from 66.7 to 57.1 points: ACE, arXiv 2510.04618.)
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from preceptor.dialogue.conversation import Context
from preceptor.library.model import Effect, Evidence, Scenario, Strategy
from preceptor.teaching.acceptance import UNDECIDED, accept, effect_of, sign_test
from preceptor.teaching.crew import Crew
from preceptor.teaching.events import Note, StrategyAccepted
from preceptor.teaching.notebook import Notebook
from preceptor.teaching.pairs import hold_against
from preceptor.teaching.scenarios import same_scenarios

SAME_TEXT = 0.85
"""Likeness from which two strategies are wordings of one; below it, static vectors confuse related advice."""
RECURS = 3
"""Scenarios a strategy must recur in to be tried as a general one."""
GROUPS = 16
"""Recurring strategies tried as general ones, the most frequent first."""
LOOKS = (60, 120, 240)
"""Contexts, over all scenarios, after which the test of a general strategy may stop."""


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
    """Try what recurs as a general strategy, on contexts of all scenarios in turn.

    What was undecided in each of several scenarios may be decided over all of them.
    """
    groups = _recurring(crew, notebook)[:GROUPS]
    contexts = _in_turn(notebook)
    for group in groups:
        best = max(group, key=lambda strategy: (strategy.value, strategy.id))
        general = Strategy(Strategy.new_id(best.text, None), best.text, best.reason, None)
        effect, helps = await _try(crew, notebook, general, contexts, crew.settings.alpha / len(groups))
        if effect is None:
            continue
        reason = f"Recurs in {len(group)} scenarios; tried on {effect.n} contexts of all scenarios."
        evidence = Evidence("general", "", reason=reason, effect=effect)
        if helps:
            _make_general(notebook, replace(general, measured="accepted", value=round(effect.mean, 6)), group, evidence)
            crew.tell(StrategyAccepted(notebook.accepted[general.id], effect))
        else:
            notebook.note(best.id, [evidence])


def _make_general(notebook: Notebook, lifted: Strategy, group: Sequence[Strategy], evidence: Evidence) -> None:
    notebook.accepted[lifted.id] = lifted
    notebook.note(lifted.id, [*notebook.evidence.get(group[0].id, []), evidence])
    for strategy in group:
        if notebook.accepted.pop(strategy.id, None):
            notebook.dropped[strategy.id] = replace(strategy, measured="dropped")
            notebook.note(strategy.id, [Evidence("consolidation", "", reason="Lifted to a general strategy.")])


def _recurring(crew: Crew, notebook: Notebook) -> list[list[Strategy]]:
    """Groups of like strategies, accepted or undecided, that occur in several scenarios; the most frequent first."""
    undecided = [strategy for strategy, reason in notebook.refused.values() if reason == UNDECIDED]
    strategies = [strategy for strategy in (*notebook.accepted.values(), *undecided) if strategy.scenario]
    if not strategies:
        return []
    vectors = crew.embedder.embed([strategy.text for strategy in strategies])
    alike = vectors @ vectors.T >= SAME_TEXT
    groups: list[list[Strategy]] = []
    taken: set[int] = set()
    for n in range(len(strategies)):
        members = [m for m in np.flatnonzero(alike[n]).tolist() if m not in taken] if n not in taken else []
        if len({strategies[m].scenario for m in members}) >= RECURS:
            taken.update(members)
            groups.append([strategies[m] for m in members])
    return sorted(groups, key=len, reverse=True)


def _in_turn(notebook: Notebook) -> list[tuple[str, Context]]:
    """Held-back contexts with their scenarios, one of each scenario after the other, so that each counts alike."""
    pools = {id_: notebook.held_back(id_) for id_ in notebook.book.scenarios}
    depth = max((len(pool) for pool in pools.values()), default=0)
    spread = [(id_, pool[n]) for n in range(depth) for id_, pool in pools.items() if n < len(pool)]
    return spread[: LOOKS[-1]]


async def _try(
    crew: Crew, notebook: Notebook, general: Strategy, contexts: Sequence[tuple[str, Context]], level: float
) -> tuple[Effect | None, bool]:
    scores: list[int] = []
    drawn = 0
    for look in LOOKS:
        batch = contexts[drawn:look]
        jobs = [partial(_adds, crew, notebook, general, scenario, context) for scenario, context in batch]
        scores += [score for score in await crew.all("consolidation", jobs) if score is not None]
        wins, losses = scores.count(1), scores.count(-1)
        if sign_test(wins, losses) <= level * (look - drawn) / LOOKS[-1]:
            return effect_of(scores), True
        if wins <= losses or len(batch) < look - drawn:
            break
        drawn = look
    return (effect_of(scores) if scores else None), False


async def _adds(crew: Crew, notebook: Notebook, general: Strategy, scenario: str, context: Context) -> int | None:
    base = notebook.in_force(scenario)
    pair = await hold_against(crew, context, base, (general, *base), "general")
    return pair.score if pair else None
