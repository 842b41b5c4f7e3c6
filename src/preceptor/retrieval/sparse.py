"""Rows of few numbers, and their products with each other.

What retrieval needs of sparse matrices is little; scipy's cost the gateway a fifth of its memory, and a third of a
millisecond a request in making and checking them.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Index = NDArray[np.intp]

AT_ONCE = 1 << 20
"""Pairs multiplied in one go: some 30 MB of working memory."""


@dataclass(frozen=True)
class Sparse:
    """A matrix, row by row."""

    ends: Index
    """(rows + 1,): row n's numbers are those from ``ends[n]`` to ``ends[n + 1]``."""
    columns: Index
    values: Matrix
    width: int
    """Columns of the matrix."""

    @classmethod
    def summed(cls, rows: Index, columns: Index, values: Matrix, shape: tuple[int, int]) -> "Sparse":
        """From numbers in any order; those for the same place are added up."""
        places, each = np.unique(rows * shape[1] + columns, return_inverse=True)
        lengths = np.bincount(places // shape[1], minlength=shape[0])
        return cls(ends_of(lengths), places % shape[1], np.bincount(each, values).astype(np.float32), shape[1])

    def __len__(self) -> int:
        return len(self.ends) - 1

    @property
    def row_of(self) -> Index:
        """The row of each number."""
        return np.repeat(np.arange(len(self)), np.diff(self.ends))

    @cached_property
    def across(self) -> "Sparse":
        """The matrix with rows and columns exchanged."""
        order = np.argsort(self.columns, kind="stable")
        lengths = np.bincount(self.columns, minlength=self.width)
        return Sparse(ends_of(lengths), self.row_of[order], self.values[order], len(self))

    def rows(self, index: Index) -> "Sparse":
        begins, ends = self.ends[index], self.ends[index + 1]
        at = spans(begins, ends)
        return Sparse(ends_of(ends - begins), self.columns[at], self.values[at], self.width)

    def where(self, keep: NDArray[np.bool_]) -> "Sparse":
        """Only some of the numbers."""
        lengths = np.bincount(self.row_of[keep], minlength=len(self))
        return Sparse(ends_of(lengths), self.columns[keep], self.values[keep], self.width)


def beside(parts: list[Sparse]) -> Sparse:
    """Matrices of equally many rows, next to each other."""
    begins = np.cumsum([0, *(part.width for part in parts)])
    rows = np.concatenate([part.row_of for part in parts])
    order = np.argsort(rows, kind="stable")
    columns = np.concatenate([part.columns + begin for part, begin in zip(parts, begins, strict=False)])
    lengths = np.sum([np.diff(part.ends) for part in parts], axis=0)
    return Sparse(
        ends_of(lengths), columns[order], np.concatenate([part.values for part in parts])[order], int(begins[-1])
    )


def dots(left: Sparse, across: Sparse) -> Matrix:
    """left @ across: len(left) × across.width, written out."""
    found = np.zeros((len(left), across.width), np.float32)
    each = np.diff(across.ends)[left.columns]
    so_far = ends_of(each)[left.ends]
    begin = 0
    while begin < len(left):
        end = max(begin + 1, int(np.searchsorted(so_far, so_far[begin] + AT_ONCE, side="right")) - 1)
        found[begin:end] = _some(left, across, each, slice(begin, end))
        begin = end
    return found


def _some(left: Sparse, across: Sparse, each: Index, rows: slice) -> Matrix:
    mine = slice(left.ends[rows.start], left.ends[rows.stop])
    columns, each, count = left.columns[mine], each[mine], rows.stop - rows.start
    at = spans(across.ends[columns], across.ends[columns + 1])
    row = np.repeat(np.arange(count), np.diff(left.ends[rows.start : rows.stop + 1]))
    places = np.repeat(row * across.width, each) + across.columns[at]
    products = np.repeat(left.values[mine], each) * across.values[at]
    return np.bincount(places, products, count * across.width).reshape(count, across.width).astype(np.float32)


def spans(begins: Index, ends: Index) -> Index:
    """The numbers from each begin to before its end, one after the other."""
    lengths = ends - begins
    return np.repeat(ends - np.cumsum(lengths), lengths) + np.arange(lengths.sum())


def ends_of(lengths: Index) -> Index:
    """Where stretches of these lengths begin, and where the last one ends."""
    return np.concatenate([np.zeros(1, np.intp), np.cumsum(lengths, dtype=np.intp)])
