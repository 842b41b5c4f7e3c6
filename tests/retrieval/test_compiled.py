"""What matching computes in a quick way is what the definition says: likeness, its exponential, coefficients."""

import random

import numpy as np
import pytest

from preceptor.dialogue.conversation import Turn
from preceptor.retrieval.asking import Lens
from preceptor.retrieval.embedding import Embedder, LexicalEmbedder, StaticEmbedder
from preceptor.retrieval.features import Views, Vocabulary, Weights, likeness, read_contexts
from preceptor.retrieval.kernel import kernel
from preceptor.retrieval.known import Known
from preceptor.retrieval.matcher import Example, Matcher
from preceptor.retrieval.scoring import ALL, Compiled
from preceptor.retrieval.sparse import Sparse, dots
from preceptor.retrieval.windows import Reader
from preceptor.simulated.world import World

Turns = tuple[Turn, ...]
EMBEDDERS = (StaticEmbedder(), LexicalEmbedder())
WEIGHTS = (Weights((0.33, 0.33, 0.34), 0.3), Weights((0.7, 0.3, 0.0), 0.6, opening=True), Weights((0.2, 0.3, 0.5), 1.0))


def invented(draw: random.Random) -> list[Turns]:
    """Conversations in words nobody uses, some of them in nearly all."""
    words = ["".join(draw.choices("abcdefghij", k=5)) for _ in range(400)]

    def turn(party: str) -> Turn:
        said = [*draw.choices(words, k=draw.randrange(6)), *draw.choices(words[:5], k=3), str(draw.randrange(50))]
        return Turn("customer" if party == "customer" else "agent", " ".join(said))

    return [
        tuple(turn(("customer", "agent")[at % 2]) for at in range(2 * draw.randrange(4) + 1))
        for _ in range(draw.randrange(20, 120))
    ]


def from_world(draw: random.Random) -> list[Turns]:
    """Conversations in a shipped world's words (simulated)."""
    world = World.shipped(draw.choice(["airline", "broadband"]))
    said = [text for situation in world.situations for text in (*situation.customer, *situation.unseen)]
    platitudes = world.phrases.platitudes
    return [
        tuple(
            Turn("customer", draw.choice(said)) if at % 2 == 0 else Turn("agent", draw.choice(platitudes))
            for at in range(2 * draw.randrange(3) + 1)
        )
        for _ in range(draw.randrange(20, 120))
    ]


def read(contexts: list[Turns], embedder: Embedder) -> tuple[Views, Vocabulary, Reader]:
    reader = Reader(embedder)
    views, vocabulary = read_contexts(contexts, reader)
    return views, vocabulary, reader


@pytest.mark.parametrize("embedder", EMBEDDERS, ids=lambda one: one.id)
@pytest.mark.parametrize("kind", [invented, from_world])
@pytest.mark.parametrize("seed", range(4))
def test_likeness_to_all_is_likeness_to_each(seed: int, kind: object, embedder: Embedder) -> None:
    draw = random.Random(seed)
    contexts = invented(draw) if kind is invented else from_world(draw)
    views, vocabulary, reader = read(contexts, embedder)
    asked, _ = read_contexts([*invented(draw)[:20], *from_world(draw)[:20], ()], reader, vocabulary)
    for weights in WEIGHTS:
        examples, queries = views.weighted(weights), asked.weighted(weights)
        known = Known.of(examples)
        np.testing.assert_allclose(known.alike(queries), likeness(queries, examples)[:, known.order], atol=2e-6)
        for at in (0, 25, 40):
            one = queries.rows(np.array([at]))
            np.testing.assert_allclose(known.alike(one)[0], known.alike(queries)[at], atol=2e-6)


@pytest.mark.parametrize("embedder", EMBEDDERS, ids=lambda one: one.id)
@pytest.mark.parametrize("seed", range(4))
def test_the_short_way_to_features_leads_where_the_long_one_does(seed: int, embedder: Embedder) -> None:
    draw = random.Random(seed)
    views, vocabulary, reader = read(from_world(draw), embedder)
    asked = [*from_world(draw), *invented(draw)[:20], (), (Turn("agent", "Hello."),)]
    # As many turns as contexts, and not one each.
    uneven: list[Turns] = [(), (Turn("customer", "My flight, please."), Turn("agent", "Which flight, please?"))]
    for weights in WEIGHTS:
        lens = Lens(vocabulary, weights)
        examples = views.weighted(weights)
        for some in (asked, asked[-2:], asked[:1], uneven):
            other, _ = read_contexts(some, reader, vocabulary)
            features, opening = lens.look(some, reader)
            np.testing.assert_array_equal(opening, other.opening)
            alike = likeness(other.weighted(weights), examples)
            np.testing.assert_allclose(likeness(features, examples), alike, atol=2e-6)
            np.testing.assert_allclose(features.scales, examples.scales)


@pytest.mark.parametrize("seed", range(3))
def test_a_match_is_what_the_definition_says(seed: int) -> None:
    draw = random.Random(seed)
    contexts = from_world(draw)
    examples = [Example(turns, draw.choice("abcde")) for turns in contexts]
    matcher = Matcher.fit(examples, EMBEDDERS[0], weights=WEIGHTS[0])
    views, vocabulary, reader = read(contexts, EMBEDDERS[0])
    asked = from_world(draw)
    queries, _ = read_contexts(asked, reader, vocabulary)
    features = views.weighted(WEIGHTS[0])
    # What the fit comes to, the long way round.
    labels = np.array([matcher.labels.index(example.label) for example in examples])
    near = kernel(likeness(features, features)).astype(np.float64)
    from_groups = matcher.scorer
    assert isinstance(from_groups, Compiled)
    coefficients = np.empty((len(labels), 5))
    coefficients[from_groups.known.order] = from_groups.by_label.T
    said = kernel(likeness(queries.weighted(WEIGHTS[0]), features)) @ coefficients
    # The coefficients are those of a ridge: what they say of the examples falls short by the diagonal's part.
    short = np.eye(5)[labels] - near @ coefficients
    share = short[coefficients != 0] / coefficients[coefficients != 0]
    assert 0.01 < np.median(share) < 1
    for context, row in zip(asked, said, strict=True):
        match = matcher.match(context)
        assert match.confidence == pytest.approx(row.max(), abs=1e-4)
        assert match.abstained == (row.max() < match.threshold) or abs(row.max() - match.threshold) < 1e-4
        assert [name for name, _ in match.ranked] == [matcher.labels[n] for n in np.argsort(-row, kind="stable")]


def test_of_many_labels_the_likeliest_are_scored_as_if_all_were() -> None:
    draw, rng = random.Random(5), np.random.default_rng(5)
    count = int(ALL**0.5) + 100
    texts = [" ".join("".join(draw.choices("abcdefghij", k=3)) for _ in range(8)) for _ in range(count)]
    views, vocabulary, reader = read([(Turn("customer", text),) for text in texts], EMBEDDERS[1])
    features = views.weighted(WEIGHTS[2])
    labels = rng.permutation(count)
    coefficients = (np.eye(count)[labels] + rng.standard_normal((count, count)) / count).astype(np.float32)
    compiled = Compiled.of(features, labels, coefficients)
    asked, _ = read_contexts([(Turn("customer", text),) for text in texts[:30]], reader, vocabulary)
    queries = asked.weighted(WEIGHTS[2])
    some, whole = compiled.score(queries), compiled.whole(queries)
    assert some.values.shape[1] < count
    np.testing.assert_allclose(some.values, np.take_along_axis(whole, some.labels, axis=1), atol=1e-4)
    assert [int(row[at]) for row, at in zip(some.labels, some.values.argmax(axis=1), strict=True)] == [
        int(n) for n in whole.argmax(axis=1)
    ]


def test_products_of_sparse_rows_are_those_of_the_matrices_written_out() -> None:
    rng = np.random.default_rng(1)
    full = [(rng.random((40, 30)) * (rng.random((40, 30)) < 0.2)).astype(np.float32) for _ in range(2)]
    places = [np.nonzero(one) for one in full]
    left, right = (Sparse.summed(at[0], at[1], one[at], (40, 30)) for at, one in zip(places, full, strict=True))
    np.testing.assert_allclose(dots(left, right.across), full[0] @ full[1].T, atol=1e-5)
    some = np.array([3, 3, 0])
    np.testing.assert_allclose(dots(left.rows(some), right.across), full[0][some] @ full[1].T, atol=1e-5)
