import itertools
import random
from collections.abc import Sequence

import numpy as np
import pytest

from preceptor.dialogue.conversation import Turn
from preceptor.errors import UserError
from preceptor.llm.messages import ToolCall
from preceptor.retrieval.embedding import LexicalEmbedder, StaticEmbedder, Vectors
from preceptor.retrieval.features import Weights
from preceptor.retrieval.groups import conversations
from preceptor.retrieval.matcher import Example, Matcher

STATIC = StaticEmbedder()

SUBJECTS = {
    "refund": ["my refund", "the money you owe me", "being paid back", "a reimbursement"],
    "luggage": ["my suitcase", "the lost luggage", "a broken bag", "the missing baggage"],
    "seat": ["my seat", "sitting by the window", "an aisle place", "where we sit"],
    "pets": ["my dog", "flying with a cat", "a pet carrier", "an animal on board"],
    "meals": ["a vegan meal", "the food on board", "a kosher dinner", "breakfast on the plane"],
    "points": ["my frequent flyer points", "the bonus miles", "loyalty status", "a gold card upgrade"],
}
FRAMES = ["I am writing about {}.", "Can you help me with {}?", "There is a problem with {}!", "What about {}?"]


def customer(*texts: str) -> tuple[Turn, ...]:
    """A conversation in which the agent says little."""
    turns = [turn for text in texts for turn in (Turn("customer", text), Turn("agent", "I see, one moment please."))]
    return tuple(turns[:-1])


def examples(labels: Sequence[str] = tuple(SUBJECTS), wordings: int = 3) -> list[Example]:
    return [
        Example(customer(frame.format(subject)), label)
        for label in labels
        for subject in SUBJECTS[label][:wordings]
        for frame in FRAMES[:3]
    ]


class Counting:
    """The static embedder, counting the texts it is asked for."""

    id = STATIC.id
    dim = STATIC.dim

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return STATIC.embed(texts)


def test_unseen_wordings_find_their_label() -> None:
    matcher = Matcher.fit(examples(), STATIC)
    found = [matcher.match(customer(FRAMES[3].format(words[3]))).ranked[0][0] for words in SUBJECTS.values()]
    assert sum(a == b for a, b in zip(found, SUBJECTS, strict=True)) >= 5


def test_probabilities_are_ranked_and_sum_to_one() -> None:
    match = Matcher.fit(examples(), STATIC).match(customer("What about my dog?"))
    shares = [share for _, share in match.ranked]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1, abs=1e-5)
    assert {label for label, _ in match.ranked} == set(SUBJECTS)


def test_familiar_contexts_are_answered_and_strange_ones_are_not() -> None:
    matcher = Matcher.fit(examples(), STATIC)
    assert not matcher.match(customer("There is a problem with the lost luggage!")).abstained
    assert matcher.match(customer("My landlord wants to sell the house next spring.")).abstained
    assert matcher.match(customer("Hello")).abstained


def test_a_change_of_subject_is_among_the_likeliest() -> None:
    matcher = Matcher.fit(examples(), STATIC)
    turns = customer("I am writing about my refund.", "Being paid back, that is.", "OK thanks. What about my dog?")
    assert "pets" in [label for label, _ in matcher.match(turns).ranked[:2]]


def test_the_same_in_gives_the_same_out() -> None:
    turns = customer("Can you help me with my seat?")
    first = Matcher.fit(examples(), STATIC, seed=3)
    second = Matcher.fit(examples(), STATIC, seed=3)
    assert first.match(turns) == second.match(turns)
    assert first.match(turns) == first.match(turns)


def test_many_at_once_are_matched_as_one_by_one() -> None:
    matcher = Matcher.fit(examples(), STATIC)
    contexts = [example.turns for example in examples()][::4]
    for single, together in zip(map(matcher.match, contexts), matcher.match_all(contexts), strict=True):
        assert single.ranked[0][0] == together.ranked[0][0]
        assert single.confidence == pytest.approx(together.confidence, abs=1e-4)


def test_the_best_can_be_ranked_alone() -> None:
    matcher = Matcher.fit(examples(), STATIC)
    contexts = [customer("Can you help me with my dog?"), customer("Hello")]
    for whole, some in zip(matcher.match_all(contexts), matcher.match_all(contexts, 2), strict=True):
        assert some.ranked == whole.ranked[:2]
        assert (some.confidence, some.abstained) == (whole.confidence, whole.abstained)


def test_words_alone_find_what_is_said_in_the_same_words() -> None:
    matcher = Matcher.fit(examples(), LexicalEmbedder())
    assert matcher.weights.lexical == 1
    assert matcher.match(customer("There is a problem with the lost luggage!")).ranked[0][0] == "luggage"
    assert matcher.match(customer("My landlord wants to sell the house next spring.")).abstained


def test_a_new_turn_costs_one_turn() -> None:
    counting = Counting()
    matcher = Matcher.fit(examples(), counting)
    turns = customer("Good day.", "It concerns my dog.", "A small one.")
    matcher.match(turns)
    counting.asked.clear()
    matcher.match((*turns, Turn("agent", "How old is it?"), Turn("customer", "Four years.")))
    assert counting.asked == ["How old is it?", "Four years."]


def test_tool_results_from_before_the_customer_spoke_are_not_speech() -> None:
    matcher = Matcher.fit(examples(), STATIC)
    plain = customer("What about my dog?")
    assert matcher.match((Turn("tool", '{"luggage": "lost suitcase"}'), *plain)) == matcher.match(plain)


def test_a_result_that_the_agent_has_yet_to_act_on_decides() -> None:
    """The same words from every customer; what the lookup shows is what sets the contexts apart."""

    def context(number: int, kind: str) -> tuple[Turn, ...]:
        shown = f'{{"ticket": "{482913 + number}", "fare": "{kind}", "stops": [{{"name": "Old Quay"}}]}}'
        call = ToolCall("c", "look_up", "{}")
        asked = Turn("customer", f"Can I travel on another day with ticket {482913 + number}, please?")
        return asked, Turn("agent", "", (call,)), Turn("tool", shown, tool_call_id="c")

    kinds = ("saver", "flexible")
    known = [Example(context(n, kinds[n % 2]), kinds[n % 2]) for n in range(16)]
    known += [Example(context(n, "any")[:1], "asked") for n in range(20, 28)]
    matcher = Matcher.fit(known, STATIC)
    assert [matcher.match(context(99, kind)).ranked[0][0] for kind in kinds] == list(kinds)
    assert matcher.match(context(98, "any")[:1]).ranked[0][0] == "asked"


def test_background_makes_it_silent_where_nothing_is_needed() -> None:
    mine = ["refund", "luggage", "seat"]
    nothing = [example.turns for example in examples(["pets", "meals", "points"])]
    plain = Matcher.fit(examples(mine), STATIC)
    warned = Matcher.fit(examples(mine), STATIC, background=nothing)
    strange = [customer(FRAMES[3].format(words)) for label in ("pets", "meals", "points") for words in SUBJECTS[label]]
    said = [sum(not match.abstained for match in matcher.match_all(strange)) for matcher in (plain, warned)]
    assert said[1] <= said[0]
    assert said[1] <= 1
    assert not warned.match(customer("There is a problem with the lost luggage!")).abstained


def test_a_description_stands_in_for_examples() -> None:
    matcher = Matcher.fit(
        examples(["refund", "seat"]), STATIC, descriptions={"pets": "The customer asks to bring a dog or a cat."}
    )
    assert matcher.match(customer("Can my cat come along?")).ranked[0][0] == "pets"


@pytest.mark.parametrize("labels", [0, 1, 2])
def test_the_smallest_libraries_are_libraries(labels: int) -> None:
    some = examples(tuple(SUBJECTS)[:labels], wordings=1)[: labels * 3]
    matcher = Matcher.fit(some, STATIC)
    assert matcher.match(customer("My landlord wants to sell the house.")).abstained
    assert matcher.match(()).abstained
    if labels:
        assert not matcher.match(some[0].turns).abstained


def test_fewer_false_injections_ask_for_more_confidence() -> None:
    strict, lax = (Matcher.fit(examples(), STATIC, false_injections=rate) for rate in (0.02, 0.3))
    assert strict.calibration.threshold > lax.calibration.threshold


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_that_is_no_share_is_refused(rate: float) -> None:
    with pytest.raises(UserError, match="not a share"):
        Matcher.fit(examples(), STATIC, false_injections=rate)


def test_contexts_of_one_conversation_are_recognised() -> None:
    first = customer("Hello", "I have lost the suitcase I flew with on Monday.", "It is red.")
    second = customer("Hello", "I would like to know what became of my money.")
    assert conversations([first[:3], second, first]).tolist() == [0, 1, 0]


def test_left_out_labels_get_through_at_about_the_chosen_rate() -> None:
    """Labels are bags of invented words, so that a label left out is as strange as the next."""
    rng = random.Random(5)
    words = ["".join(letters) for letters in itertools.islice(itertools.product("bdfgklmnprtz", repeat=3), 400)]
    topics = {f"t{number:02}": rng.sample(words, 25) for number in range(40)}

    def met(topic: str) -> tuple[Turn, ...]:
        return customer(" ".join(rng.sample(topics[topic], 5) + rng.sample(words, 5)))

    known, strange = sorted(topics)[:30], sorted(topics)[30:]
    matcher = Matcher.fit(
        [Example(met(t), t) for t in known for _ in range(8)], STATIC, 0.1, weights=Weights((0.3, 0.3, 0.4), 1.0)
    )
    rate = np.mean([not match.abstained for match in matcher.match_all([met(t) for t in strange for _ in range(40)])])
    kept = np.mean([not match.abstained for match in matcher.match_all([met(t) for t in known for _ in range(10)])])
    assert 0.03 <= rate <= 0.2
    assert kept > 2 * rate


def test_whatever_a_customer_writes_is_read_as_words() -> None:
    """Also the mark that results of tools are told by."""
    matcher = Matcher.fit([Example((Turn("customer", "My card is lost."),), "card")], STATIC)
    plain, marked = (matcher.match((Turn("customer", text),)) for text in (" card lost", "\x1fcard\x1flost"))
    assert marked == plain
    assert matcher.match((Turn("customer", "\x1f"), Turn("tool", "\x1f"))).confidence < plain.confidence


def test_a_library_that_says_nothing_is_asked_about_all_the_same() -> None:
    matcher = Matcher.fit([Example((Turn("customer", " "),), "a"), Example((), "b")], STATIC)
    assert len(matcher.match((Turn("customer", "My card is lost."),)).ranked) == 2
