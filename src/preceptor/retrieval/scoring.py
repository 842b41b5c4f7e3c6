"""How strongly a context speaks for each label: by all examples while they are few, by its nearest beyond."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import scipy.linalg

from preceptor.retrieval.features import Features, Matrix, likeness, products
from preceptor.retrieval.kernel import Index, Ridge, diagonal, kernel, split, targets
from preceptor.retrieval.search import Nearest, nearest

TOGETHER = 3_000
"""Examples up to which one classifier is fitted to all: its time grows with their cube, about a second here."""
NEIGHBOURS = 256
"""Examples that decide beyond that."""
SAMPLE = 600
"""Contexts looked at to calibrate when each has to be scored on its own."""


@dataclass(frozen=True)
class LeftOut:
    """What is said of library contexts by the same method without them; calibration learns from it."""

    known: Matrix
    """contexts × labels: with the context's conversation left out."""
    truth: Index
    """Their labels."""
    unknown: Matrix
    """The best score of contexts whose own label was left out as well."""
    labels: Index
    """The labels left out, one per entry of `unknown`; −1 for background."""


class Scorer(Protocol):
    def score(self, contexts: Features) -> Matrix:
        """contexts × labels: about 1 for a context like the label's, about 0 for one unlike."""

    def left_out(self, groups: Index, real: Index) -> LeftOut:
        """`groups`: a conversation number per example; `real`: the examples that are contexts someone was in."""


def scorer(examples: Features, labels: Index, groups: Index, count: int, seed: int) -> Scorer:
    """`labels`: per example, −1 for background; `groups`: its conversation; `count`: how many labels there are."""
    if len(examples) <= TOGETHER:
        return Whole.fit(examples, labels, groups, count)
    return Local(examples, labels, count, nearest(examples.dense), diagonal(labels, groups), seed)


@dataclass(frozen=True)
class Whole:
    """One ridge classifier on all examples."""

    examples: Features
    labels: Index
    ridge: Ridge

    @classmethod
    def fit(cls, examples: Features, labels: Index, groups: Index, count: int) -> "Whole":
        alike = likeness(examples, examples)
        ridge = Ridge.fit(kernel(alike), targets(labels, count), diagonal(labels, groups))
        return cls(examples, labels, ridge)

    def score(self, contexts: Features) -> Matrix:
        return products(kernel(likeness(contexts, self.examples)), self.ridge.by_label)

    def left_out(self, groups: Index, real: Index) -> LeftOut:
        said = self.ridge.without_each(groups)
        known, background = real[self.labels[real] >= 0], real[self.labels[real] < 0]
        unknown, labels = [_best(said[background])], [self.labels[background]]
        for mine in split(self.labels):
            if self.labels[mine[0]] >= 0 and self.ridge.targets.shape[1] > 1:
                best = self._without_label(mine, groups, real)
                unknown.append(best)
                labels.append(np.full(len(best), self.labels[mine[0]]))
        return LeftOut(said[known], self.labels[known], np.concatenate(unknown), np.concatenate(labels))

    def _without_label(self, mine: Index, groups: Index, real: Index) -> Matrix:
        """The best other score of a label's contexts, without the label and without their conversations."""
        together = np.union1d(mine, np.flatnonzero(np.isin(groups, groups[mine])))
        said = np.delete(self.ridge.without(together), self.labels[mine[0]], axis=1)
        return _best(said[np.isin(together, np.intersect1d(mine, real))])


@dataclass(frozen=True)
class Local:
    """A ridge classifier on a context's nearest examples, fitted when asked."""

    examples: Features
    labels: Index
    count: int
    search: Nearest
    diagonal: Matrix
    seed: int

    def score(self, contexts: Features) -> Matrix:
        each = [self._score(contexts.rows(np.array([at])), lambda found: found) for at in range(len(contexts))]
        return np.array(each, np.float32).reshape(len(contexts), self.count)

    def left_out(self, groups: Index, real: Index) -> LeftOut:
        chosen = np.sort(np.random.default_rng(self.seed).permutation(real)[:SAMPLE])
        apart = [self._score(self._row(at), partial(self._others, groups, at)) for at in chosen]
        strange = [self._score(self._row(at), partial(self._strangers, groups, at)) for at in chosen]
        known = self.labels[chosen] >= 0
        return LeftOut(
            np.array(apart)[known],
            self.labels[chosen][known],
            _best(np.array(strange)),
            self.labels[chosen],
        )

    def _others(self, groups: Index, at: int, found: Index) -> Index:
        return np.asarray(found[groups[found] != groups[at]])

    def _strangers(self, groups: Index, at: int, found: Index) -> Index:
        other = self._others(groups, at, found)
        return np.asarray(other[(self.labels[other] != self.labels[at]) | (self.labels[at] < 0)])

    def _row(self, at: int) -> Features:
        return self.examples.rows(np.array([at]))

    def _score(self, context: Features, allow: Callable[[Index], Index]) -> Matrix:
        # Twice as many as needed, so that enough are left when some are not allowed.
        found = allow(self.search.find(context.dense[0], 2 * NEIGHBOURS))
        near = self.examples.rows(found)
        alike = likeness(context, near)[0]
        best = np.sort(np.argsort(-alike, kind="stable")[:NEIGHBOURS])
        near = near.rows(best)
        ridged = kernel(likeness(near, near)) + np.diag(self.diagonal[found[best]])
        weights = scipy.linalg.solve(ridged, kernel(alike[best]), assume_a="pos")
        return np.asarray(weights @ targets(self.labels[found[best]], self.count), np.float32)


def _best(scores: Matrix) -> Matrix:
    """The best of each row; a library without labels has none."""
    return np.asarray(scores.max(axis=1, initial=-np.inf))
