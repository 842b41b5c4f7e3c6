"""One strategy tried by itself, outside a run of teaching: as a person has worded it, or to be measured again.

What decides is the gate that strategies of a run pass, on contexts that the strategy was not written from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from preceptor.dialogue.conversation import Context
from preceptor.judging.judge import shown
from preceptor.library.model import Evidence, Scenario, Strategy
from preceptor.llm.parallel import gather
from preceptor.retrieval.groups import conversations
from preceptor.teaching.acceptance import Trial, accept
from preceptor.teaching.crew import Crew
from preceptor.teaching.pairs import hold_against


@dataclass(frozen=True)
class Compared:
    """The student's reply in a context without the strategy, and with it."""

    n: int
    """The context's number among those asked for, from 0."""
    context: Context
    before: str
    after: str
    score: int | None
    """1: better with it; -1: worse; 0: neither; None: it could not be measured, and the replies are empty."""


def sources(evidence: Sequence[Evidence]) -> tuple[Context, ...]:
    """The contexts a strategy was written from."""
    found = (item.context for item in evidence if item.kind == "origin" and item.context)
    return tuple({context.key: context for context in found}.values())


def others(scenarios: Sequence[Scenario], written_from: Sequence[Context]) -> tuple[Context, ...]:
    """Contexts of the scenarios from conversations that nothing was written from, each scenario's in turn."""
    pools = [list(scenario.examples) for scenario in scenarios]
    depth = max(map(len, pools), default=0)
    mixed = [pool[n] for n in range(depth) for pool in pools if n < len(pool)]
    talks = conversations([context.turns for context in (*written_from, *mixed)])
    used = set(talks[: len(written_from)])
    return tuple(c for c, talk in zip(mixed, talks[len(written_from) :], strict=True) if talk not in used)


async def try_out(
    crew: Crew,
    base: Sequence[Strategy],
    strategy: Strategy,
    contexts: Sequence[Context],
    hear: Callable[[Compared], None],
) -> tuple[Compared, ...]:
    """Reply once in each context without the strategy and with it, on top of `base`. `hear` is told as they come.

    Raises:
        Stopped, ProviderError: from the models.
    """

    async def one(n: int, context: Context) -> Compared:
        pair = await hold_against(crew, context, base, (*base, strategy), "try out")
        known = (shown(pair.old), shown(pair.new), pair.score) if pair else ("", "", None)
        compared = Compared(n, context, *known)
        hear(compared)
        return compared

    return tuple(await gather([partial(one, n, context) for n, context in enumerate(contexts)]))


async def measure(crew: Crew, base: Sequence[Strategy], strategy: Strategy, contexts: Sequence[Context]) -> Trial:
    """What the gate says of the strategy on top of `base`.

    Args:
        contexts: of the scenario; none it was written from.

    Raises:
        Stopped, ProviderError: from the models.
    """
    (trial,) = await accept(crew, tuple(base), [strategy], contexts, last_chance=True)
    return trial
