"""How much of what differs between conversations is the judge changing its mind."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from preceptor.evaluation.statistics import Array, Interval, resampled


def judge_share(repeats: Sequence[Sequence[float]], seed: int = 0) -> Interval:
    """The share of a single verdict's variance that is the judge's own noise: 0 (none) to 1 (nothing else).

    One-way random effects: a verdict is the conversation's worth plus noise, and the share is 1 - ICC(1) (Shrout &
    Fleiss 1979), by the ANOVA estimator for unequal numbers of repeats (Searle, Casella & McCulloch, Variance
    Components, 1992, section 3.6), kept within 0 to 1. Averaging r repeats divides the noise variance by r. The
    interval resamples conversations with all their repeats.

    Args:
        repeats: for each conversation the verdicts that were scored. One verdict alone still says how conversations
            differ. Where nothing was judged twice, or nothing differs, the share is not known.
    """
    rows = [np.asarray(row, dtype=np.float64) for row in repeats if len(row)]
    counts = np.array([len(row) for row in rows], dtype=np.float64)
    sums = np.array([row.sum() for row in rows])
    within = np.array([((row - row.mean()) ** 2).sum() for row in rows])
    return resampled((counts, sums, within), _share, seed)


def _share(counts: Array, sums: Array, within: Array, axis: int = -1) -> Any:
    """From each conversation's number of verdicts, their sum, and their squared distance from their mean."""
    total, rows = counts.sum(axis), counts.shape[axis]
    noise = within.sum(axis) / (total - rows)
    among = (sums**2 / counts).sum(axis) - sums.sum(axis) ** 2 / total
    repeats = (total - (counts**2).sum(axis) / total) / (rows - 1)
    worth = np.maximum(0, (among / (rows - 1) - noise) / repeats)
    return noise / (noise + worth)
