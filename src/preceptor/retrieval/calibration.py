"""When to say nothing, and how sure to be: learned from the library's own contexts, left out."""

from dataclasses import dataclass

import numpy as np

from preceptor.retrieval.scoring import LeftOut
from preceptor.retrieval.sparse import Matrix

NEARER = 0.4
"""How often an unknown kind of context that is nearer to the library than any it was calibrated on gets past the
threshold. Measured on left-out tasks and intents: a quarter to a half."""
HALFWAY = 0.5
"""Between what a label's own contexts score (1) and foreign ones (0): the threshold before there is evidence."""
SIMULATED = 50
"""Real background contexts weigh against the left-out labels as their number to this."""
KEPT = 0.995
"""Share of the library's own contexts, left out, that the threshold keeps where foreign ones are too rare to matter:
what is less like the library than nearly all of its own is near nothing."""
_TEMPERATURES = np.array([0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.3], np.float32)


@dataclass(frozen=True)
class Calibration:
    threshold: float
    """Best score from which on a context is taken to belong to the library."""
    temperature: float
    """Divides scores before they are turned into probabilities."""


def calibrate(left_out: LeftOut, false_injections: float, foreign: float = 1.0) -> Calibration:
    """The threshold that lets through the chosen share of contexts that belong to no label, as far as can be known.

    `foreign`: the share of all contexts met that belong to no label. 1 bounds the rate among these; less bounds it
    among all contexts: `foreign` times the rate among these.
    """
    share = temperature(left_out)[0]
    if foreign >= 1:
        return Calibration(_threshold(left_out, false_injections), share)
    floor = float(np.quantile(left_out.known.max(axis=1), 1 - KEPT)) if left_out.known.size else HALFWAY
    if foreign <= false_injections:
        return Calibration(floor, share)
    return Calibration(max(floor, _threshold(left_out, false_injections / foreign)), share)


def probabilities(scores: Matrix, temperature: float) -> Matrix:
    """Softmax along the last axis."""
    raised = np.exp((scores - scores.max(axis=-1, keepdims=True)) / temperature)
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def _threshold(left_out: LeftOut, rate: float) -> float:
    heard = len(left_out.unknown)
    if not heard:
        return HALFWAY
    steps = np.unique(left_out.unknown)
    passing = _passing(left_out, steps, rate)
    # Above the highest score nothing passes.
    enough = np.flatnonzero(passing <= rate)
    level = float(steps[enough[0]]) if len(enough) else float(np.nextafter(steps[-1], np.float32(2)))
    # 1 / rate contexts are the fewest that can show the rate at all; the prior counts as many.
    prior = 1 / rate if rate > 0 else 0.0
    return (heard * level + prior * HALFWAY) / (heard + prior)


def _passing(left_out: LeftOut, steps: Matrix, rate: float) -> Matrix:
    """The share of unknown contexts expected to pass at each step: each label counts as one kind of unknown."""
    labels = np.unique(left_out.labels[left_out.labels >= 0])
    background = left_out.unknown[left_out.labels < 0]
    weight = len(background) / (len(background) + SIMULATED) if len(labels) else 1.0
    simulated = np.zeros(len(steps))
    if len(labels):
        shares = [_share_from(left_out.unknown[left_out.labels == label], steps) for label in labels]
        # The next unknown is nearer than all of these with odds of 1 in labels + 1; never more than two thirds.
        nearer = min(NEARER / (len(labels) + 1), rate * 2 / 3)
        simulated = np.sum(shares, axis=0) / (len(labels) + 1) + nearer
    return np.asarray(weight * _share_from(background, steps) + (1 - weight) * simulated, np.float32)


def _share_from(scores: Matrix, steps: Matrix) -> Matrix:
    """The share of scores at or above each step."""
    if not len(scores):
        return np.zeros(len(steps), np.float32)
    return np.asarray(1 - np.searchsorted(np.sort(scores), steps, side="left") / len(scores), np.float32)


def temperature(left_out: LeftOut) -> tuple[float, float]:
    """The one under which the true labels of left-out contexts are likeliest, and the log loss under it."""
    if not len(left_out.known):
        return float(_TEMPERATURES[len(_TEMPERATURES) // 2]), 0.0
    rows = np.arange(len(left_out.truth))
    losses = [
        -np.log(np.maximum(probabilities(left_out.known, float(t))[rows, left_out.truth], 1e-9)).mean()
        for t in _TEMPERATURES
    ]
    best = int(np.argmin(losses))
    return float(_TEMPERATURES[best]), float(losses[best])
