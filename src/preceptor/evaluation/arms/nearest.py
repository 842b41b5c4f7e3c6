"""The nearest texts to a context, seen as retrieval sees them: no labels, no silence."""

from collections.abc import Sequence

import numpy as np

from preceptor.dialogue.conversation import Context, Turn
from preceptor.retrieval.embedding import Embedder, StaticEmbedder
from preceptor.retrieval.features import likeness, read_contexts
from preceptor.retrieval.weighing import CHOICES
from preceptor.retrieval.windows import Reader


class Nearest:
    """Contexts (or passages, as one turn each) in the order of their likeness to another."""

    def __init__(self, contexts: Sequence[Sequence[Turn]], embedder: Embedder | None = None) -> None:
        """Without an embedder: the embedded default. Raises ProviderError: from the embedder."""
        self._reader = Reader(embedder or StaticEmbedder())
        views, self._vocabulary = read_contexts(contexts, self._reader)
        self._features = views.weighted(CHOICES[0])

    def order(self, context: Context) -> list[int]:
        """Indexes of the contexts, likeliest first."""
        views, _ = read_contexts([context.turns], self._reader, self._vocabulary)
        alike = likeness(views.weighted(CHOICES[0]), self._features)[0]
        return [int(index) for index in np.argsort(-alike, kind="stable")]
