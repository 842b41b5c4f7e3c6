"""Step 4, consolidation: the same scenario found twice becomes one, and what recurs is lifted to a general strategy.

Only deltas with measured reasons; nothing is rewritten. (One rewrite of a whole playbook took it from 18,282 tokens to
122, and from 66.7 to 57.1 points: ACE, arXiv 2510.04618.)
"""

from dataclasses import replace
from functools import partial

import numpy as np

from preceptor.dialogue.conversation import Context
from preceptor.library.model import Evidence, Scenario, Strategy
from preceptor.teaching.acceptance import accept, effect_of, sign_test
from preceptor.teaching.crew import Crew
from preceptor.teaching.events import Note, StrategyAccepted
from preceptor.teaching.notebook import Notebook
from preceptor.teaching.pairs import hold_against
from preceptor.teaching.scenarios import ask_where

SAME_TEXT = 0.85
"""Likeness from which two strategies are wordings of one; below it, static vectors confuse related advice."""
RECURS = 3
"""Scenarios a strategy must recur in to be tried as a general one."""
NEIGHBOURS = 8
"""Other scenarios each is held against."""
CONTEXTS = 40
"""Contexts of other scenarios a general strategy is tried on."""


async def consolidate(crew: Crew, notebook: Notebook) -> None:
    """Merge scenarios that are one, then lift strategies that recur."""
    await _merge(crew, notebook)
    await _lift(crew, notebook)


async def _merge(crew: Crew, notebook: Notebook) -> None:
    """Two scenarios are one if the teacher puts an example of each into the other."""
    scenarios = [scenario for scenario in notebook.scenarios if scenario.examples]
    if len(scenarios) < 2:
        return
    vectors = crew.embedder.embed([scenario.description for scenario in scenarios])
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -np.inf)
    shortlists = [
        [scenarios[n] for n in np.argsort(-row, kind="stable")[: min(NEIGHBOURS, len(scenarios) - 1)]]
        for row in likeness
    ]
    jobs = [
        partial(ask_where, crew, scenario.examples[-1], shortlist)
        for scenario, shortlist in zip(scenarios, shortlists, strict=True)
    ]
    answers = await crew.all("consolidation", jobs)
    choice = {
        scenario.id: shortlist[answer.scenario - 1].id
        for scenario, shortlist, answer in zip(scenarios, shortlists, answers, strict=True)
        if answer and 0 < answer.scenario <= len(shortlist)
    }
    for scenario in scenarios:
        other = choice.get(scenario.id)
        both_there = other in notebook.book.scenarios and scenario.id in notebook.book.scenarios
        if other and both_there and choice.get(other) == scenario.id:
            await _join(crew, notebook, scenario, notebook.book.scenarios[other])


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
    groups = _recurring(crew, notebook)
    for group in groups:
        best = max(group, key=lambda strategy: (strategy.value, strategy.id))
        general = Strategy(Strategy.new_id(best.text, None), best.text, best.reason, None)
        contexts = _elsewhere(notebook, {strategy.scenario for strategy in group})
        jobs = [partial(_adds, crew, notebook, general, scenario, context) for scenario, context in contexts]
        scores = [score for score in await crew.all("consolidation", jobs) if score is not None]
        if not scores:
            continue
        effect = effect_of(scores)
        helps = sign_test(scores.count(1), scores.count(-1)) <= crew.settings.alpha / len(groups)
        reason = f"Recurs in {len(group)} scenarios; tried on {len(scores)} contexts of others."
        evidence = Evidence("general", "", reason=reason, effect=effect)
        if not helps:
            notebook.note(best.id, [evidence])
            continue
        lifted = replace(general, measured="accepted", value=round(effect.mean, 6))
        notebook.accepted[lifted.id] = lifted
        notebook.note(lifted.id, [*notebook.evidence.get(best.id, []), evidence])
        for strategy in group:
            del notebook.accepted[strategy.id]
            notebook.dropped[strategy.id] = replace(strategy, measured="dropped")
            notebook.note(strategy.id, [Evidence("consolidation", "", reason="Lifted to a general strategy.")])
        crew.tell(StrategyAccepted(lifted, effect))


def _recurring(crew: Crew, notebook: Notebook) -> list[list[Strategy]]:
    """Groups of like strategies that occur in several scenarios, largest first."""
    strategies = [strategy for strategy in notebook.accepted.values() if strategy.scenario]
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


def _elsewhere(notebook: Notebook, homes: set[str | None]) -> list[tuple[str, Context]]:
    """Contexts of the other scenarios, taken in turn so that each scenario counts alike."""
    pools = {id_: notebook.held_back(id_) for id_ in notebook.book.scenarios if id_ not in homes}
    depth = max((len(pool) for pool in pools.values()), default=0)
    spread = [(id_, pool[n]) for n in range(depth) for id_, pool in pools.items() if n < len(pool)]
    return spread[:CONTEXTS]


async def _adds(crew: Crew, notebook: Notebook, general: Strategy, scenario: str, context: Context) -> int | None:
    base = notebook.in_force(scenario)
    pair = await hold_against(crew, context, base, (general, *base), "general")
    return pair.score if pair else None
