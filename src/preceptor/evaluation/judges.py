"""A judge held against people: how well its ratings go along with theirs, beside what one of these people does and what
counting words does. Pure: no model is asked.

Intervals resample conversations, with all that anybody said of each. What is claimed of a judge rests on paired
differences: the judge and one person, each against the mean of the *other* people; the judge and the number of words.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from preceptor.evaluation import statistics
from preceptor.evaluation.rankings import Ordered, drawn, kappa, spearman
from preceptor.evaluation.statistics import Array, Interval, resampled
from preceptor.judging.baselines import BASELINES, brevity, words
from preceptor.judging.judge import CompareReplies
from preceptor.judging.ratings import Question, Rated
from preceptor.judging.verdicts import Rating, Unscored

LEAST = 10
"""Conversations somebody must have rated, beside somebody else, to be one of the people a judge is compared with."""
ALIKE = 0.1
"""Correlations that differ by less, with the whole interval, are about as good: Cohen's (1988) least effect."""
WORDS, COMMONEST = "fewer words", "always the commonest"
Pair = tuple[CompareReplies, CompareReplies]
"""What was said of two replies: with the one shown first, and with the other."""
Word = Literal["better", "about as well", "worse", "not decided"]


@dataclass(frozen=True)
class Agreement:
    """How often two say the same of a conversation."""

    exact: Interval
    near: Interval | None
    """At most one step of the scale apart; None where there are two steps."""
    kappa: Interval
    """Cohen's, with quadratic weights: 1 always, 0 as often as by chance."""


@dataclass(frozen=True)
class Row:
    """A judge."""

    name: str
    unscored: int
    reasons: Mapping[str, int]
    spearman: Interval | None
    """With the people's mean; None where the judge says the same of all, or nothing."""
    against_person: Interval | None
    """Its correlation with the mean of the others less one person's: medians over people. None: one rater only."""
    against_words: Interval | None
    """Its correlation with the people's mean less that of `fewer words`; None for that itself."""
    agreement: Agreement | None
    """With one person, averaged over them; None for what is on no scale."""
    length: Interval | None
    """Its correlation with how much the agent said among conversations that people liked as much (partial): above 0 it
    favours agents that talk more."""


@dataclass(frozen=True)
class Held:
    """Judges held against people's answers to one question."""

    question: Question
    conversations: int
    raters: int
    person: Interval | None
    """One person's correlation with the mean of the others, median over people."""
    agreement: Agreement | None
    """Of one person with another, averaged over all pairs."""
    rows: tuple[Row, ...]
    """The judge first, if one was asked; none where nobody rated anything."""


@dataclass(frozen=True)
class Places:
    """Whether it matters to a judge which of two replies is shown first."""

    pairs: int
    unscored: int
    changed: Interval | None
    """Share of pairs of which something else was said when they changed places."""
    first: Interval | None
    """How far it leans to the reply shown first, -1 to 1: verdicts for the first less those for the second."""


@dataclass(frozen=True)
class Verdicts:
    """What a judge said."""

    name: str
    ratings: tuple[Rating | Unscored, ...]
    """One for each conversation."""
    pairs: tuple[Pair | Unscored, ...] = ()


def hold(question: Question, rated: Sequence[Rated], judge: Verdicts | None = None, seed: int = 0) -> Held:
    """Hold a judge, and the baselines, against what people said to a question. Conversations nobody rated are left out;
    where that is all of them, nobody is held against anything.

    Raises:
        ValueError: `judge` has another number of ratings than there are conversations.
    """
    said = judge.ratings if judge else (None,) * len(rated)
    both = [(one, rating) for one, rating in zip(rated, said, strict=True) if one.ratings.get(question.name)]
    if not both:
        return Held(question, 0, 0, None, None, ())
    people = _People(question, [one for one, _ in both], seed)
    rows = [people.row(judge.name, _said(question, both), _reasons(both), scaled=True)] if judge else []
    for name, baseline in BASELINES.items():
        rows.append(people.row(name, [baseline(one.conversation) for one, _ in both]))
    rows.append(people.row(COMMONEST, [people.commonest] * len(both), scaled=True))
    return Held(question, len(both), len(people.raters), people.person, people.among, tuple(rows))


def places(judge: Verdicts) -> Places:
    """What changing places does to a judge's verdicts on pairs of replies."""
    scored = [pair for pair in judge.pairs if not isinstance(pair, Unscored)]
    changed = sum(_moved(pair) for pair in scored)
    leans = [sum({"first": 0.5, "second": -0.5, "tie": 0.0}[said.better] for said in pair) for pair in scored]
    return Places(
        len(judge.pairs),
        len(judge.pairs) - len(scored),
        statistics.rate(changed, len(scored)) if scored else None,
        statistics.mean(leans) if scored else None,
    )


def word(difference: Interval) -> Word:
    """What the difference of two correlations comes to."""
    if difference.low > 0:
        return "better"
    if difference.high < 0:
        return "worse" if difference.low < -ALIKE else "about as well"
    return "about as well" if max(-difference.low, difference.high) < ALIKE else "not decided"


def _moved(pair: Pair) -> bool:
    """The same reply won, or neither did, if the verdicts mirror each other."""
    mirrored = {"first": "second", "second": "first", "tie": "tie"}
    return pair[1].better != mirrored[pair[0].better]


def _said(question: Question, both: Sequence[tuple[Rated, Rating | Unscored | None]]) -> list[float]:
    return [question.said(rating) if isinstance(rating, Rating) else math.nan for _, rating in both]


def _reasons(both: Sequence[tuple[Rated, Rating | Unscored | None]]) -> dict[str, int]:
    return dict(Counter(rating.reason for _, rating in both if isinstance(rating, Unscored)).most_common())


class _People:
    """What people said to a question, of shape (conversations,) for each of them; not a number where they did not."""

    def __init__(self, question: Question, rated: Sequence[Rated], seed: int) -> None:
        self._question, self._rated, self._seed = question, rated, seed
        self.raters = tuple(dict.fromkeys(rater for one in rated for rater in one.ratings[question.name]))
        self._by_rater = [
            np.array([one.ratings[question.name].get(rater, math.nan) for one in rated]) for rater in self.raters
        ]
        table = np.array(self._by_rater)
        self._sum, self._count = np.nansum(table, axis=0), np.isfinite(table).sum(axis=0)
        self._mean = Ordered.of(self._sum / self._count)
        self._fewer = Ordered.of([brevity(one.conversation) for one in rated])
        self._talk = Ordered.of([float(words(one.conversation, "agent")) for one in rated])

    def row(
        self, name: str, values: Sequence[float], reasons: Mapping[str, int] | None = None, *, scaled: bool = False
    ) -> Row:
        """`scaled`: its values are on a judge's scale, so that it can be asked how often they are people's too."""
        mine, reasons = Ordered.of(values), reasons or {}
        tells = self._varies(mine)
        return Row(
            name,
            sum(reasons.values()),
            reasons,
            self._interval(lambda w: _told(mine, self._mean, w)) if tells else None,
            self._interval(lambda w: self._in_place(mine, w) - self._persons(w)) if tells and self._others else None,
            self._interval(lambda w: self._beyond_words(mine, w)) if tells and name != WORDS else None,
            self._agreement(np.asarray(values)) if scaled and mine.known.any() else None,
            self._interval(lambda w: self._beside(mine, w)) if tells else None,
        )

    def _varies(self, judge: Ordered) -> bool:
        """It does not say the same of all: only then there is an order to hold against people's."""
        return bool(np.unique(judge.tie[judge.known > 0]).size > 1)

    @cached_property
    def person(self) -> Interval | None:
        return self._interval(self._persons) if self._others else None

    @property
    def commonest(self) -> float:
        """What people said most often, on a judge's scale."""
        said, counts = np.unique(np.concatenate([one[np.isfinite(one)] for one in self._steps]), return_counts=True)
        step = float(said[counts.argmax()])
        if self._question.binary:
            return step
        return 1 + 4 * (step - self._question.low) / (self._question.high - self._question.low)

    @cached_property
    def among(self) -> Agreement | None:
        """Of one with another."""
        pairs = [(a, b) for place, a in enumerate(self._steps) for b in self._steps[:place] if _together(a, b) >= LEAST]
        return self._agreed(pairs) if pairs else None

    @cached_property
    def _steps(self) -> list[Array]:
        """What each person said, in steps; where a judge says yes or no, whether it is above the scale's middle."""
        if not self._question.binary:
            return self._by_rater
        middle = (self._question.low + self._question.high) / 2
        return [np.where(np.isfinite(one), (one > middle).astype(np.float64), math.nan) for one in self._by_rater]

    @cached_property
    def _others(self) -> list[tuple[Ordered, Ordered]]:
        """Each person who did not say the same of all, with the mean of the others, where there were any."""
        found = []
        for one in self._by_rater:
            with np.errstate(divide="ignore", invalid="ignore"):
                rest = np.where(self._count > 1, (self._sum - one) / (self._count - 1), math.nan)
            mine, others = Ordered.of(one), Ordered.of(rest)
            if others.known.sum() >= LEAST and self._varies(mine) and self._varies(others):
                found.append((mine, others))
        return found

    def _persons(self, weights: Array) -> Array:
        return _median([_told(one, rest, weights) for one, rest in self._others])

    def _in_place(self, judge: Ordered, weights: Array) -> Array:
        """The judge's correlation with what the others said, in each person's place."""
        return _median([_told(judge, rest, weights) for _, rest in self._others])

    def _beyond_words(self, judge: Ordered, weights: Array) -> Array:
        known = weights * judge.known
        return _told(judge, self._mean, known) - spearman(self._fewer, self._mean, known)

    def _beside(self, judge: Ordered, weights: Array) -> Array:
        """Partial rank correlation of the judge with how much the agent said, given the people's mean."""
        known = weights * judge.known
        whole, mine = _told(judge, self._talk, known), _told(judge, self._mean, known)
        theirs = spearman(self._talk, self._mean, known)
        return np.asarray((whole - mine * theirs) / np.sqrt((1 - mine**2) * (1 - theirs**2)))

    def _agreement(self, values: Array) -> Agreement:
        """Of a judge with one person."""
        return self._agreed([(self._to_steps(values), one) for one in self._steps])

    def _to_steps(self, values: Array) -> Array:
        if self._question.binary:
            return values
        low, high = self._question.low, self._question.high
        return np.asarray(np.round(low + (values - 1) / 4 * (high - low)))

    def _agreed(self, pairs: Sequence[tuple[Array, Array]]) -> Agreement:
        apart = np.array([np.abs(a - b) for a, b in pairs])
        return Agreement(
            self._share(apart == 0, apart),
            None if self._question.binary else self._share(apart <= 1, apart),
            self._interval(lambda w: np.mean([np.nan_to_num(kappa(a, b, w)) for a, b in pairs], axis=0))
            or Interval(math.nan, -math.inf, math.inf, len(self._rated)),
        )

    def _share(self, same: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], apart: Array) -> Interval:
        """Mean over conversations of the share of pairs."""
        known = np.isfinite(apart)
        rows = [same[known[:, n], n].mean() for n in range(apart.shape[1]) if known[:, n].any()]
        if set(rows) <= {0.0, 1.0}:
            return statistics.rate(int(sum(rows)), len(rows))
        return statistics.mean(rows, seed=self._seed)

    def _interval(self, statistic: Callable[[Array], Array]) -> Interval | None:
        """Of a statistic of how often each conversation was drawn; None where it has no value."""
        size = len(self._rated)

        def of(index: Array, axis: int = -1) -> Array:
            return np.asarray(statistic(drawn(index, size)).reshape(np.shape(index)[:-1]))

        with np.errstate(divide="ignore", invalid="ignore"):
            if size < 2 or not np.isfinite(statistic(np.ones((1, size)))).all():
                return None
            return resampled((np.arange(size, dtype=np.float64),), of, self._seed)


def _told(judge: Ordered, other: Ordered, weights: Array) -> Array:
    """Spearman's correlation, 0 in resamples of which somebody says the same throughout: that tells nothing."""
    return np.nan_to_num(spearman(judge, other, weights))


def _median(rows: Sequence[Array]) -> Array:
    return np.asarray(np.median(rows, axis=0))


def _together(a: Array, b: Array) -> int:
    return int((np.isfinite(a) & np.isfinite(b)).sum())
