"""Contexts as matrices: for each window, word vectors and weighted words.

Conversations share turns, so a library is read once per distinct turn and each window is a sum over turns: two small
sparse products instead of a loop over every word of every context.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from preceptor.dialogue.conversation import Turn
from preceptor.retrieval.embedding import unit
from preceptor.retrieval.windows import WINDOWS, Read, Reader, spoken, starts

Matrix = NDArray[np.float32]

BEFORE = 0.2
"""Share of likeness that is left to what came before, where that counts. 0.1 to 0.3 measured alike."""


@dataclass(frozen=True)
class Weights:
    """How much each kind of evidence counts in likeness."""

    windows: tuple[float, ...]
    """Of each of `WINDOWS`; they sum to 1."""
    lexical: float
    """Of words against word vectors, 0 to 1."""
    opening: bool = False
    """Openings are alike in being openings, whatever they say."""
    history: bool = False
    """What the conversation was about at the customer's turn before counts as well; only together with `opening`."""


@dataclass(frozen=True)
class Vocabulary:
    """The library's words and how rare each is."""

    ids: dict[str, int]
    idf: tuple[Matrix, ...]
    """Per window (words + 1,); the last is for words the library has never seen: they match nothing, but they count as
    said."""

    @classmethod
    def of(cls, reads: Sequence[Read]) -> "Vocabulary":
        """The words of some turns; how rare they are is not known yet."""
        return cls({word: index for index, word in enumerate(dict.fromkeys(w for r in reads for w in r.words))}, ())

    def counts(self, reads: Sequence[Read]) -> sp.csr_array:
        """reads × (words + 1)."""
        unknown = len(self.ids)
        columns = [self.ids.get(word, unknown) for read in reads for word in read.words]
        values = [count for read in reads for count in read.words.values()]
        ends = np.cumsum([0, *(len(read.words) for read in reads)])
        table = sp.csr_array((np.array(values, np.float32), columns, ends), shape=(len(reads), unknown + 1))
        table.sum_duplicates()
        return table


@dataclass(frozen=True)
class Features:
    """n contexts. Rows are scaled so that the dot products of two contexts, words and vectors, add up to likeness."""

    dense: Matrix
    """n × (windows × dim, and more where what came before counts)."""
    lexical: sp.csr_array
    """n × (windows × (words + 1))."""

    def after(self, before: Matrix) -> "Features":
        """With what was said before in view: n × labels, 0 to 1, rows of zeros where nothing was."""
        return Features(np.hstack([self.dense, np.sqrt(np.float32(BEFORE)) * before]), self.lexical)

    def __len__(self) -> int:
        return len(self.dense)

    @cached_property
    def across(self) -> sp.csr_array:
        """The words, transposed, by word: kept, because turning them costs more than one context's likeness."""
        return self.lexical.T.tocsr()

    def rows(self, index: NDArray[np.intp]) -> "Features":
        return Features(self.dense[index], self.lexical[index])


@dataclass(frozen=True)
class Views:
    """n contexts through each of `WINDOWS`, not yet weighed."""

    dense: tuple[Matrix, ...]
    """Per window n × dim, unit rows."""
    lexical: tuple[sp.csr_array, ...]
    """Per window n × (words + 1), unit rows."""
    opening: Matrix
    """(n,): 1 where it is the customer's first turn, else 0."""

    def rows(self, index: NDArray[np.intp]) -> "Views":
        words = tuple(part[index] for part in self.lexical)
        return Views(tuple(part[index] for part in self.dense), words, self.opening[index])

    def weighted(self, weights: Weights) -> Features:
        # Both sides of a dot product carry the root of a weight.
        shares = [np.float32((1 - BEFORE * weights.opening) * share) for share in weights.windows]
        dense = [
            np.sqrt(s * np.float32(1 - weights.lexical)) * part for s, part in zip(shares, self.dense, strict=True)
        ]
        words = [np.sqrt(s * np.float32(weights.lexical)) * part for s, part in zip(shares, self.lexical, strict=True)]
        if weights.opening:
            dense.append(np.sqrt(np.float32(BEFORE)) * self.opening[:, None])
        return Features(np.hstack(dense), sp.hstack(words, format="csr"))


def likeness(left: Features, right: Features) -> Matrix:
    """len(left) × len(right): the weighted mean of cosines over windows, of vectors and of words, and of
    what came before; at most 1."""
    words = left.lexical @ right.across
    return np.asarray(products(left.dense, right.dense) + words.toarray(), np.float32)


def products(left: Matrix, right: Matrix) -> Matrix:
    """len(left) × len(right) dot products."""
    if len(left) == 1:
        # BLAS would wake its threads for this, and waiting for them on a busy machine takes ten times the sum itself.
        return np.asarray(np.einsum("ij,j->i", right, left[0])[None])
    return np.asarray(left @ right.T)


def read_contexts(
    contexts: Sequence[Sequence[Turn]], reader: Reader, vocabulary: Vocabulary | None = None
) -> tuple[Views, Vocabulary]:
    """What contexts say, in the words of a vocabulary (None: their own)."""
    said = [spoken(context) for context in contexts]
    reads = reader.read(turn.text for turns in said for turn in turns)
    order = {text: index for index, text in enumerate(reads)}
    words = vocabulary or Vocabulary.of(list(reads.values()))
    table = words.counts(list(reads.values()))
    vectors = np.array([read.vector for read in reads.values()], np.float32).reshape(len(reads), reader.embedder.dim)
    members = _members(said, order)
    counts = [member @ table for member in members]
    known = words if words.idf else Vocabulary(words.ids, tuple(map(_idf, counts)))
    dense = tuple(unit(member @ vectors) for member in members)
    opening = np.array([sum(turn.party == "customer" for turn in turns) <= 1 for turns in said], np.float32)
    return Views(dense, tuple(map(_weighted, counts, known.idf)), opening), known


def _members(said: Sequence[Sequence[Turn]], order: dict[str, int]) -> list[sp.csr_array]:
    """Per window: contexts × distinct turns, how often each turn is in the window."""
    begins = [starts(turns) for turns in said]
    members = []
    for window in range(len(WINDOWS)):
        inside = [[order[turn.text] for turn in turns[b[window] :]] for turns, b in zip(said, begins, strict=True)]
        ends = np.cumsum([0, *map(len, inside)])
        columns = np.array([column for row in inside for column in row], np.int32)
        member = sp.csr_array((np.ones(len(columns), np.float32), columns, ends), shape=(len(said), len(order)))
        member.sum_duplicates()
        members.append(member)
    return members


def _idf(counts: sp.csr_array) -> Matrix:
    """Smoothed inverse document frequency over contexts; a word never met is as rare as can be."""
    seen = np.bincount(counts.indices, minlength=counts.shape[1])
    return np.asarray(np.log((1 + counts.shape[0]) / (1 + seen)) + 1, np.float32)


def _weighted(counts: sp.csr_array, idf: Matrix) -> sp.csr_array:
    """Counts to (1 + log count) × idf, unit rows."""
    weights = (1 + np.log(counts.data)) * idf[counts.indices]
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    lengths = np.sqrt(np.bincount(rows, weights**2, counts.shape[0]))
    scaled = (weights / lengths[rows]).astype(np.float32)
    return sp.csr_array((scaled, counts.indices, counts.indptr), shape=counts.shape)
