"""A library's contexts, laid out so that likeness to all of them costs little."""

from dataclasses import dataclass

import numpy as np

from preceptor.retrieval.features import Features, products
from preceptor.retrieval.sparse import Index, Matrix, Sparse, dots

SAME = 1e-6
"""Unit vectors that differ by less are one."""


@dataclass(frozen=True)
class Known:
    """n contexts, those that look the same through every window first: the three products with them are one."""

    order: Index
    """(n,): which contexts these are."""
    plain: Matrix
    """p × dim: the unit vectors of those that look the same through every window."""
    other: Matrix
    """(n − p) × (windows × dim): the others'."""
    more: Matrix
    """n × …: see `Features`."""
    words: Sparse
    """(windows × (words + 1)) × n."""

    @classmethod
    def of(cls, examples: Features) -> "Known":
        units = _units(examples)
        same = np.abs(units - units[:, :1]).max(axis=(1, 2), initial=0) < SAME
        order = np.argsort(~same, kind="stable")
        count = int(same.sum())
        plain = np.ascontiguousarray(units[order[:count], 0])
        rest = examples.rows(order)
        return cls(order, plain, rest.vectors[count:], rest.more, rest.lexical.across)

    def alike(self, contexts: Features) -> Matrix:
        """contexts × n: `likeness`, in `order`."""
        found = dots(contexts.lexical, self.words)
        count = len(self.plain)
        if count:
            found[:, :count] += products(_pooled(contexts), self.plain)
        if len(self.other):
            found[:, count:] += products(contexts.vectors, self.other)
        if self.more.shape[1]:
            found += products(contexts.more, self.more)
        return found


def _units(examples: Features) -> Matrix:
    """n × windows that count × dim."""
    used = examples.scales > 0
    if not used.any():
        return examples.vectors[:, None, :0]
    each = _by_window(examples)
    return np.asarray(each[:, used] / examples.scales[used, None], np.float32)


def _pooled(contexts: Features) -> Matrix:
    """contexts × dim: what a vector that is the same through every window is to be multiplied by."""
    used = contexts.scales > 0
    if not used.any():
        return contexts.vectors[:, :0]
    return np.asarray(np.einsum("nwd,w->nd", _by_window(contexts), contexts.scales), np.float32)


def _by_window(some: Features) -> Matrix:
    windows = len(some.scales)
    return some.vectors.reshape(len(some), windows, some.vectors.shape[1] // windows)
