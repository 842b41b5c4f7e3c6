"""Vectors come out bit for bit as they went in."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preceptor.storage.database import Database
from preceptor.storage.vectors import Vectors


@pytest.fixture
def vectors(db: Database) -> Vectors:
    return Vectors(db)


def test_vectors_are_kept_by_embedder_and_text(vectors: Vectors) -> None:
    rows = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    vectors.put_many("e1", ["a", "b", "a"], rows)
    vectors.put_many("e1", ["b"], rows[2:])
    found = vectors.get_many("e1", ["b", "none", "a"])
    assert found[1] is None
    assert found[0] is not None
    assert found[0].tobytes() == rows[1].tobytes()
    assert vectors.get_many("e2", ["a"]) == [None]
    assert vectors.get_many("e1", []) == []


def test_more_texts_than_one_statement_takes(vectors: Vectors) -> None:
    texts = [str(n) for n in range(1203)]
    vectors.put_many("e", texts, np.arange(1203, dtype=np.float32).reshape(-1, 1))
    assert [float(row[0]) for row in vectors.get_many("e", texts) if row is not None] == list(range(1203))


@settings(max_examples=20, deadline=None)
@given(st.dictionaries(st.text(st.characters()), st.binary(min_size=16, max_size=16), max_size=5))
def test_any_text_and_any_floats(rows: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder, Database.open(Path(folder) / "p.db") as db:
        vectors = Vectors(db)
        vectors.put_many("e", list(rows), [np.frombuffer(row, "<f4") for row in rows.values()])
        found = vectors.get_many("e", list(rows))
        assert [None if row is None else row.tobytes() for row in found] == list(rows.values())
