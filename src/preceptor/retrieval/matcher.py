"""Which label a context belongs to, learned from examples, and whether it belongs to any."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from preceptor.dialogue.conversation import Turn
from preceptor.errors import UserError
from preceptor.retrieval.calibration import Calibration, calibrate, probabilities
from preceptor.retrieval.embedding import Embedder
from preceptor.retrieval.features import Features, Matrix, Vocabulary, Weights, likeness, read_contexts
from preceptor.retrieval.kernel import Index
from preceptor.retrieval.scoring import TOGETHER, Scorer, scorer
from preceptor.retrieval.weighing import weigh
from preceptor.retrieval.windows import Reader, spoken

OPENING_WORDS = 8
"""Contexts whose first words agree are taken to come from one conversation; a greeting alone is too short to tell."""

TWINS = 0.7
"""Likeness in words alone, which means the same for every embedder, from which two contexts are taken for the same
wording, names and typing errors apart."""


@dataclass(frozen=True)
class Example:
    """A context known to belong to a label."""

    turns: tuple[Turn, ...]
    label: str


@dataclass(frozen=True)
class Match:
    """What was made of a context."""

    ranked: tuple[tuple[str, float], ...]
    """(label, probability if it is one of these), likeliest first."""
    confidence: float
    """The best label's score: about 1 for contexts like its examples, about 0 for unlike."""
    threshold: float
    """The confidence from which on a context is taken to belong to a label; of this library and this embedder."""

    @property
    def abstained(self) -> bool:
        """Nothing is near enough."""
        return not self.ranked or self.confidence < self.threshold


@dataclass(frozen=True)
class Matcher:
    """Made by `fit`. Deterministic: the same examples, embedder and seed give the same matches.

    Not for use by several threads at once: it remembers the turns it has read.
    """

    labels: tuple[str, ...]
    embedder_id: str
    weights: Weights
    calibration: Calibration
    _scorer: Scorer
    _reader: Reader
    _vocabulary: Vocabulary

    @classmethod
    def fit(
        cls,
        examples: Sequence[Example],
        embedder: Embedder,
        false_injections: float = 0.05,
        seed: int = 0,
        background: Sequence[Sequence[Turn]] = (),
        descriptions: Mapping[str, str] | None = None,
        weights: Weights | None = None,
        foreign: float = 1.0,
    ) -> "Matcher":
        """Learn labels from examples.

        `background`: contexts known to belong to no label. `descriptions`: what each label is about, by label; a label
        may have a description and no example. `weights`: of the evidence; learned from the examples if not given.
        `foreign`: see `calibrate`.

        Raises:
            UserError: `false_injections` is not a share below 1.
            ProviderError: from the embedder.
        """
        if not 0 <= false_injections < 1:
            raise UserError(f"false_injections = {false_injections!r} is not a share; give one from 0 to below 1.")
        described = descriptions or {}
        labels = tuple(sorted({example.label for example in examples} | set(described)))
        place = {label: index for index, label in enumerate(labels)}
        contexts = [*(e.turns for e in examples), *background, *((Turn("customer", d),) for d in described.values())]
        which = np.array([*(place[e.label] for e in examples), *(-1 for _ in background), *map(place.get, described)])
        reader = Reader(embedder)
        views, vocabulary = read_contexts(contexts, reader)
        numbers, groups = which.astype(np.intp), conversations(contexts)
        chosen = weights or weigh(views, numbers, groups, len(labels), seed)
        features = views.weighted(chosen)
        fitted = scorer(features, numbers, len(labels), seed)
        wording = views.weighted(Weights(chosen.windows, 1.0))
        left_out = fitted.left_out(apart(groups, wording), np.arange(len(examples) + len(background)))
        calibration = calibrate(left_out, false_injections, foreign)
        return cls(labels, embedder.id, chosen, calibration, fitted, reader, vocabulary)

    def match(self, turns: Sequence[Turn]) -> Match:
        """The labels of a context, likeliest first, and whether it belongs to any.

        Raises:
            ProviderError: from the embedder.
        """
        return self.match_all([turns])[0]

    def match_all(self, contexts: Sequence[Sequence[Turn]]) -> list[Match]:
        """The same for many contexts, in less time each."""
        if not self.labels or not contexts:
            return [Match((), 0.0, self.calibration.threshold) for _ in contexts]
        views, _ = read_contexts(contexts, self._reader, self._vocabulary)
        return [self._judge(scores) for scores in self._scorer.score(views.weighted(self.weights))]

    def _judge(self, scores: Matrix) -> Match:
        shares = probabilities(scores, self.calibration.temperature)
        order = np.argsort(-scores, kind="stable")
        ranked = tuple((self.labels[index], float(shares[index])) for index in order)
        return Match(ranked, float(scores[order[0]]), self.calibration.threshold)


def conversations(contexts: Sequence[Sequence[Turn]]) -> Index:
    """A number per context, equal where they seem to come from one conversation."""
    seen: dict[tuple[str, ...], int] = {}
    return np.array([seen.setdefault(_opening(context), len(seen)) for context in contexts], np.intp)


def apart(groups: Index, features: Features) -> Index:
    """Groups, joined where their contexts say nearly the same.

    Customers to come will put it in words of their own, so how sure to be is learned from contexts without their twins.
    """
    if not 0 < len(groups) <= TOGETHER:
        return groups
    twins = sp.csr_array(likeness(features, features) >= TWINS)
    members = sp.csr_array((np.ones(len(groups), np.int32), (groups, np.arange(len(groups)))))
    return np.asarray(connected_components(members.T @ members + twins, directed=False)[1], np.intp)


def _opening(context: Sequence[Turn]) -> tuple[str, ...]:
    """The first turns of a context, up to `OPENING_WORDS`."""
    texts = [turn.text for turn in spoken(context)]
    lengths = accumulate(len(text.split()) for text in texts)
    enough = next((index for index, length in enumerate(lengths) if length >= OPENING_WORDS), len(texts))
    return tuple(texts[: enough + 1])
