"""Contexts as matrices: for each window, word vectors and weighted words.

Conversations share turns, so a library is read once per distinct turn and each window is a sum over turns. Words that
many contexts have are columns like those of the vectors; the rest are kept by word (`sparse`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from preceptor.dialogue.conversation import Turn
from preceptor.retrieval.embedding import unit
from preceptor.retrieval.sparse import Index, Matrix, Sparse, beside, dots, ends_of
from preceptor.retrieval.windows import WINDOWS, Reader, heard, spoken, starts

BEFORE = 0.2
"""Share of likeness that is left to what came before, where that counts. 0.1 to 0.3 measured alike."""
COMMON = 1 / 8
"""Words that a larger share of contexts have are columns of their own: multiplying a column costs a tenth of what
multiplying the same numbers one by one does."""

TOGETHER = 4_096
"""Windows summed in one go, so that a large library's turns are not all written out at once."""


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
    """How rare the library's words are. Which they are, the reader knows."""

    idf: Matrix
    """windows × (words + 1); the last is for words the library has never seen: they match nothing, but they count as
    said."""
    common: Index
    """(words + 1,): the column of a word that many contexts have; −1 for the others."""

    @property
    def columns(self) -> int:
        """How many words have one."""
        return int(self.common.max(initial=-1)) + 1


@dataclass(frozen=True)
class Features:
    """n contexts. Rows are scaled so that the dot products of two contexts, in all three parts, add up to likeness."""

    vectors: Matrix
    """n × (windows × dim)."""
    more: Matrix
    """n × (windows × common words, and what came before where that counts)."""
    lexical: Sparse
    """n × (windows × (words + 1))."""
    scales: Matrix
    """(windows,): what unit vectors were multiplied by."""

    def after(self, before: Matrix) -> "Features":
        """With what was said before in view: n × labels, 0 to 1, rows of zeros where nothing was."""
        return replace(self, more=np.hstack([self.more, np.sqrt(np.float32(BEFORE)) * before]))

    def __len__(self) -> int:
        return len(self.vectors)

    def rows(self, index: Index) -> "Features":
        return Features(self.vectors[index], self.more[index], self.lexical.rows(index), self.scales)


@dataclass(frozen=True)
class Views:
    """n contexts through each of `WINDOWS`, not yet weighed."""

    dense: tuple[Matrix, ...]
    """Per window n × dim, unit rows."""
    common: tuple[Matrix, ...]
    """Per window n × common words; with `lexical`, unit rows."""
    lexical: tuple[Sparse, ...]
    """Per window n × (words + 1)."""
    opening: Matrix
    """(n,): 1 where it is the customer's first turn, else 0."""

    def rows(self, index: Index) -> "Views":
        return Views(
            tuple(part[index] for part in self.dense),
            tuple(part[index] for part in self.common),
            tuple(part.rows(index) for part in self.lexical),
            self.opening[index],
        )

    def weighted(self, weights: Weights) -> Features:
        # Both sides of a dot product carry the root of a weight.
        shares = [np.float32((1 - BEFORE * weights.opening) * share) for share in weights.windows]
        vectors = [np.sqrt(s * np.float32(1 - weights.lexical)) for s in shares]
        words = [np.sqrt(s * np.float32(weights.lexical)) for s in shares]
        more = [w * part for w, part in zip(words, self.common, strict=True)]
        if weights.opening:
            more.append(np.sqrt(np.float32(BEFORE)) * self.opening[:, None])
        lexical = beside(list(self.lexical))
        scale = np.array(words, np.float32)[lexical.columns // self.lexical[0].width]
        return Features(
            np.hstack([v * part for v, part in zip(vectors, self.dense, strict=True)]),
            np.hstack(more),
            Sparse(lexical.ends, lexical.columns, lexical.values * scale, lexical.width),
            np.array(vectors, np.float32),
        )


def likeness(left: Features, right: Features) -> Matrix:
    """len(left) × len(right): the weighted mean of cosines over windows, of vectors and of words, and of
    what came before; at most 1."""
    alike = products(left.vectors, right.vectors) + dots(left.lexical, right.lexical.across)
    return alike + products(left.more, right.more) if left.more.shape[1] else alike


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
    width, count = len(reader.words) + 1, len(said)
    words = [read.words for read in reads.values()]
    # The last row is nothing said, so that no window is without a row.
    vectors = np.zeros((len(reads) + 1, reader.embedder.dim), np.float32)
    for row, read in zip(vectors, reads.values(), strict=False):
        row[:] = read.vector
    table = Sparse(
        ends_of(np.array([*map(len, words), 0], np.intp)),
        np.concatenate([*words, np.zeros(0, np.intp)]),
        np.concatenate([*(read.counts for read in reads.values()), np.zeros(0, np.float32)]),
        width,
    )
    members, ends = _members(said, order)
    dense = unit(_sums(vectors, members, ends))
    told = table.rows(members)
    # Each window's turns, and their words, follow one another.
    row_of = np.repeat(np.repeat(np.arange(len(ends) - 1), np.diff(ends)), np.diff(told.ends))
    counts = Sparse.summed(row_of, told.columns, told.values, (len(ends) - 1, width))
    known = vocabulary or _vocabulary(counts, count)
    common, lexical = _weighted(counts, known, count)
    opening = np.array([len(heard(turns)) <= 1 for turns in said], np.float32)
    parts = [slice(n * count, (n + 1) * count) for n in range(len(WINDOWS))]
    return Views(
        tuple(dense[part] for part in parts),
        tuple(common[part] for part in parts),
        tuple(lexical.rows(np.arange(part.start, part.stop)) for part in parts),
        opening,
    ), known


def _members(said: Sequence[Sequence[Turn]], order: dict[str, int]) -> tuple[Index, Index]:
    """The turns of each window of each context, window by window, one after the other; and where each begins."""
    begins = [starts(turns) for turns in said]
    lines = [[order[turn.text] for turn in turns] for turns in said]
    inside = [
        line[begin[window] :] or [len(order)]
        for window in range(len(WINDOWS))
        for line, begin in zip(lines, begins, strict=True)
    ]
    members = np.array([member for row in inside for member in row], np.intp)
    return members, ends_of(np.array([*map(len, inside)], np.intp))


def _sums(vectors: Matrix, members: Index, ends: Index) -> Matrix:
    """The sums of some rows at a time."""
    found = [
        np.add.reduceat(vectors[members[part[0] : part[-1]]], part[:-1] - part[0])
        for part in (ends[at : at + TOGETHER + 1] for at in range(0, len(ends) - 1, TOGETHER))
    ]
    return np.concatenate([*found, vectors[:0]])


def _vocabulary(counts: Sparse, contexts: int) -> Vocabulary:
    """Smoothed inverse document frequency over contexts, window by window; a word never met is as rare as can be."""
    windows = len(WINDOWS)
    seen = np.bincount(
        counts.row_of // max(1, contexts) * counts.width + counts.columns, minlength=windows * counts.width
    )
    seen = seen.reshape(windows, counts.width)
    idf = np.asarray(np.log((1 + contexts) / (1 + seen)) + 1, np.float32)
    common = np.full(counts.width, -1, np.intp)
    often = np.flatnonzero(seen.max(axis=0) > COMMON * contexts)
    common[often] = np.arange(len(often))
    return Vocabulary(idf, common)


def _weighted(counts: Sparse, vocabulary: Vocabulary, contexts: int) -> tuple[Matrix, Sparse]:
    """Counts to (1 + log count) × idf, unit rows, in two parts: the common words and the others."""
    rows = counts.row_of
    weights = (1 + np.log(counts.values)) * vocabulary.idf[rows // max(1, contexts), counts.columns]
    lengths = np.sqrt(np.bincount(rows, weights**2, len(counts)))
    scaled = (weights / lengths[rows]).astype(np.float32)
    column = vocabulary.common[counts.columns]
    common = np.zeros((len(counts), vocabulary.columns), np.float32)
    often = column >= 0
    common[rows[often], column[often]] = scaled[often]
    return common, Sparse(counts.ends, counts.columns, scaled, counts.width).where(~often)
