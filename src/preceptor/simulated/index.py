"""Nearest wordings: which label's texts a piece of text resembles most.

TF-IDF over word stems and pairs of neighbouring stems. A label's score is the cosine with its nearest wording, blended
with the share of the text's weight that the label's whole vocabulary explains: the first finds what was said before,
the second what is said anew. Misspelt words are read as the one vocabulary word a single slip away.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from preceptor.simulated.words import content, stem

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_PAIR = 0.5
"""Weight of a pair of neighbouring stems beside a single stem: order matters, but less than the words."""
_NEAREST = 0.4
"""Share of the nearest wording in a label's score; the rest is the label's whole vocabulary."""
_DOUBT = 3
"""Unknown words that every text is scored as if it held besides: a short text has to fit better than a long one. On the
shipped worlds this takes false finds in foreign agents' sentences (STAR) from 27-31 % to 6-7 % at the same recall."""
_CACHE = 16384


@dataclass(frozen=True)
class Entry:
    """A text under a label."""

    label: str
    text: str
    kind: str = ""
    """What sort of text it is, for whoever built the index."""
    wording: bool = True
    """Whether the text is one to be near to; otherwise it only adds to its label's vocabulary."""


@dataclass(frozen=True)
class Match:
    """A label and the nearest of its wordings."""

    label: str
    score: float
    """How well the label fits, 0…1, with doubt about short texts."""
    cosine: float
    """Likeness to the nearest wording, 0…1."""
    entry: Entry


class Index:
    """Texts under labels, searched by likeness. Answers are cached by text."""

    def __init__(self, entries: Iterable[Entry], ignored: frozenset[str] = frozenset()) -> None:
        """`ignored` words say nothing unless some entry has them (names, say, that stand for any name)."""
        self.entries = tuple(sorted(entries, key=lambda entry: (entry.label, not entry.wording)))
        words = [content(entry.text) for entry in self.entries]
        features = [_features([stem(word) for word in found]) for found in words]
        self._ids = {feature: place for place, feature in enumerate(sorted(set().union(*features)))}
        known = frozenset(word for found in words for word in found)
        self._ignored = ignored - known
        self._repair = Repair(known)
        self._labels = tuple(dict.fromkeys(entry.label for entry in self.entries))
        self._weigh(features)
        self._post(features)
        self.best = lru_cache(maxsize=_CACHE)(self._best)

    def _weigh(self, features: Sequence[frozenset[str]]) -> None:
        """How telling each feature is, and how usual it is with each label."""
        place = {label: number for number, label in enumerate(self._labels)}
        counts = np.zeros((len(self._ids), len(self._labels)))
        for entry, found in zip(self.entries, features, strict=True):
            counts[[self._ids[feature] for feature in found], place[entry.label]] += 1
        self._usual = counts / (counts + 1)
        self._weight = np.log1p(len(self._labels) / np.count_nonzero(counts, axis=1))
        self._weight[[place for feature, place in self._ids.items() if " " in feature]] *= _PAIR
        self._unknown = math.log1p(len(self._labels))

    def _post(self, features: Sequence[frozenset[str]]) -> None:
        """The wordings each feature occurs in, and where each label's wordings begin."""
        kept = [(entry, found) for entry, found in zip(self.entries, features, strict=True) if entry.wording]
        self._wordings = tuple(entry for entry, _ in kept)
        posts: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for number, (_, found) in enumerate(kept):
            ids = [self._ids[feature] for feature in sorted(found)]
            norm = float(np.linalg.norm(self._weight[ids])) or 1.0
            for id_ in ids:
                posts[id_].append((number, float(self._weight[id_]) / norm))
        self._posts = {id_: (np.array([n for n, _ in p]), np.array([w for _, w in p])) for id_, p in posts.items()}
        order = [self._labels.index(entry.label) for entry in self._wordings]
        self._starts = np.flatnonzero(np.diff(order, prepend=-1))

    def _best(self, text: str) -> tuple[Match, ...]:
        """The three labels that fit a text best, best first; none when no word of it is known."""
        found = _features([stem(self._repair(word)) for word in content(text) if word not in self._ignored])
        ids = np.array(sorted(self._ids[feature] for feature in found if feature in self._ids), dtype=np.int64)
        if not ids.size:
            return ()
        unknown = sum(1 for feature in found if feature not in self._ids and " " not in feature)
        total = float(self._weight[ids] @ self._weight[ids]) + unknown * self._unknown**2
        cosine = self._cosines(ids) / math.sqrt(total)
        nearest = np.maximum.reduceat(cosine, self._starts)
        coverage = (self._weight[ids] ** 2) @ self._usual[ids] / total
        evidence = total / (total + _DOUBT * self._unknown**2)
        score = evidence * (_NEAREST * nearest + (1 - _NEAREST) * coverage)
        return tuple(self._match(int(label), score, cosine) for label in np.argsort(-score, kind="stable")[:3])

    def _cosines(self, ids: Ints) -> Floats:
        """Dot products with every wording, before the text's own length is taken out."""
        posts = [(self._weight[id_], *self._posts[id_]) for id_ in ids.tolist() if id_ in self._posts]
        if not posts:
            return np.zeros(len(self._wordings))
        places = np.concatenate([place for _, place, _ in posts])
        weights = np.concatenate([weight * own for own, _, weight in posts])
        return np.bincount(places, weights, minlength=len(self._wordings)).astype(np.float64, copy=False)

    def _match(self, label: int, score: Floats, cosine: Floats) -> Match:
        end = self._starts[label + 1] if label + 1 < len(self._starts) else len(cosine)
        nearest = int(self._starts[label]) + int(np.argmax(cosine[self._starts[label] : end]))
        return Match(self._labels[label], float(score[label]), float(cosine[nearest]), self._wordings[nearest])


class Repair:
    """Reads a misspelt word as the one known word a slip away (a letter lost, added, changed, or two swapped).

    Two words are taken for one slip apart when leaving a letter out of each gives the same string.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._known = frozenset(words)
        self._near: dict[str, set[str]] = defaultdict(set)
        for word in self._known:
            for short in _shortened(word):
                self._near[short].add(word)
        self._cached = lru_cache(maxsize=_CACHE)(self._nearest)

    def __call__(self, word: str) -> str:
        return word if word in self._known else self._cached(word)

    def _nearest(self, word: str) -> str:
        votes = Counter(known for short in _shortened(word) for known in self._near.get(short, ()))
        if len(votes) == 1:
            return next(iter(votes))
        return word


def _shortened(word: str) -> Iterator[str]:
    if len(word) >= 4:
        yield word
        yield from {word[:place] + word[place + 1 :] for place in range(len(word))}


def _features(stems: Sequence[str]) -> frozenset[str]:
    return frozenset(stems) | {f"{one} {two}" for one, two in pairwise(stems)}
