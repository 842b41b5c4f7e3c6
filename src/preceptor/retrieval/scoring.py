"""How strongly a context speaks for each label: by all examples while they are few, by its nearest beyond."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

import numpy as np

from preceptor.retrieval.features import Features, likeness, products
from preceptor.retrieval.kernel import Gone, Ridge, diagonal, kernel, split, targets
from preceptor.retrieval.known import Known
from preceptor.retrieval.search import Nearest, nearest
from preceptor.retrieval.sparse import Index, Matrix

TOGETHER = 5_000
"""Examples up to which one classifier is fitted to all: its time grows with their cube, about four seconds here."""
NEIGHBOURS = 256
"""Examples that decide beyond that."""
SAMPLE = 600
"""Contexts looked at to calibrate when each has to be scored on its own."""
CROWD = 64
"""Examples from which on a group counts as large."""
ALL = 1 << 20
"""Labels × examples up to which all labels are scored for every context: a twentieth of a millisecond."""
LIKELIEST = 32
"""Labels scored beyond that, those with the likest examples; the others score next to nothing and are taken to score 0.
Measured on contexts in words the library has not met: the likeliest of 52 labels is among them 98 times in a hundred,
of Banking77's 77 always."""


@dataclass(frozen=True)
class Scores:
    """What contexts say for the labels that are likeliest for each."""

    labels: Index
    """contexts × likeliest."""
    values: Matrix
    """contexts × likeliest: about 1 for a context like the label's, about 0 for one unlike."""
    count: int
    """Labels there are."""

    def spread(self) -> Matrix:
        """contexts × labels."""
        found = np.zeros((len(self.values), self.count), np.float32)
        np.put_along_axis(found, self.labels, self.values, axis=1)
        return found


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
    def score(self, contexts: Features) -> Scores:
        """How strongly contexts speak for labels."""


class Fit(Protocol):
    @property
    def scorer(self) -> Scorer:
        """What matching needs of it."""

    def left_out(self, groups: Index, real: Index) -> LeftOut:
        """`groups`: a conversation number per example; `real`: the examples that are contexts someone was in."""


def fit(examples: Features, labels: Index, groups: Index, count: int, seed: int) -> Fit:
    """`labels`: per example, −1 for background; `groups`: its conversation; `count`: how many labels there are."""
    if len(examples) <= TOGETHER:
        return Whole.fit(examples, labels, groups, count)
    return Local(examples, labels, count, nearest(examples), diagonal(labels, groups), seed)


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

    @cached_property
    def scorer(self) -> "Compiled":
        return Compiled.of(self.examples, self.labels, self.ridge.coefficients)

    def left_out(self, groups: Index, real: Index) -> LeftOut:
        said = self.ridge.without_each(groups)
        known, background = real[self.labels[real] >= 0], real[self.labels[real] < 0]
        unknown, labels = [_best(said[background])], [self.labels[background]]
        crowds = _Crowds(self.ridge, groups)
        for mine in split(self.labels):
            if self.labels[mine[0]] >= 0 and self.ridge.targets.shape[1] > 1:
                best = self._without_label(mine, crowds, real)
                unknown.append(best)
                labels.append(np.full(len(best), self.labels[mine[0]]))
        return LeftOut(said[known], self.labels[known], np.concatenate(unknown), np.concatenate(labels))

    def _without_label(self, mine: Index, crowds: "_Crowds", real: Index) -> Matrix:
        """The best other score of a label's contexts, without the label and without their conversations."""
        heard = np.intersect1d(mine, real)
        if not len(heard):
            return np.zeros(0, np.float32)
        together, gone = crowds.around(mine, heard)
        said = np.delete(self.ridge.without(together, gone), self.labels[mine[0]], axis=1)
        return _best(said[np.isin(together, heard)])


class _Crowds:
    """Who is left out together with a label. Large groups that many labels have a part in are reckoned with once."""

    def __init__(self, ridge: Ridge, groups: Index) -> None:
        self._ridge = ridge
        self._groups = groups
        self._members = dict(zip(np.unique(groups).tolist(), split(groups), strict=True))
        self._gone: dict[tuple[int, ...], Gone] = {}

    def around(self, mine: Index, heard: Index) -> tuple[Index, "Gone | None"]:
        """All of a label's examples and of their groups, in two parts; `heard` is in the first."""
        touched = np.unique(self._groups[mine]).tolist()
        asked = set(self._groups[heard].tolist())
        crowds = tuple(g for g in touched if g not in asked and len(self._members[g]) > CROWD)
        rest = [self._members[g] for g in touched if g not in crowds]
        if not crowds:
            return np.union1d(mine, np.concatenate(rest)), None
        if crowds not in self._gone:
            # Labels come one after the other, and neighbours seldom share what others do not: the latest is enough.
            self._gone = {crowds: self._ridge.gone(np.concatenate([self._members[g] for g in crowds]))}
        gone = self._gone[crowds]
        return np.setdiff1d(np.concatenate([mine, *rest]), gone.members), gone


@dataclass(frozen=True)
class Compiled:
    """What a classifier on all examples comes to: nothing but what scoring takes."""

    known: Known
    by_label: Matrix
    """labels × examples: coefficients of the kernel."""
    members: Index
    """The examples that have a label, label by label."""
    begins: Index
    """(labels,): where each label's are."""

    @classmethod
    def of(cls, examples: Features, labels: Index, coefficients: Matrix) -> "Compiled":
        known = Known.of(examples)
        mine = labels[known.order]
        members = np.argsort(mine, kind="stable")[np.count_nonzero(mine < 0) :]
        begins = np.searchsorted(mine[members], np.arange(coefficients.shape[1]))
        return cls(known, np.ascontiguousarray(coefficients[known.order].T), members, begins)

    def whole(self, contexts: Features) -> Matrix:
        """contexts × labels: the scores of all."""
        return products(kernel(self.known.alike(contexts)), self.by_label)

    def score(self, contexts: Features) -> Scores:
        alike = self.known.alike(contexts)
        near, count = kernel(alike), len(self.by_label)
        if near.shape[1] * count <= ALL or count <= LIKELIEST:
            return Scores(np.tile(np.arange(count), (len(alike), 1)), products(near, self.by_label), count)
        best = np.maximum.reduceat(alike[:, self.members], self.begins, axis=1)
        labels = np.sort(np.argpartition(best, -LIKELIEST, axis=1)[:, -LIKELIEST:], axis=1)
        values = [np.einsum("ij,j->i", self.by_label[mine], row) for mine, row in zip(labels, near, strict=True)]
        return Scores(labels, np.array(values, np.float32), count)


@dataclass(frozen=True)
class Local:
    """A ridge classifier on a context's nearest examples, fitted when asked."""

    examples: Features
    labels: Index
    count: int
    search: Nearest
    diagonal: Matrix
    seed: int

    @property
    def scorer(self) -> "Local":
        return self

    def score(self, contexts: Features) -> Scores:
        each = [self._score(contexts.rows(np.array([at])), _all) for at in range(len(contexts))]
        said = np.array(each, np.float32).reshape(len(contexts), self.count)
        most = min(LIKELIEST, self.count)
        labels = np.sort(np.argpartition(said, -most, axis=1)[:, -most:], axis=1)
        return Scores(labels, np.take_along_axis(said, labels, axis=1), self.count)

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
        return np.flatnonzero(groups[found] != groups[at])

    def _strangers(self, groups: Index, at: int, found: Index) -> Index:
        other = self._others(groups, at, found)
        return np.asarray(other[(self.labels[found[other]] != self.labels[at]) | (self.labels[at] < 0)])

    def _row(self, at: int) -> Features:
        return self.examples.rows(np.array([at]))

    def _score(self, context: Features, allow: Callable[[Index], Index]) -> Matrix:
        """`allow`: of examples, the places of those that may decide."""
        # Twice as many as needed, so that enough are left when some are not allowed.
        found, alike = self.search.find(context, 2 * NEIGHBOURS)
        allowed = allow(found)
        best = allowed[np.sort(np.argsort(-alike[allowed], kind="stable")[:NEIGHBOURS])]
        found, near = found[best], self.examples.rows(found[best])
        ridged = kernel(likeness(near, near)) + np.diag(self.diagonal[found])
        weights = np.linalg.solve(ridged, kernel(alike[best]))
        return np.asarray(weights @ targets(self.labels[found], self.count), np.float32)


def _best(scores: Matrix) -> Matrix:
    """The best of each row; a library without labels has none."""
    return np.asarray(scores.max(axis=1, initial=-np.inf))


def _all(found: Index) -> Index:
    return np.arange(len(found))
