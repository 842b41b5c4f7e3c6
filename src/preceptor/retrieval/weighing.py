"""How much each window and each kind of evidence counts in a library: learned from its own contexts, left out.

In some libraries the whole conversation tells the label, in others the customer's last words; some repeat set phrases,
others never say a thing twice in the same words. A few coarse choices are compared. The even one stands unless another
is better beyond chance, and every one keeps a part for the short windows, because a library does not show how its
customers change the subject. What came before counts where it helps.
"""

from dataclasses import replace
from itertools import product

import numpy as np

from preceptor.retrieval.calibration import probabilities, temperature
from preceptor.retrieval.features import Views, Weights
from preceptor.retrieval.groups import apart
from preceptor.retrieval.history import learned
from preceptor.retrieval.kernel import split
from preceptor.retrieval.scoring import LeftOut, Whole
from preceptor.retrieval.sparse import Index, Matrix

SAMPLE = 800
"""Contexts looked at, as whole conversations: enough to tell the choices apart, a few hundredths of a second each."""
FEWEST = 10
"""Groups left out from which on their standard error says something."""
EVEN = (0.33, 0.33, 0.34)
WHOLE = (0.1, 0.15, 0.75)
LAST = (0.7, 0.15, 0.15)
CHOICES = tuple(Weights(windows, lexical) for windows, lexical in product((EVEN, WHOLE, LAST), (0.3, 0.6)))
WORDS = tuple(Weights(windows, 1.0) for windows in (EVEN, WHOLE, LAST))
"""Where there are no vectors."""


def weigh(views: Views, before: Views | None, labels: Index, groups: Index, count: int, seed: int) -> Weights:
    """The first of the choices, or the one under which most left-out conversations find their labels.

    `before`: the earlier contexts, if they may be looked at; `labels`: per context, −1 for none; `groups`: its
    conversation; `count`: of labels.
    """
    sample = _sample(groups, seed)
    choices = CHOICES if views.dense[0].shape[1] else WORDS
    some, truth, together = views.rows(sample), labels[sample], groups[sample]
    if len(np.unique(truth[truth >= 0])) < 2:
        return choices[0]
    wrong = [_wrong(Whole.fit(some.weighted(c), truth, together, count), truth, together) for c in choices]
    gains = [_gain(wrong[0], other) for other in wrong]
    best = int(np.argmax(gains)) if max(gains) > 0 else 0
    return _with_before(some, before and before.rows(sample), choices[best], truth, together, count)


def _with_before(
    views: Views, before: Views | None, weights: Weights, labels: Index, groups: Index, count: int
) -> Weights:
    """The weights, with what came before where it lowers the log loss of contexts left out with their twins: it tells
    most about wordings nobody has met, and more often makes the right label likelier than it makes it first."""
    known = np.flatnonzero(labels >= 0)
    later = known[views.opening[known] == 0]
    if not 0 < len(later) < len(known):
        return weights
    strangers = apart(groups, views, weights)
    opening = replace(weights, opening=True)
    plain, features = Whole.fit(views.weighted(weights), labels, groups, count), views.weighted(opening)
    aware = Whole.fit(features, labels, groups, count)
    if _less(plain, aware, labels, strangers, known) <= 0:
        return weights
    if before is None:
        return opening
    said = learned(aware.ridge, features, before.weighted(opening), strangers, views.opening)
    informed = Whole.fit(features.after(said), labels, groups, count)
    # Two standard errors, because it costs a second fit and, where subjects never change, a point at second turns.
    return replace(opening, history=_less(aware, informed, labels, strangers, later, errors=2) > 0)


def _less(first: Whole, other: Whole, labels: Index, groups: Index, asked: Index, errors: float = 1) -> float:
    """How much lower the other's log loss is, group by group; see `_gain`."""
    losses = [_losses(fitted, labels, groups, asked) for fitted in (first, other)]
    means = [np.array([some[members].mean() for members in split(groups[asked])], np.float32) for some in losses]
    # What is left when nearly all are twins of each other shows nothing.
    return _gain(means[0], means[1], errors) if len(means[0]) >= FEWEST else 0.0


def _losses(fitted: Whole, labels: Index, groups: Index, asked: Index) -> Matrix:
    """(asked,): the log loss of each context left out with its group."""
    said = fitted.ridge.without_each(groups)[asked]
    share = temperature(LeftOut(said, labels[asked], np.zeros(0, np.float32), np.zeros(0, np.intp)))[0]
    right = probabilities(said, share)[np.arange(len(asked)), labels[asked]]
    return np.asarray(-np.log(np.maximum(right, 1e-6)), np.float32)


def _sample(groups: Index, seed: int) -> Index:
    if len(groups) <= SAMPLE:
        return np.arange(len(groups))
    members = split(groups)
    order = np.random.default_rng(seed).permutation(len(members))
    sizes = np.cumsum([len(members[at]) for at in order])
    chosen = [members[at] for at, size in zip(order, sizes, strict=True) if size <= SAMPLE]
    return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.intp)


def _wrong(fitted: Whole, labels: Index, groups: Index) -> Matrix:
    """(conversations,): the share of each one's contexts that, left out, are given another label."""
    said = fitted.ridge.without_each(groups)
    known = np.flatnonzero(labels >= 0)
    wrong = (said[known].argmax(axis=1) != labels[known]).astype(np.float32)
    return np.array([wrong[members].mean() for members in split(groups[known])], np.float32)


def _gain(first: Matrix, other: Matrix, errors: float = 1) -> float:
    """How much less the other loses, less so many standard errors."""
    gains = first - other
    return float(gains.mean() - errors * gains.std() / np.sqrt(len(gains)))
