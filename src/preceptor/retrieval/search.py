"""The nearest of many vectors: exactly while that is quick, through an index beyond.

The index only proposes; likeness and scores of what it proposes are computed exactly, so a context is scored the same
either way unless the index overlooks one of its neighbours.
"""

from typing import Protocol

import numpy as np

from preceptor.retrieval.features import Matrix, products
from preceptor.retrieval.kernel import Index

EXACT = 15_000
"""Examples up to which an exact search takes less than 5 ms (768 numbers each, one thread; figures in
docs/design/retrieval.md)."""


class Nearest(Protocol):
    def find(self, query: Matrix, count: int) -> Index:
        """The indices of the `count` vectors with the largest dot product with the query (dim,), in rising order."""


class ExactSearch:
    def __init__(self, vectors: Matrix) -> None:
        self._vectors = vectors

    def find(self, query: Matrix, count: int) -> Index:
        if count >= len(self._vectors):
            return np.arange(len(self._vectors))
        near = products(query[None], self._vectors)[0]
        return np.sort(np.argpartition(-near, count)[:count])


class IndexSearch:
    """A graph index (HNSW, arXiv 1603.09320; usearch), half precision. Built by one thread, so that it is the same each
    time."""

    def __init__(self, vectors: Matrix) -> None:
        # Here, because most libraries never need it and its import is felt at start-up.
        from usearch.index import Index as Graph

        self._graph = Graph(ndim=vectors.shape[1], metric="ip", dtype="f16", expansion_add=128, expansion_search=512)
        self._graph.add(np.arange(len(vectors)), vectors, threads=1)

    def find(self, query: Matrix, count: int) -> Index:
        return np.sort(self._graph.search(query, count, threads=1).keys.astype(np.intp))


def nearest(vectors: Matrix) -> Nearest:
    """Exact up to `EXACT` vectors, an index beyond."""
    return ExactSearch(vectors) if len(vectors) <= EXACT else IndexSearch(vectors)
