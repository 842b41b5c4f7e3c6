"""What a conversation was about before helps where subjects follow from others, and is left alone where they do not."""

import random

import numpy as np
import pytest

from preceptor.dialogue.conversation import Turn
from preceptor.retrieval.embedding import StaticEmbedder
from preceptor.retrieval.features import Weights
from preceptor.retrieval.history import earlier
from preceptor.retrieval.kernel import Ridge, diagonal
from preceptor.retrieval.matcher import Example, Matcher

STATIC = StaticEmbedder()
SUBJECTS = {
    "refund": ("my refund", "the money you owe me", "being paid back", "a reimbursement", "the amount for the ticket"),
    "pets": ("my dog", "flying with a cat", "a pet carrier", "an animal on board", "my rabbit"),
}
ANYTHING = (
    *("Monday", "Friday", "April", "June", "noon", "Berlin", "Oslo", "Madrid", "Rome", "green", "purple", "yellow"),
    *("paper", "glass", "telephone", "letter", "coffee", "sugar", "bread", "river", "mountain", "forest", "garden"),
)
FRAMES = ("I write about {}.", "Help me with {}.", "There is a problem with {}.", "It is about {}.")


def conversation(draw: random.Random, subject: str, follows: bool, words: tuple[str, ...]) -> list[Example]:
    """Two turns; the second's label depends on the subject of the first, or on nothing."""
    first = Turn("customer", draw.choice(FRAMES).format(draw.choice(words)))
    # Words that tell nothing, and seldom the same.
    second = Turn("customer", " ".join(draw.sample(ANYTHING, 3)))
    label = f"after {subject if follows else draw.choice(list(SUBJECTS))}"
    return [Example((first,), subject), Example((first, Turn("agent", "I see."), second), label)]


def library(follows: bool) -> list[Example]:
    draw = random.Random(1)
    return [
        example
        for _ in range(40)
        for subject, words in SUBJECTS.items()
        for example in conversation(draw, subject, follows, words[:3])
    ]


def test_what_follows_from_a_subject_is_found_in_words_not_met() -> None:
    draw = random.Random(2)
    asked = [conversation(draw, s, True, words[3:])[1] for _ in range(20) for s, words in SUBJECTS.items()]
    without, within = (fitted(history) for history in (False, True))
    assert right(within, asked) > right(without, asked) + 0.05
    alone, together = within.match(asked[0].turns), within.match_all([example.turns for example in asked])[0]
    assert alone.ranked[0][0] == together.ranked[0][0]
    assert alone.confidence == pytest.approx(together.confidence, abs=1e-4)


def fitted(history: bool) -> Matcher:
    weights = Weights((0.9, 0.05, 0.05), 0.3, opening=True, history=history)
    return Matcher.fit(library(follows=True), STATIC, weights=weights)


def right(matcher: Matcher, asked: list[Example]) -> float:
    matches = matcher.match_all([example.turns for example in asked])
    return float(np.mean([m.ranked[0][0] == e.label for m, e in zip(matches, asked, strict=True)]))


def test_where_nothing_follows_from_anything_it_is_not_looked_at() -> None:
    assert not Matcher.fit(library(follows=False), STATIC).weights.history


def test_the_earlier_context_ends_with_the_customer() -> None:
    turns = (
        Turn("customer", "a"),
        Turn("agent", "b"),
        Turn("customer", "c"),
        Turn("agent", "d"),
        Turn("customer", "e"),
    )
    assert earlier(turns) == turns[:3]
    assert earlier(turns[:1]) == ()


def test_what_is_said_without_a_group_is_what_a_fit_without_it_says() -> None:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((12, 4)).astype(np.float32)
    labels = np.arange(12) % 3
    kernel, hot = np.exp(points @ points.T / 4), np.eye(3, dtype=np.float32)[labels]
    weights = diagonal(labels, np.arange(12))
    out, kept = np.array([2, 7]), np.setdiff1d(np.arange(12), [2, 7])
    others = np.exp(rng.standard_normal((5, 4)).astype(np.float32) @ points.T / 4)
    fewer = Ridge.fit(kernel[np.ix_(kept, kept)], hot[kept], weights[kept])
    said = Ridge.fit(kernel, hot, weights).says(others, without=out)
    np.testing.assert_allclose(said, others[:, kept] @ fewer.coefficients, atol=2e-3)


def test_long_conversations_do_not_hold_a_label_back() -> None:
    labels, groups = np.array([0, 0, 0, 1]), np.array([0, 0, 0, 1])
    even = diagonal(labels, groups)
    assert even[0] == even[3]
    assert diagonal(labels, np.arange(4))[0] > even[0]
