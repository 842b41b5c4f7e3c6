"""Step 4, consolidation: the same scenario found twice becomes one, and what recurs is lifted to a general strategy
(`lifting`).

Only deltas with measured reasons; nothing is rewritten. (One rewrite of a whole playbook took it from 18,282 tokens to
122, and from 66.7 to 57.1 points: ACE, arXiv 2510.04618.)
"""

from dataclasses import replace
from functools import partial

from preceptor.library.model import Evidence, Scenario, Strategy
from preceptor.llm.parallel import gather
from preceptor.teaching.acceptance import accept, harms
from preceptor.teaching.crew import Crew
from preceptor.teaching.events import Note
from preceptor.teaching.lifting import lift
from preceptor.teaching.notebook import Notebook
from preceptor.teaching.pairs import hold_against
from preceptor.teaching.scenarios import same_scenarios


async def consolidate(crew: Crew, notebook: Notebook) -> None:
    """Merge scenarios that are one, then lift strategies that recur."""
    await _merge(crew, notebook)
    await lift(crew, notebook)


async def _merge(crew: Crew, notebook: Notebook) -> None:
    scenarios = [scenario for scenario in notebook.scenarios if scenario.examples]
    homes = await same_scenarios(crew, "consolidation", scenarios)
    for scenario in scenarios:
        if (home := homes[scenario.id]) != scenario.id:
            kept = notebook.book.scenarios[home]
            if await _loses_in(crew, notebook, kept, scenario):
                crew.tell(Note(f"Kept apart: what helps in {kept.description!r} harms in {scenario.description!r}."))
            else:
                await _join(crew, notebook, kept, scenario)


async def _loses_in(crew: Crew, notebook: Notebook, kept: Scenario, gone: Scenario) -> bool:
    """Do the strategies of one scenario make replies worse in the other's contexts, where nobody has tried them?"""
    theirs, base = notebook.guidance().of(kept.id), notebook.in_force(gone.id)
    if not theirs:
        return False
    contexts = (notebook.held_back(gone.id) * crew.settings.repeats)[: crew.settings.looks[0]]
    jobs = [
        partial(crew.send, hold_against, context, base, (*base, *theirs), f"merging {n}")
        for n, context in enumerate(contexts)
    ]
    return harms([pair.score for pair in await gather(jobs) if pair])


async def _join(crew: Crew, notebook: Notebook, kept: Scenario, gone: Scenario) -> None:
    """The second scenario's strategies must earn their place beside the first's."""
    theirs = [replace(strategy, scenario=kept.id) for strategy in notebook.guidance().of(gone.id)]
    sources = notebook.source_customers
    sources[kept.id] = sources.get(kept.id, set()) | sources.pop(gone.id, set())
    notebook.book.merge(kept.id, gone.id, crew.settings.examples)
    room = crew.settings.strategies_per_scenario - len(notebook.guidance().of(kept.id))
    base, contexts = notebook.in_force(kept.id), notebook.held_back(kept.id)
    trials = await crew.send(accept, base, theirs[: max(room, 0)], contexts, last_chance=True)
    adds = {trial.strategy.text: trial for trial in trials if trial.verdict == "accepted"}
    for strategy in [s for s in notebook.accepted.values() if s.scenario == gone.id]:
        del notebook.accepted[strategy.id]
        notebook.dropped[strategy.id] = replace(strategy, measured="dropped")
        reason = f"Its scenario is the same as {kept.description!r}."
        notebook.note(strategy.id, [Evidence("consolidation", "", reason=reason)])
        if trial := adds.get(strategy.text):
            moved = replace(trial.strategy, id=Strategy.new_id(strategy.text, kept.id))
            notebook.accepted[moved.id] = moved
            notebook.note(moved.id, [*notebook.evidence.get(strategy.id, []), *trial.evidence])
    crew.tell(Note(f"Merged: {gone.description!r} is the same as {kept.description!r}."))
