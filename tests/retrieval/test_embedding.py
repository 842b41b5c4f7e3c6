import random
import tracemalloc
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from preceptor.errors import BadReply
from preceptor.retrieval.embedding import CachedEmbedder, EndpointEmbedder, LexicalEmbedder, StaticEmbedder, Vectors

STATIC = StaticEmbedder()


class Counting:
    """The static embedder, counting what it is asked for."""

    id = STATIC.id
    dim = STATIC.dim

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return STATIC.embed(texts)


class Memory:
    """A store of vectors in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Vectors] = {}

    def get_many(self, embedder_id: str, texts: Sequence[str]) -> Mapping[str, Vectors]:
        return {text: self.kept[embedder_id, text] for text in texts if (embedder_id, text) in self.kept}

    def put_many(self, embedder_id: str, vectors: Mapping[str, Vectors]) -> None:
        self.kept |= {(embedder_id, text): vector for text, vector in vectors.items()}


def test_static_rows_are_unit_float32_and_blank_is_zero() -> None:
    rows = STATIC.embed(["My card was stolen.", "", "Wo ist mein Zug?"])
    assert rows.shape == (3, 256)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), [1, 0, 1], atol=1e-6)


def test_static_vectors_know_what_is_alike() -> None:
    stolen, theft, bed = STATIC.embed(["My card was stolen.", "A thief took my credit card.", "I need a hotel room."])
    assert stolen @ theft > stolen @ bed + 0.2


def test_a_text_has_the_same_vector_alone_and_among_others() -> None:
    np.testing.assert_array_equal(STATIC.embed(["hello there"])[0], STATIC.embed(["x", "hello there", "y"])[1])


def test_a_long_text_takes_little_memory() -> None:
    text = "the doctor took my card " * 8_000
    STATIC.embed(["x"])
    tracemalloc.start()
    (row,) = STATIC.embed([text])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 12 << 20, "all tokens' vectors at once would be 40 MB"
    assert row @ STATIC.embed(["the doctor took my card"])[0] > 0.99


def test_word_by_word_is_the_tokenizers_own_way() -> None:
    draw = random.Random(4)
    signs = [*"abcdeéßñ日🙂.,'’-_#▁<>/s1239\t\n", " ", " ", " ", "<s>", "  "]
    texts = ["".join(draw.choices(signs, k=draw.randrange(40))) for _ in range(500)]
    texts += [" a", "a ", "", "Where is my refund, please?", "x" * 300 + " y"]
    whole = [STATIC._tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    for text, ids, row in zip(texts, whole, STATIC.embed(texts), strict=True):
        assert STATIC._ids(text) == ids, text
        total = np.asarray(STATIC._table[ids], np.float64).sum(axis=0)
        np.testing.assert_allclose(row, total / (np.linalg.norm(total) or 1), atol=1e-5)


def test_without_vectors_words_alone_count() -> None:
    assert LexicalEmbedder().embed(["a", "b"]).shape == (2, 0)


def test_no_texts_no_rows() -> None:
    assert STATIC.embed([]).shape == (0, 256)
    assert CachedEmbedder(STATIC).embed([]).shape == (0, 256)


def test_the_cache_asks_once_and_in_order() -> None:
    counting = Counting()
    cached = CachedEmbedder(counting)
    rows = cached.embed(["a card", "a train", "a card"])
    again = cached.embed(["a train", "a card"])
    assert counting.asked == ["a card", "a train"]
    np.testing.assert_array_equal(rows, STATIC.embed(["a card", "a train", "a card"]))
    np.testing.assert_array_equal(again, rows[[1, 0]])


def test_the_cache_forgets_the_oldest_and_still_answers_more_than_it_holds() -> None:
    counting = Counting()
    cached = CachedEmbedder(counting, memory=2)
    assert cached.embed(["one", "two", "three"]).shape == (3, 256)
    cached.embed(["two", "three"])
    assert counting.asked == ["one", "two", "three"]
    cached.embed(["one"])
    assert counting.asked[-1] == "one"


def test_a_store_outlives_the_cache() -> None:
    store = Memory()
    first, second = Counting(), Counting()
    rows = CachedEmbedder(first, store).embed(["a card"])
    np.testing.assert_array_equal(CachedEmbedder(second, store).embed(["a card"]), rows)
    assert second.asked == []


def test_an_endpoint_is_probed_scaled_and_spared_blank_texts() -> None:
    seen: list[str] = []

    def endpoint(texts: Sequence[str]) -> list[list[float]]:
        seen.extend(texts)
        return [[3.0, 4.0] for _ in texts]

    embedder = EndpointEmbedder.probing(endpoint, "somewhere small")
    assert embedder.dim == 2
    assert embedder.embed(["a", " "]) == pytest.approx(np.array([[0.6, 0.8], [0, 0]]))
    assert " " not in seen


def test_an_endpoint_that_changes_its_vectors_is_refused() -> None:
    embedder = EndpointEmbedder(lambda texts: [[1.0, 0.0, 0.0] for _ in texts], "somewhere small", 2)
    with pytest.raises(BadReply, match="has the model behind the name changed"):
        embedder.embed(["a"])
    with pytest.raises(BadReply, match="returned no vector"):
        EndpointEmbedder.probing(lambda texts: [], "somewhere else")
