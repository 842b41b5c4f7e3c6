"""What is computed in closed form, in part or through an index must be what the long way gives."""

import numpy as np
import pytest

from preceptor.dialogue.conversation import Turn
from preceptor.retrieval.embedding import StaticEmbedder
from preceptor.retrieval.features import Features, likeness, read_contexts
from preceptor.retrieval.kernel import Ridge, diagonal, kernel, targets
from preceptor.retrieval.scoring import Local, Whole
from preceptor.retrieval.search import ExactSearch, IndexSearch
from preceptor.retrieval.sparse import Sparse
from preceptor.retrieval.weighing import CHOICES
from preceptor.retrieval.windows import Reader

WORDS = (
    "card",
    "train",
    "dog",
    "seat",
    "meal",
    "bag",
    "hotel",
    "bill",
    "phone",
    "pill",
    "taxi",
    "bank",
    "visa",
    "cup",
    "pen",
)


def some(count: int, seed: int = 0) -> tuple[Features, np.ndarray[tuple[int], np.dtype[np.intp]]]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, count)
    texts = [" ".join(rng.choice(WORDS[label * 3 : label * 3 + 5], 4)) for label in labels]
    views, _ = read_contexts([(Turn("customer", text),) for text in texts], Reader(StaticEmbedder()))
    return views.weighted(CHOICES[0]), labels.astype(np.intp)


def fitted(features: Features, labels: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Ridge:
    return Ridge.fit(kernel(likeness(features, features)), targets(labels, 5), diagonal(labels, np.arange(len(labels))))


def test_likeness_is_at_most_one_and_one_for_the_same() -> None:
    features, _ = some(30)
    alike = likeness(features, features)
    assert alike.max() <= 1 + 1e-5
    np.testing.assert_allclose(np.diag(alike), 1, atol=1e-5)


def test_left_out_in_closed_form_is_left_out_by_fitting_again() -> None:
    features, labels = some(40)
    out = np.array([3, 7, 21])
    kept = np.setdiff1d(np.arange(40), out)
    fewer = features.rows(kept)
    ridge = Ridge.fit(kernel(likeness(fewer, fewer)), targets(labels[kept], 5), diagonal(labels, np.arange(40))[kept])
    again = Whole(fewer, labels[kept], ridge).scorer
    said = again.score(features.rows(out)).spread()
    np.testing.assert_allclose(fitted(features, labels).without(out), said, atol=2e-3)


def test_neighbours_that_are_all_examples_score_as_the_whole() -> None:
    features, labels = some(60)
    queries, _ = some(10, seed=1)
    queries = features.rows(np.arange(10))
    whole = Whole(features, labels, fitted(features, labels))
    local = Local(features, labels, 5, ExactSearch(features), diagonal(labels, np.arange(60)), 0)
    np.testing.assert_allclose(local.score(queries).spread(), whole.scorer.score(queries).spread(), atol=2e-3)


@pytest.mark.parametrize("count", [5, 50])
def test_the_index_finds_what_exact_search_finds(count: int) -> None:
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((2000, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    nothing = Sparse(np.zeros(2001, np.intp), np.zeros(0, np.intp), np.zeros(0, np.float32), 1)
    features = Features(vectors, vectors[:, :0], nothing, np.ones(1, np.float32))
    exact, index = ExactSearch(features), IndexSearch(features)
    asked = [features.rows(np.array([at])) for at in range(0, 2000, 100)]
    shared = [len(set(exact.find(one, count)[0]) & set(index.find(one, count)[0])) / count for one in asked]
    assert np.mean(shared) > 0.97


def test_scores_and_calibration_are_the_same_through_both_searches() -> None:
    features, labels = some(700)
    each = diagonal(labels, np.arange(700))
    exact = Local(features, labels, 5, ExactSearch(features), each, 0)
    index = Local(features, labels, 5, IndexSearch(features), each, 0)
    queries = features.rows(np.arange(0, 700, 50))
    np.testing.assert_allclose(index.score(queries).spread(), exact.score(queries).spread(), atol=0.02)
