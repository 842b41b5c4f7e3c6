"""Contexts that are asked about, on the shortest way from turns to features.

What comes out is what `read_contexts` and `Views.weighted` make of them, for one vocabulary and one choice of weights;
a test holds the two together. A library is read the long way, because its weights are not known yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from preceptor.dialogue.conversation import Turn
from preceptor.retrieval.embedding import unit
from preceptor.retrieval.features import BEFORE, Features, Vocabulary, Weights
from preceptor.retrieval.sparse import Index, Matrix, Sparse, ends_of, spans
from preceptor.retrieval.windows import Read, Reader, heard, spoken, starts


@dataclass(frozen=True)
class Lens:
    """How contexts are looked at."""

    vocabulary: Vocabulary
    weights: Weights

    @cached_property
    def vectors(self) -> Matrix:
        """(windows,): what unit vectors are multiplied by."""
        return np.asarray(np.sqrt(self._shares * np.float32(1 - self.weights.lexical)), np.float32)

    @cached_property
    def words(self) -> Matrix:
        """(windows,): what unit rows of words are multiplied by."""
        return np.asarray(np.sqrt(self._shares * np.float32(self.weights.lexical)), np.float32)

    @property
    def _shares(self) -> Matrix:
        kept = 1 - BEFORE * self.weights.opening
        return np.array([np.float32(kept * share) for share in self.weights.windows], np.float32)

    def look(self, contexts: Sequence[Sequence[Turn]], reader: Reader) -> tuple[Features, Matrix]:
        """Their features, and which of them are openings (1, else 0)."""
        said = [spoken(context) for context in contexts]
        reads = reader.read([turn.text for turns in said for turn in turns])
        opening = np.array([len(heard(turns)) <= 1 for turns in said], np.float32)
        stretches, row_of = _stretches(said, reads)
        common, lexical = self._words(stretches, row_of)
        if self.weights.opening:
            common = np.hstack([common, np.sqrt(np.float32(BEFORE)) * opening[:, None]])
        return Features(self._vectors(stretches, row_of, reader.embedder.dim), common, lexical, self.vectors), opening

    def _vectors(self, stretches: list[list[Read]], row_of: Index, dim: int) -> Matrix:
        """contexts × (windows × dim)."""
        if not dim:
            return np.zeros((len(row_of), 0), np.float32)
        lengths = np.array([len(stretch) or 1 for stretch in stretches], np.intp)
        nothing = np.zeros(dim, np.float32)
        told = np.array([vector for s in stretches for vector in ([r.vector for r in s] or [nothing])], np.float32)
        rows = unit(np.add.reduceat(told, ends_of(lengths)[:-1]))
        return np.asarray((rows[row_of] * self.vectors[:, None]).reshape(len(row_of), -1), np.float32)

    def _words(self, stretches: list[list[Read]], row_of: Index) -> tuple[Matrix, Sparse]:
        """contexts × (windows × common words), contexts × (windows × (words + 1))."""
        width, windows = self.vocabulary.idf.shape[1], row_of.shape[1]
        counts = _counted(stretches, width)
        # From stretches to windows: some windows of a context are the same stretch, and weigh its words differently.
        which = row_of.ravel()
        lengths = np.diff(counts.ends)[which]
        at, row = spans(counts.ends[which], counts.ends[which + 1]), np.repeat(np.arange(len(which)), lengths)
        column, window = counts.columns[at], row % windows
        weight = (1 + np.log(counts.values[at])) * self.vocabulary.idf[window, column]
        total = np.sqrt(np.bincount(row, weight * weight, len(which)))
        value = (weight * (self.words[window] / total[row])).astype(np.float32)
        ends = ends_of(lengths)[::windows]
        lexical = Sparse(ends, window * width + column, value, windows * width)
        places = self.vocabulary.columns
        common = np.zeros((len(row_of), windows * places), np.float32)
        if places:
            slot = self.vocabulary.common[column]
            often = slot >= 0
            common[row[often] // windows, window[often] * places + slot[often]] = value[often]
            lexical = lexical.where(~often)
        return common, lexical


def _stretches(said: Sequence[Sequence[Turn]], reads: dict[str, Read]) -> tuple[list[list[Read]], Index]:
    """What the windows of contexts look at, each stretch of turns once; and for each context which its windows see."""
    found: list[list[Read]] = []
    rows = []
    for turns in said:
        line = [reads[turn.text] for turn in turns]
        begins, mine, last = starts(turns), list[int](), -1
        for begin in begins:
            if begin != last:
                found.append(line[begin:])
                last = begin
            mine.append(len(found) - 1)
        rows.append(mine)
    return found, np.array(rows, np.intp)


def _counted(stretches: list[list[Read]], width: int) -> Sparse:
    """stretches × words: how often each is said."""
    flat = [read for stretch in stretches for read in stretch]
    if not flat:
        return Sparse(np.zeros(len(stretches) + 1, np.intp), np.zeros(0, np.intp), np.zeros(0, np.float32), width)
    columns = np.concatenate([read.words for read in flat])
    values = np.concatenate([read.counts for read in flat])
    lengths = np.array([sum([len(read.words) for read in stretch]) for stretch in stretches], np.intp)
    if all(len(stretch) == 1 for stretch in stretches):
        return Sparse(ends_of(lengths), columns, values, width)
    return Sparse.summed(np.repeat(np.arange(len(stretches)), lengths), columns, values, (len(stretches), width))
