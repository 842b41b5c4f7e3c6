"""Which label a context belongs to, learned from examples, and whether it belongs to any."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from preceptor.dialogue.conversation import Turn
from preceptor.retrieval.embedding import Embedder
from preceptor.retrieval.features import Features, Matrix, Vocabulary, read_contexts
from preceptor.retrieval.kernel import Ridge, Weights, kernel, likeness
from preceptor.retrieval.windows import Reader, spoken

OPENING_WORDS = 8
"""Contexts whose first words agree are taken to come from one conversation; a greeting alone is too short to tell."""
PROFILES = ((1 / 3, 1 / 3, 1 / 3), (0.15, 0.25, 0.6), (0.6, 0.25, 0.15), (0.9, 0.05, 0.05))


@dataclass(frozen=True)
class Example:
    """A context known to belong to a label."""

    turns: tuple[Turn, ...]
    label: str


@dataclass(frozen=True)
class Match:
    """What was made of a context."""

    ranked: tuple[tuple[str, float], ...]
    """(label, probability if it is one of the library's), likeliest first."""
    confidence: float
    """That the context belongs to any label; comparable with the threshold only."""
    threshold: float

    @property
    def abstained(self) -> bool:
        """Nothing in the library is near enough."""
        return self.confidence < self.threshold


@dataclass(frozen=True)
class Matcher:
    labels: tuple[str, ...]
    reader: Reader
    vocabulary: Vocabulary
    examples: Features
    weights: Weights
    coefficients: Matrix
    temperature: float
    threshold: float

    @classmethod
    def fit(
        cls,
        examples: Sequence[Example],
        embedder: Embedder,
        false_injections: float = 0.05,
        seed: int = 0,
        background: Sequence[Sequence[Turn]] = (),
    ) -> "Matcher":
        labels = tuple(sorted({example.label for example in examples}))
        place = {label: index for index, label in enumerate(labels)}
        reader = Reader(embedder)
        contexts = [*(e.turns for e in examples), *background]
        features, vocabulary = read_contexts(contexts, reader)
        y = np.array([place[e.label] for e in examples] + [-1] * len(background), np.intp)
        groups = conversations(contexts)
        weights = Weights(PROFILES[0])
        ridge = Ridge.fit(kernel(likeness(features, features, weights)), y, len(labels))
        threshold = _threshold(ridge, y, groups, false_injections)
        return cls(labels, reader, vocabulary, features, weights, ridge.coefficients, 0.1, threshold)

    def match(self, turns: Sequence[Turn]) -> Match:
        """The labels of a context, likeliest first, and whether it belongs to any."""
        if not self.labels:
            return Match((), 0.0, self.threshold)
        features, _ = read_contexts([turns], self.reader, self.vocabulary)
        scores = kernel(likeness(features, self.examples, self.weights))[0] @ self.coefficients
        shares = np.exp((scores - scores.max()) / self.temperature)
        shares /= shares.sum()
        order = np.argsort(-shares, kind="stable")
        ranked = tuple((self.labels[index], float(shares[index])) for index in order)
        return Match(ranked, float(scores.max()), self.threshold)


def _threshold(ridge: Ridge, y: NDArray[np.intp], groups: NDArray[np.intp], rate: float) -> float:
    unknown = []
    for label in range(ridge.targets.shape[1]):
        mine = np.flatnonzero(y == label)
        together = np.flatnonzero(np.isin(groups, groups[mine]))
        said = np.delete(ridge.without(together), label, axis=1)
        if said.shape[1]:
            unknown.extend(said[np.isin(together, mine)].max(axis=1))
    return float(np.quantile(unknown, 1 - rate)) if unknown else 0.5


def conversations(contexts: Sequence[Sequence[Turn]]) -> NDArray[np.intp]:
    """A number per context, equal where they seem to come from one conversation."""
    seen: dict[tuple[str, ...], int] = {}
    return np.array([seen.setdefault(_opening(context), len(seen)) for context in contexts], np.intp)


def _opening(context: Sequence[Turn]) -> tuple[str, ...]:
    texts = [turn.text for turn in spoken(context)]
    lengths = list(accumulate(len(text.split()) for text in texts))
    enough = next((index for index, length in enumerate(lengths) if length >= OPENING_WORDS), len(texts))
    return tuple(texts[: enough + 1])
