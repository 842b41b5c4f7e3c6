"""What was measured in several scenarios says something of each: a little where they differ, much where they agree.

The effects of one piece of advice in its scenarios are taken as drawn from one normal distribution whose mean and
spread are not known, and each is estimated with all the others in view (Gelman, Prior distributions for variance
parameters in hierarchical models, Bayesian Analysis 1(3), 2006). With the spread at nothing the scenarios would be one
heap, in which a scenario that loses hides behind one that wins; with no bound on it each would stand alone, and what
happens once in seven replies could be shown in none.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

SPREADS = np.linspace(0.0, 1.0, 41)
"""Standard deviations of the effect between scenarios, each as likely as the others beforehand. Effects lie between -1
and 1, so that none can be larger."""


def positive(scores: Sequence[Sequence[int]]) -> list[float]:
    """The chance that the effect is above 0 in each scenario, given what was measured in all of them.

    Args:
        scores: by scenario, the wins (1), losses (-1) and ties (0) measured there; none at all say nothing.
    """
    if not scores:
        return []
    means, variances = np.array([_moments(found) for found in scores]).T
    weights, chances = zip(*(_given(float(spread), means, variances) for spread in SPREADS), strict=True)
    evidence = np.exp(np.array(weights) - max(weights))
    return [float(chance) for chance in evidence @ np.array(chances) / evidence.sum()]


def _moments(scores: Sequence[int]) -> tuple[float, float]:
    """Mean and its variance with a win and a loss added, so that a few equal scores do not look certain."""
    n = len(scores) + 2
    mean = sum(scores) / n
    return mean, (sum(score * score for score in scores) + 2) / n / n - mean * mean / n


def _given(
    spread: float, means: NDArray[np.float64], variances: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Were the spread known: the log likelihood of what was measured, and each scenario's chance of an effect above 0.

    The common mean, of which nothing is known beforehand, is integrated out.
    """
    precision = 1 / (variances + spread * spread)
    common, doubt = precision @ means / precision.sum(), 1 / precision.sum()
    shrink = variances * precision
    centre = (1 - shrink) * means + shrink * common
    error = np.sqrt((1 - shrink) * variances + shrink * shrink * doubt)
    misfit = precision @ (means - common) ** 2
    return float(0.5 * (np.log(doubt) + np.log(precision).sum() - misfit)), ndtr(centre / error)
