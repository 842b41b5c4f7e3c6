"""The effect of teaching in production, as outcomes come in: two randomised arms, watched for as long as one likes.

Conversations cannot be paired by customer there, so each of the smaller arm is held against the mean of the latest few
of the larger. The differences lie between fixed bounds, come in the order in which they were told, and are the effect
on average, whatever else changes with time: just what `sequential.Watch` takes.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from preceptor.evaluation.sequential import Watch
from preceptor.evaluation.statistics import Interval

MOST = 10
"""Conversations of the larger arm beside one of the smaller, at most: ten leave a variance a tenth above the least."""


@dataclass(frozen=True)
class Effect:
    """One arm held against another."""

    difference: Interval
    """First minus second; `n` is the number of differences. May be looked at any time."""
    means: tuple[float, float]
    """Of each arm; nan for none."""
    counts: tuple[int, int]
    """Conversations of each."""


def effect(told: Iterable[tuple[bool, float]], low: float, high: float, chances: tuple[float, float]) -> Effect:
    """What one arm is worth over another.

    `told`: in the order in which it became known, whether the conversation was of the first arm, and its value between
    `low` and `high`. `chances`: of being drawn into the first arm and into the second.

    Raises:
        ValueError: a value is outside its bounds.
    """
    larger = chances[0] >= chances[1]
    beside = max(1, min(MOST, round(max(chances) / min(chances))))
    watch, few, many = Watch(low - high, high - low), deque[float](), deque[float](maxlen=beside)
    sums, counts = [0.0, 0.0], [0, 0]
    for first, value in told:
        sums[not first] += value
        counts[not first] += 1
        (many if first is larger else few).append(value)
        if few and len(many) == beside:
            difference = sum(many) / beside - few.popleft()
            many.clear()
            watch.add(difference if larger else -difference)
    means = tuple(total / count if count else float("nan") for total, count in zip(sums, counts, strict=True))
    return Effect(watch.interval, (means[0], means[1]), (counts[0], counts[1]))
