"""Embeddings, kept by what they are of and what made them, so that no text is embedded twice."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from preceptor.storage.database import Database, metadata

vectors = sa.Table(
    "vectors",
    metadata,
    sa.Column("embedder", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

Vector = NDArray[np.float32]
_AT_ONCE = 500
"""Values in one IN list: below the smallest limit of bound variables any supported database has (999)."""


class Vectors:
    """A store of vectors, as float32 bytes: what comes out is bit for bit what went in, so a cache changes no score."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get_many(self, embedder_id: str, texts: Sequence[str]) -> list[Vector | None]:
        """The vector of each text, None where there is none."""
        keys = [_key(text) for text in texts]
        found: dict[str, Vector] = {}
        with self._db.reading() as connection:
            for some in _batches(dict.fromkeys(keys)):
                wanted = sa.select(vectors.c.key, vectors.c.body)
                rows = connection.execute(wanted.where(vectors.c.embedder == embedder_id, vectors.c.key.in_(some)))
                found |= {row.key: np.frombuffer(row.body, "<f4") for row in rows}
        return [found.get(key) for key in keys]

    def put_many(self, embedder_id: str, texts: Sequence[str], rows: Sequence[Vector] | Vector) -> None:
        """Keep a vector for each text; what is there already stays."""
        new = {_key(t): np.asarray(row, "<f4").tobytes() for t, row in zip(texts, rows, strict=True)}
        with self._db.begin() as connection:
            for some in _batches(new):
                wanted = sa.select(vectors.c.key).where(vectors.c.embedder == embedder_id, vectors.c.key.in_(some))
                there = set(connection.scalars(wanted))
                fresh = [{"embedder": embedder_id, "key": k, "body": new[k]} for k in some if k not in there]
                if fresh:
                    connection.execute(vectors.insert(), fresh)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(keys)
    while batch := list(islice(rest, _AT_ONCE)):
        yield batch
