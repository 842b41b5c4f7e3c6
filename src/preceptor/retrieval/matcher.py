"""Which label a context belongs to, learned from examples, and whether it belongs to any."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from preceptor.dialogue.conversation import Turn
from preceptor.errors import UserError
from preceptor.retrieval.asking import Lens
from preceptor.retrieval.calibration import Calibration, calibrate, probabilities
from preceptor.retrieval.embedding import Embedder
from preceptor.retrieval.features import Views, Vocabulary, Weights, read_contexts
from preceptor.retrieval.groups import apart, conversations
from preceptor.retrieval.history import earlier, learned, shares
from preceptor.retrieval.results import telling
from preceptor.retrieval.scoring import TOGETHER, Compiled, Scorer, Scores, Whole, fit
from preceptor.retrieval.sparse import Matrix
from preceptor.retrieval.weighing import weigh
from preceptor.retrieval.windows import Reader


@dataclass(frozen=True)
class Example:
    """A context known to belong to a label."""

    turns: tuple[Turn, ...]
    label: str


@dataclass(frozen=True)
class Match:
    """What was made of a context."""

    ranked: tuple[tuple[str, float], ...]
    """(label, probability if it is one of the library's), likeliest first; of many labels only the likeliest."""
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
    calibration: Calibration
    first: Compiled | None
    """Says what a context was about at the customer's turn before, where that helps."""
    scorer: Scorer
    reader: Reader
    lens: Lens

    @property
    def weights(self) -> Weights:
        """How much each kind of evidence counts."""
        return self.lens.weights

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
        numbers, groups = which.astype(np.intp), conversations(contexts)
        reader = Reader(embedder, telling=telling(contexts, numbers, groups))
        views, vocabulary = read_contexts(contexts, reader)
        before = _earlier(contexts, reader, vocabulary)
        chosen = weights or weigh(views, before, numbers, groups, len(labels), seed)
        features = views.weighted(chosen)
        strangers = apart(groups, views, chosen)
        fitted = fit(features, numbers, groups, len(labels), seed)
        first = None
        if chosen.history and before is not None and isinstance(fitted, Whole):
            first = fitted.scorer
            said = learned(fitted.ridge, features, before.weighted(chosen), strangers, views.opening)
            fitted = Whole.fit(features.after(said), numbers, groups, len(labels))
        left_out = fitted.left_out(strangers, np.arange(len(examples) + len(background)))
        calibration = calibrate(left_out, false_injections, foreign)
        return cls(labels, embedder.id, calibration, first, fitted.scorer, reader.fresh(), Lens(vocabulary, chosen))

    def fresh(self) -> "Matcher":
        """The same, having read nothing: the turns it remembers are most of what it weighs."""
        return replace(self, reader=self.reader.fresh())

    def match(self, turns: Sequence[Turn]) -> Match:
        """The labels of a context, likeliest first, and whether it belongs to any.

        Raises:
            ProviderError: from the embedder.
        """
        return self.match_all([turns])[0]

    def match_all(self, contexts: Sequence[Sequence[Turn]], best: int | None = None) -> list[Match]:
        """The same for many contexts, in less time each. `best`: the most labels to rank."""
        if not self.labels or not contexts:
            return [Match((), 0.0, self.calibration.threshold) for _ in contexts]
        features, opening = self.lens.look(contexts, self.reader)
        if self.first is not None:
            features = features.after(self._before(contexts, opening))
        return self._judged(self.scorer.score(features), best)

    def _before(self, contexts: Sequence[Sequence[Turn]], opening: Matrix) -> Matrix:
        """contexts × labels: what each was about at the customer's turn before."""
        if self.first is None or opening.all():
            return np.zeros((len(contexts), len(self.labels)), np.float32)
        features, _ = self.lens.look([earlier(turns) for turns in contexts], self.reader)
        return shares(self.first.whole(features), opening)

    def _judged(self, scores: Scores, best: int | None) -> list[Match]:
        order = np.argsort(-scores.values, axis=1, kind="stable")[:, :best]
        shares = _shares(scores, self.calibration.temperature)
        labels, shares, values = (
            np.take_along_axis(some, order, axis=1).tolist() for some in (scores.labels, shares, scores.values)
        )
        names, threshold = self.labels, self.calibration.threshold
        return [
            Match(tuple([(names[n], p) for n, p in zip(mine, share, strict=True)]), value[0], threshold)
            for mine, share, value in zip(labels, shares, values, strict=True)
        ]


def _shares(scores: Scores, temperature: float) -> Matrix:
    """The probabilities of the likeliest labels; the others have scores of 0."""
    others = scores.count - scores.values.shape[1]
    if not others:
        return probabilities(scores.values, temperature)
    highest = np.maximum(scores.values.max(axis=1, keepdims=True), 0)
    raised = np.exp((scores.values - highest) / temperature)
    return np.asarray(raised / (raised.sum(axis=1, keepdims=True) + others * np.exp(-highest / temperature)))


def _earlier(contexts: Sequence[Sequence[Turn]], reader: Reader, vocabulary: Vocabulary) -> Views | None:
    """The contexts one customer turn earlier; None where a library is too large, or too plain, to look at them."""
    past = [earlier(turns) for turns in contexts]
    if len(contexts) > TOGETHER or not any(past):
        return None
    return read_contexts(past, reader, vocabulary)[0]
