"""Contexts as matrices: for each window, word vectors and weighted words.

Conversations share turns, so a library is read once per distinct turn and each window is a sum over turns: two small
sparse products instead of a loop over every word of every context.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from preceptor.dialogue.conversation import Turn
from preceptor.retrieval.embedding import Vectors, unit
from preceptor.retrieval.windows import WINDOWS, Read, Reader, spoken, starts

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Vocabulary:
    """The library's words and how rare each is."""

    ids: dict[str, int]
    idf: Matrix
    """(words + 1,); the last is for words the library has never seen: they match nothing, but they count as said."""

    @classmethod
    def of(cls, reads: Sequence[Read]) -> "Vocabulary":
        """From distinct turns; smoothed inverse document frequency over them."""
        ids: dict[str, int] = {}
        for read in reads:
            for word in read.words:
                ids.setdefault(word, len(ids))
        seen = np.zeros(len(ids) + 1)
        for read in reads:
            seen[[ids[word] for word in read.words]] += 1
        return cls(ids, (np.log((1 + len(reads)) / (1 + seen)) + 1).astype(np.float32))

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
    """n contexts, seen through each of `WINDOWS`."""

    dense: tuple[Vectors, ...]
    """Per window: n × dim, unit rows."""
    lexical: tuple[sp.csr_array, ...]
    """Per window: n × (words + 1), unit rows."""

    def __len__(self) -> int:
        return len(self.dense[0])

    def rows(self, index: NDArray[np.intp]) -> "Features":
        return Features(tuple(d[index] for d in self.dense), tuple(x[index] for x in self.lexical))


def read_contexts(
    contexts: Sequence[Sequence[Turn]], reader: Reader, vocabulary: Vocabulary | None = None
) -> tuple[Features, Vocabulary]:
    """Features of contexts, in the words of a vocabulary (None: their own)."""
    said = [spoken(context) for context in contexts]
    reads = reader.read(turn.text for turns in said for turn in turns)
    order = {text: index for index, text in enumerate(reads)}
    vocabulary = vocabulary or Vocabulary.of(list(reads.values()))
    counts = vocabulary.counts(list(reads.values()))
    vectors = np.array([read.vector for read in reads.values()], np.float32).reshape(len(reads), reader.embedder.dim)
    members = _members(said, order)
    dense = tuple(unit(np.asarray(member @ vectors, np.float32)) for member in members)
    return Features(dense, tuple(_weighted(member @ counts, vocabulary.idf) for member in members)), vocabulary


def _members(said: Sequence[Sequence[Turn]], order: dict[str, int]) -> list[sp.csr_array]:
    """Per window: contexts × distinct turns, how often each turn is in the window."""
    begins = [starts(turns) for turns in said]
    members = []
    for window in range(len(WINDOWS)):
        inside = [
            [order[turn.text] for turn in turns[begin[window] :]] for turns, begin in zip(said, begins, strict=True)
        ]
        ends = np.cumsum([0, *map(len, inside)])
        columns = np.array([column for row in inside for column in row], np.int32)
        member = sp.csr_array((np.ones(len(columns), np.float32), columns, ends), shape=(len(said), len(order)))
        member.sum_duplicates()
        members.append(member)
    return members


def _weighted(counts: sp.csr_array, idf: Matrix) -> sp.csr_array:
    """Counts to (1 + log tf) × idf, unit rows."""
    weighted = counts.tocsr()
    weighted.data = (1 + np.log(weighted.data)) * idf[weighted.indices]
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1))).ravel()
    scale = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    weighted.data = (weighted.data * np.repeat(scale, np.diff(weighted.indptr))).astype(np.float32)
    return weighted
