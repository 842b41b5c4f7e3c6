"""A ridge classifier on likeness, and what it would have said had it not seen some examples.

The kernel is the exponential of likeness: near examples count, far ones fade. A ridge fit knows in closed form what it
would have said had any of its examples been left out (Hastie, Tibshirani, Friedman, *The Elements of Statistical
Learning*, 5.8 and 7.10), which is what abstention is calibrated on.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from preceptor.errors import Defect
from preceptor.retrieval.features import Matrix

Index = NDArray[np.intp]

SHARPNESS = 2.0
"""Kernel = exp(SHARPNESS × (likeness − 1)). 1 to 3 measured alike; a kernel linear in likeness lost 7 points on
single messages (Banking77)."""
RIDGE = 0.1
"""Added to the kernel's diagonal for a label with as many conversations as most. 0.03 to 0.3 measured alike."""


def kernel(alike: Matrix) -> Matrix:
    return np.asarray(np.exp(np.float32(SHARPNESS) * (alike - np.float32(1))), np.float32)


def targets(labels: Index, count: int) -> Matrix:
    """examples × count: 1 where the example has the label; a row of zeros for label −1, which is none."""
    hot = np.zeros((len(labels), count), np.float32)
    known = np.flatnonzero(labels >= 0)
    hot[known, labels[known]] = 1
    return hot


def diagonal(labels: Index, groups: Index) -> Matrix:
    """(examples,): `RIDGE`, more for labels with more conversations, so that a label is not likelier for having more.

    Conversations, not examples: a label whose conversations are long is not met more often for it.
    """
    pairs = np.unique(np.stack([labels, groups], axis=1)[labels >= 0], axis=0)
    held = np.bincount(pairs[:, 0], minlength=int(labels.max(initial=-1)) + 1)
    usual = held[held > 0].mean() if held.any() else 1.0
    share = np.where(labels >= 0, held[labels] / usual, 1.0) if held.any() else np.ones(len(labels))
    return np.asarray(RIDGE * share, np.float32)


@dataclass(frozen=True)
class Ridge:
    """Kernel ridge regression on label indicators: near 1 for contexts like a label's, near 0 for unlike."""

    by_label: Matrix
    """labels × examples: coefficients; a context's scores are their products with its kernel row."""
    inverse: Matrix
    """(kernel + diagonal)⁻¹, examples × examples."""
    targets: Matrix
    """examples × labels."""

    @classmethod
    def fit(cls, kernel: Matrix, targets: Matrix, diagonal: Matrix) -> "Ridge":
        inverse = _inverse(kernel + np.diag(diagonal))
        return cls(np.ascontiguousarray((inverse @ targets).T), inverse, targets)

    def without(self, left_out: Index) -> Matrix:
        """What the fit without some examples would say of those examples: left out × labels."""
        block = self.inverse[np.ix_(left_out, left_out)]
        missed = scipy.linalg.solve(block, self.by_label.T[left_out], assume_a="pos")
        return np.asarray(self.targets[left_out] - missed, np.float32)

    def says(self, kernel: Matrix, without: Index) -> Matrix:
        """What the fit without some examples would say of others: others × labels. `kernel`: others × examples."""
        block = self.inverse[np.ix_(without, without)]
        missed = scipy.linalg.solve(block, self.by_label.T[without], assume_a="pos")
        return np.asarray(kernel @ self.by_label.T - (kernel @ self.inverse[:, without]) @ missed, np.float32)

    def without_each(self, groups: Index) -> Matrix:
        """What is said of each example by the fit without its group: examples × labels."""
        said = np.empty_like(self.targets)
        for members in split(groups):
            said[members] = self.without(members)
        return said


def split(groups: Index) -> list[Index]:
    """The members of each group."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1) if len(groups) else []


def _inverse(matrix: Matrix) -> Matrix:
    """Of a symmetric positive definite matrix, by Cholesky."""
    if not len(matrix):
        return matrix
    factor, failed = scipy.linalg.lapack.spotrf(matrix, lower=True)
    lower, failed_too = scipy.linalg.lapack.spotri(factor, lower=True)
    if failed or failed_too:
        raise Defect("The kernel of a library is not positive definite.")
    half = np.tril(lower)
    return np.asarray(half + np.tril(half, -1).T, np.float32)
