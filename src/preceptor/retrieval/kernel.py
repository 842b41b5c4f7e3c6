"""A ridge classifier on likeness, and what it would have said had it not seen some examples.

The kernel is the exponential of likeness: near examples count, far ones fade. A ridge fit knows in closed form what it
would have said had any of its examples been left out (Hastie, Tibshirani, Friedman, *The Elements of Statistical
Learning*, 5.8 and 7.10), which is what abstention is calibrated on.
"""

from dataclasses import dataclass

import numpy as np

from preceptor.errors import Defect
from preceptor.retrieval.sparse import Index, Matrix

SMALL = 128
"""Rows of a triangle inverted as they are; larger ones in halves, so that nearly all of it is products of matrices."""

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

    coefficients: Matrix
    """examples × labels: a context's scores are its kernel row's products with them."""
    inverse: Matrix
    """(kernel + diagonal)⁻¹, examples × examples."""
    targets: Matrix
    """examples × labels."""

    @classmethod
    def fit(cls, kernel: Matrix, targets: Matrix, diagonal: Matrix) -> "Ridge":
        inverse = _inverse(kernel + np.diag(diagonal))
        return cls(inverse @ targets, inverse, targets)

    def without(self, left_out: Index, gone: "Gone | None" = None) -> Matrix:
        """What the fit without some examples would say of those examples: left out × labels. `gone`: left out
        besides."""
        block, known = self.inverse[np.ix_(left_out, left_out)], self.coefficients[left_out]
        if gone is not None:
            across = self.inverse[np.ix_(left_out, gone.members)]
            block = np.asarray(block - across @ gone.inverse @ across.T, np.float32)
            known = np.asarray(known - across @ gone.missed, np.float32)
        # Inverted, because solving a handful of equations for a thousand labels takes LAPACK ten times as long.
        return np.asarray(self.targets[left_out] - np.linalg.inv(block) @ known, np.float32)

    def gone(self, members: Index) -> "Gone":
        inverse = np.asarray(np.linalg.inv(self.inverse[np.ix_(members, members)]), np.float32)
        return Gone(members, inverse, inverse @ self.coefficients[members])

    def says(self, kernel: Matrix, without: Index) -> Matrix:
        """What the fit without some examples would say of others: others × labels. `kernel`: others × examples."""
        missed = self.gone(without).missed
        return np.asarray(kernel @ self.coefficients - (kernel @ self.inverse[:, without]) @ missed, np.float32)

    def without_each(self, groups: Index) -> Matrix:
        """What is said of each example by the fit without its group: examples × labels."""
        said = np.empty_like(self.targets)
        for members in split(groups):
            said[members] = self.without(members)
        return said


@dataclass(frozen=True)
class Gone:
    """Examples that are left out together with others, again and again: what has to be known of them is found once."""

    members: Index
    inverse: Matrix
    """Of their part of `Ridge.inverse`."""
    missed: Matrix
    """members × labels: what is missed of them."""


def split(groups: Index) -> list[Index]:
    """The members of each group."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1) if len(groups) else []


def _inverse(matrix: Matrix) -> Matrix:
    """Of a symmetric positive definite matrix, by Cholesky."""
    try:
        half = _triangle(np.linalg.cholesky(matrix))
    except np.linalg.LinAlgError:
        raise Defect("The kernel of a library is not positive definite.") from None
    return np.asarray(half.T @ half, np.float32)


def _triangle(lower: Matrix) -> Matrix:
    """The inverse of a lower triangle. numpy has none; as quick as LAPACK's, and four times as quick as `inv`."""
    if len(lower) <= SMALL:
        return np.asarray(np.linalg.inv(lower), np.float32)
    half = len(lower) // 2
    inverse = np.zeros_like(lower)
    inverse[:half, :half] = _triangle(lower[:half, :half])
    inverse[half:, half:] = _triangle(lower[half:, half:])
    inverse[half:, :half] = -inverse[half:, half:] @ (lower[half:, :half] @ inverse[:half, :half])
    return inverse
