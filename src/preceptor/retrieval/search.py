"""The nearest of many contexts: exactly while that is quick, through an index beyond.

The index only proposes; likeness and scores of what it proposes are computed exactly, so a context is scored the same
either way unless the index overlooks one of its neighbours.
"""

from typing import Protocol

import numpy as np

from preceptor.retrieval.features import Features, likeness
from preceptor.retrieval.known import Known
from preceptor.retrieval.sparse import Index, Matrix

EXACT = 15_000
"""Examples up to which an exact search takes less than 5 ms (768 numbers each, one thread; figures in
docs/design/retrieval.md)."""


class Nearest(Protocol):
    def find(self, context: Features, count: int) -> tuple[Index, Matrix]:
        """The `count` examples likest to one context, in rising order, and how alike they are."""


class ExactSearch:
    def __init__(self, examples: Features) -> None:
        self._known = Known.of(examples)

    def find(self, context: Features, count: int) -> tuple[Index, Matrix]:
        alike = self._known.alike(context)[0]
        near = np.argpartition(-alike, count)[:count] if count < len(alike) else np.arange(len(alike))
        found = self._known.order[near]
        order = np.argsort(found)
        return found[order], alike[near[order]]


class IndexSearch:
    """A graph index (HNSW, arXiv 1603.09320; usearch), half precision, of what is dense. Built by one thread, so that
    it is the same each time."""

    def __init__(self, examples: Features) -> None:
        # Here, because most libraries never need it and its import is felt at start-up.
        from usearch.index import Index as Graph

        self._examples = examples
        vectors = _dense(examples)
        self._graph = Graph(ndim=vectors.shape[1], metric="ip", dtype="f16", expansion_add=128, expansion_search=512)
        self._graph.add(np.arange(len(vectors)), vectors, threads=1)

    def find(self, context: Features, count: int) -> tuple[Index, Matrix]:
        found = np.sort(self._graph.search(_dense(context)[0], count, threads=1).keys.astype(np.intp))
        return found, likeness(context, self._examples.rows(found))[0]


def nearest(examples: Features) -> Nearest:
    """Exact up to `EXACT` examples, an index beyond; always exact where words alone count, which are found by word."""
    exact = len(examples) <= EXACT or not examples.scales.any() or not examples.vectors.shape[1]
    return ExactSearch(examples) if exact else IndexSearch(examples)


def _dense(features: Features) -> Matrix:
    return np.hstack([features.vectors, features.more])
