"""Rank correlation and weighted agreement of a resample, given how often each conversation was drawn.

Ranking every resample anew would sort thousands of times. Values are sorted once; a resample's midranks follow from
its counts along that order. `scipy.stats.spearmanr` gives the same figures, and the tests hold them against it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preceptor.evaluation.statistics import Array


@dataclass(frozen=True)
class Ordered:
    """A figure of each conversation; not a number where it is not known."""

    known: Array
    """1 where it is, 0 where not."""
    places: NDArray[np.intp]
    """Of the conversations, lowest value first."""
    starts: NDArray[np.intp]
    """Where, along `places`, each different value begins."""
    tie: NDArray[np.intp]
    """Of each conversation: which of the different values it has."""

    @classmethod
    def of(cls, values: Sequence[float] | Array) -> "Ordered":
        rows = np.asarray(values, dtype=np.float64)
        _, tie = np.unique(rows, return_inverse=True)  # all that are not known come last, as one value
        places = np.argsort(tie, kind="stable")
        starts = np.flatnonzero(np.diff(tie[places], prepend=-1))
        return cls(np.isfinite(rows).astype(np.float64), places, starts, tie)

    def centred(self, weights: Array) -> tuple[Array, Array]:
        """Midranks less their mean, of shape (resamples, conversations), and the sum of their squares."""
        counts = np.add.reduceat(weights[:, self.places], self.starts, axis=1)
        middle = counts.cumsum(axis=1) - counts / 2 - counts.sum(axis=1, keepdims=True) / 2
        return middle[:, self.tie], np.einsum("rk,rk,rk->r", counts, middle, middle)


def drawn(index: Array, size: int) -> Array:
    """How often each of `size` conversations was drawn, of shape (resamples, conversations).

    `index`: which were drawn, of shape (resamples, draws), or one resample.
    """
    rows = np.atleast_2d(index).astype(np.int64)
    flat = rows + size * np.arange(len(rows))[:, None]
    return np.bincount(flat.ravel(), minlength=size * len(rows)).reshape(len(rows), size).astype(np.float64)


def spearman(x: Ordered, y: Ordered, weights: Array) -> Array:
    """Spearman's correlation in each resample, over conversations for which both are known; not a number where one of
    them does not vary."""
    both = weights * (x.known * y.known)
    (ranks, squares), (others, other_squares) = x.centred(both), y.centred(both)
    return np.asarray(np.einsum("rn,rn,rn->r", both, ranks, others) / np.sqrt(squares * other_squares))


def kappa(x: Array, y: Array, weights: Array) -> Array:
    """Cohen's kappa with quadratic weights in each resample, from its moments: 2 cov / (var + var + (mean - mean)^2),
    over conversations for which both are known."""
    known = np.isfinite(x) & np.isfinite(y)
    a, b = np.where(known, x, 0.0), np.where(known, y, 0.0)
    n = weights @ known.astype(np.float64)
    mean_a, mean_b = weights @ a / n, weights @ b / n
    apart = weights @ (a - b) ** 2 / n
    variances = weights @ a**2 / n - mean_a**2 + weights @ b**2 / n - mean_b**2
    return np.asarray(1 - apart / (variances + (mean_a - mean_b) ** 2))
