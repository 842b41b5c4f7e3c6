"""Which examples must be left out together, lest one give another away."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from preceptor.dialogue.conversation import Turn
from preceptor.retrieval.features import Views, Weights, likeness
from preceptor.retrieval.scoring import TOGETHER
from preceptor.retrieval.sparse import Index
from preceptor.retrieval.windows import spoken

OPENING_WORDS = 8
"""Contexts whose first words agree are taken to come from one conversation; a greeting alone is too short to tell."""

TWINS = 0.7
"""Likeness in words alone, which means the same for every embedder, from which two contexts are taken for the same
wording, names and typing errors apart."""


def conversations(contexts: Sequence[Sequence[Turn]]) -> Index:
    """A number per context, equal where they seem to come from one conversation."""
    seen: dict[tuple[str, ...], int] = {}
    return np.array([seen.setdefault(_opening(context), len(seen)) for context in contexts], np.intp)


def apart(groups: Index, views: Views, weights: Weights) -> Index:
    """Groups, joined where their contexts say nearly the same.

    Customers to come will put it in words of their own, so what holds for them is learned from contexts without their
    twins.
    """
    if not 0 < len(groups) <= TOGETHER:
        return groups
    words = views.weighted(Weights(weights.windows, 1.0))
    alike = likeness(words, words) >= TWINS
    return _joined(groups, alike)


def _joined(groups: Index, alike: NDArray[np.bool_]) -> Index:
    """The same number for all that hang together, by group or by likeness: each takes the least number it is joined to
    until nothing changes."""
    mine = np.unique(groups, return_inverse=True)[1]
    rows, columns = np.nonzero(alike)
    while True:
        least = np.arange(mine.max() + 1)
        np.minimum.at(least, mine[rows], mine[columns])
        joined = least[mine]
        if np.array_equal(joined, mine):
            return mine
        mine = joined


def _opening(context: Sequence[Turn]) -> tuple[str, ...]:
    """The first turns of a context, up to `OPENING_WORDS`."""
    texts = [turn.text for turn in spoken(context)]
    lengths = accumulate(len(text.split()) for text in texts)
    enough = next((index for index, length in enumerate(lengths) if length >= OPENING_WORDS), len(texts))
    return tuple(texts[: enough + 1])
