"""How much each window and each kind of evidence counts in a library: learned from its own contexts, left out.

In some libraries the whole conversation tells the label, in others the customer's last words; some repeat set phrases,
others never say a thing twice in the same words. A few coarse choices are compared. The even one stands unless another
is better beyond chance, and every one keeps a part for the short windows, because a library does not show how its
customers change the subject.
"""

from itertools import product

import numpy as np

from preceptor.retrieval.features import Features, Matrix, Views, Weights, likeness
from preceptor.retrieval.kernel import Index, Ridge, diagonal, kernel, split, targets

SAMPLE = 800
"""Contexts looked at, as whole conversations: enough to tell the choices apart, a few hundredths of a second each."""
EVEN = (0.33, 0.33, 0.34)
WHOLE = (0.1, 0.15, 0.75)
LAST = (0.7, 0.15, 0.15)
CHOICES = tuple(Weights(windows, lexical) for windows, lexical in product((EVEN, WHOLE, LAST), (0.3, 0.6)))


def weigh(views: Views, labels: Index, groups: Index, count: int, seed: int) -> Weights:
    """The first of `CHOICES`, or the one under which most left-out conversations find their labels.

    `labels`: per context, −1 for none; `groups`: its conversation; `count`: of labels.
    """
    sample = _sample(groups, seed)
    some, truth = views.rows(sample), labels[sample]
    if len(np.unique(truth[truth >= 0])) < 2:
        return CHOICES[0]
    wrong = [_wrong(some.weighted(choice), truth, groups[sample], count) for choice in CHOICES]
    gains = [_gain(wrong[0], other) for other in wrong]
    best = int(np.argmax(gains))
    return CHOICES[best] if gains[best] > 0 else CHOICES[0]


def _sample(groups: Index, seed: int) -> Index:
    members = split(groups)
    order = np.random.default_rng(seed).permutation(len(members))
    sizes = np.cumsum([len(members[at]) for at in order])
    chosen = [members[at] for at, size in zip(order, sizes, strict=True) if size <= SAMPLE]
    return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.intp)


def _wrong(features: Features, labels: Index, groups: Index, count: int) -> Matrix:
    """(conversations,): the share of each one's contexts that, left out, are given another label."""
    alike = likeness(features, features)
    said = Ridge.fit(kernel(alike), targets(labels, count), diagonal(labels)).without_each(groups)
    known = np.flatnonzero(labels >= 0)
    wrong = (said[known].argmax(axis=1) != labels[known]).astype(np.float32)
    return np.array([wrong[members].mean() for members in split(groups[known])], np.float32)


def _gain(first: Matrix, other: Matrix) -> float:
    """How many fewer of the other's are wrong, less one standard error."""
    gains = first - other
    return float(gains.mean() - gains.std() / np.sqrt(len(gains)))
