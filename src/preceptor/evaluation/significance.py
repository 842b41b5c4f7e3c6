"""Tests of whether a difference could be chance. Exact where that can be counted out; two-sided throughout."""

from collections.abc import Hashable, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from preceptor.evaluation.statistics import by_customer

DRAWS = 9999
COUNTED_OUT = 13
"""Customers who differ up to which all 2^n ways to flip are tried: no more than the draws made beyond."""
BATCH = 200
"""Draws made at a time: what stays in the processor's cache is drawn faster."""


def sign_flip(differences: Sequence[float], groups: Sequence[Hashable] | None = None, seed: int = 0) -> float:
    """p-value of paired differences, new minus old, if new and old could as well have been swapped.

    Fisher's randomisation test: under the null the sign of each customer's difference (summed over their rows where
    `groups` says whose each is) is a coin toss. All tosses are counted where at most `COUNTED_OUT` customers differ;
    beyond, `DRAWS` are drawn, and the data themselves count as one more, so that p is never 0 and the level is kept
    (Phipson & Smyth 2010, arXiv 1603.05766).
    """
    sums = by_customer(np.asarray(differences, dtype=np.float64), groups)
    differing = sums[sums != 0]  # a difference of 0 has no sign to flip
    if len(differing) < 2:  # one coin: either way it falls is as far from 0
        return 1.0
    if len(differing) <= COUNTED_OUT:
        exact = stats.permutation_test((differing,), np.sum, permutation_type="samples", n_resamples=DRAWS)
        return float(exact.pvalue)
    rng = np.random.default_rng(seed)

    def flipped(size: tuple[int, ...]) -> NDArray[np.float64]:
        return np.asarray(differing * (2 * rng.integers(0, 2, size, dtype=np.int8) - 1), dtype=np.float64)

    # permutation_test would draw these as well, ten times slower: it permutes pairs where a coin will do.
    return float(stats.monte_carlo_test(differing, flipped, np.sum, n_resamples=DRAWS, batch=BATCH).pvalue)


def mcnemar(pairs: Sequence[tuple[bool, bool]]) -> float:
    """p-value for paired yes-or-no outcomes: McNemar's test, exact (binomial on the pairs that disagree)."""
    gained = sum(new and not old for new, old in pairs)
    lost = sum(old and not new for new, old in pairs)
    return float(stats.binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """p-values adjusted for being several, in the order given: reject where one is at most the level.

    Holm (1979): the chance of any false "better" or "worse" among them stays at the level. statsmodels has it, and is
    a large package to take on for these lines; scipy has only false-discovery control, which promises less.
    """
    m = len(p_values)
    order = sorted(range(m), key=p_values.__getitem__)
    adjusted = accumulate((min(1.0, (m - rank) * p_values[at]) for rank, at in enumerate(order)), max)
    by_place = dict(zip(order, adjusted, strict=True))
    return tuple(by_place[at] for at in range(m))
