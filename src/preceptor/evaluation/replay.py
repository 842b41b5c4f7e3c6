"""What a new release would give where the last one gave something: retrieval only, no model is asked.

The kept contexts are the last release's own examples. They say where it used to help, so whatever it gave there and
the new one does not is what would be lost without anybody having decided so.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from preceptor.dialogue.conversation import Context
from preceptor.library.model import Guidance, Strategy
from preceptor.retrieval.embedding import Embedder
from preceptor.retrieval.selector import Retriever

Slot = tuple[Strategy, ...]


@dataclass(frozen=True)
class Lost:
    """A strategy that is no longer given somewhere."""

    strategy: Strategy
    contexts: int
    """Kept contexts in which the old release gave it and the new one does not."""
    held: bool
    """The new release still has it: it is no longer found there, or others take its place."""


@dataclass(frozen=True)
class Replayed:
    """Two releases in the same contexts."""

    contexts: int
    """Kept contexts in which the old release gives something."""
    poorer: int
    """… of which the new one no longer gives all of it."""
    bare: int
    """… of which the new one gives nothing."""
    lost: tuple[Lost, ...]
    """The most frequent first."""


def replay(old: Guidance, new: Guidance, embedder: Embedder | None = None, *, limit: int | None = None) -> Replayed:
    """Hold what two releases give against each other, in the old one's example contexts.

    A strategy that was reworded, or stands in another scenario in the same words, is not lost.

    Args:
        limit: most strategies in the slot.

    Raises:
        UserError, ProviderError: from the embedder.
    """
    contexts = list({c.key: c for scenario in old.scenarios for c in scenario.examples}.values())
    if not contexts:
        return Replayed(0, 0, 0, ())
    given, still = (_slots(guidance, contexts, embedder, limit) for guidance in (old, new))
    missing = [_missing(before, after) for before, after in zip(given, still, strict=True)]
    bare = sum(bool(before) and not after for before, after in zip(given, still, strict=True))
    return Replayed(sum(map(bool, given)), sum(map(bool, missing)), bare, tuple(_counted(missing, new)))


def _slots(guidance: Guidance, contexts: Sequence[Context], embedder: Embedder | None, limit: int | None) -> list[Slot]:
    retriever = Retriever(guidance, embedder, limit)
    matches = retriever.matcher.match_all([context.turns for context in contexts])
    return [retriever.choose(match).strategies for match in matches]


def _missing(before: Slot, after: Slot) -> Slot:
    ids, texts = {strategy.id for strategy in after}, {strategy.text for strategy in after}
    return tuple(one for one in before if one.id not in ids and one.text not in texts)


def _counted(missing: Sequence[Slot], new: Guidance) -> list[Lost]:
    known: Mapping[str, Strategy] = {strategy.id: strategy for slot in missing for strategy in slot}
    held = {strategy.id for strategy in new.strategies}
    counts = Counter(strategy.id for slot in missing for strategy in slot)
    found = (Lost(known[id_], count, id_ in held) for id_, count in counts.items())
    return sorted(found, key=lambda one: (-one.contexts, one.strategy.id))
