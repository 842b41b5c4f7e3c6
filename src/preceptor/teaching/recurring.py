"""Which strategies recur: the same instruction, written for several scenarios in different words.

Vectors take "do not call it a trifle" and "never play the problem down" for two, and "ask for the number" and "do not
ask for the number" for one, so they only draw up shortlists; the teacher says what is the same, and both of a pair must
be named by the other.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from preceptor.errors import BadReply, Rejected
from preceptor.library.model import Strategy
from preceptor.llm.messages import Sampling
from preceptor.teaching.crew import Crew
from preceptor.teaching.tasks import MATCH_STRATEGIES

SHORTLIST = 40
"""Instructions the teacher compares one with."""
SAMPLING = Sampling(temperature=0.0, max_tokens=200)


async def recurring(crew: Crew, strategies: Sequence[Strategy]) -> list[list[Strategy]]:
    """Groups of strategies that ask for the same, large ones first; one that is like no other is a group of its own."""
    texts = sorted({strategy.text for strategy in strategies})
    names = await _names(crew, texts)
    groups: dict[int, list[Strategy]] = {}
    for strategy in strategies:
        groups.setdefault(names[strategy.text], []).append(strategy)
    return sorted(groups.values(), key=lambda group: (-len(group), group[0].id))


async def _names(crew: Crew, texts: Sequence[str]) -> dict[str, int]:
    """For each text the number of the first that says the same."""
    if not texts:
        return {}
    vectors = crew.embedder.embed(list(texts))
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -np.inf)
    lists = [np.argsort(-row, kind="stable")[: min(SHORTLIST, len(texts) - 1)].tolist() for row in likeness]
    jobs = [partial(crew.send, same, text, [texts[n] for n in near]) for text, near in zip(texts, lists, strict=True)]
    named = [{near[n] for n in said} for near, said in zip(lists, await crew.all("consolidation", jobs), strict=True)]
    first = list(range(len(texts)))
    for n, others in enumerate(named):
        for other in sorted(others):
            if other < n and n in named[other]:
                first[n] = min(first[n], first[other])
    return {text: first[n] for n, text in enumerate(texts)}


async def same(crew: Crew, text: str, others: Sequence[str]) -> list[int]:
    """Places of those among the others that the teacher takes for the same; none when its answer cannot be read. An
    errand."""
    listed = "\n".join(f"{n}. {other}" for n, other in enumerate(others, 1))
    sampling = replace(SAMPLING, seed=crew.seed("match", text))
    try:
        said = await MATCH_STRATEGIES.ask(crew.teacher_model, sampling, strategy=text, others=listed or "(none)")
    except (BadReply, Rejected):
        return []
    return [number - 1 for number in said.same if 0 < number <= len(others)]
