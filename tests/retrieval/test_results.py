"""What tools tell, as retrieval reads it."""

import json
import random

import numpy as np

from preceptor.dialogue.conversation import Turn
from preceptor.retrieval.embedding import StaticEmbedder
from preceptor.retrieval.matcher import Example, Matcher
from preceptor.retrieval.results import direction, kept, pairs, telling, told
from preceptor.retrieval.windows import spoken

STATIC = StaticEmbedder()


def context(number: int, draw: random.Random, **columns: str) -> tuple[Turn, ...]:
    """What somebody asks, and what looking it up shows: much that has nothing to do with it."""
    shown = {
        "ticket": str(400000 + number),
        "pier": draw.choice(["north", "south", "east", "west"]),
        "berth": draw.choice(["window", "aisle", "deck"]),
        "price": str(draw.randrange(10, 99)),
        "status": "valid",
        **columns,
    }
    asked = draw.choice(["Can I travel another day", "I would rather sail later", "Please let me go on Sunday"])
    result = Turn("tool", json.dumps(shown), tool_call_id="c")
    return Turn("customer", f"{asked} with ticket {400000 + number}?"), result


def test_values_go_with_their_names_and_numbers_are_all_alike() -> None:
    text = told('{"fare": "Saver", "stops": [{"pier": "north"}, {"pier": null}], "price": 31.5, "paid": true}')
    assert pairs(text) == ["fare=saver", "pier=north", "pier=none", "price=0", "paid=true"]
    assert told(text) == text
    assert pairs("The fare is a saver.") is None
    assert pairs(told("no such ticket")) == ["=no", "=such", "=ticket"]


def test_a_large_result_is_read_in_part() -> None:
    found = pairs(told(json.dumps([{"row": f"v{n}"} for n in range(1000)])))
    assert found is not None
    assert len(found) == 64


def test_a_result_is_looked_into_as_deep_as_anybody_nests_one() -> None:
    assert pairs(told('{"a": [[{"b": "c"}]]}')) == ["b=c"]
    assert not told("[" * 1000 + "1" + "]" * 1000)


def test_values_that_are_the_same_everywhere_tell_nothing() -> None:
    """Also where, in floats, the chi-squared of an even table comes out below 0."""
    labels, values = np.repeat(np.arange(5), 14), np.tile(np.repeat(np.arange(2), 7), 5)
    contexts = [(Turn("tool", json.dumps({"pier": "ab"[value]})),) for value in values]
    assert telling(contexts, labels, np.arange(len(labels))) == frozenset()


def test_names_that_differ_from_label_to_label_tell_something() -> None:
    draw = random.Random(1)
    labels = [n % 2 for n in range(120)]
    contexts = [context(n, draw, fare=("saver", "flexible")[label]) for n, label in enumerate(labels)]
    names = telling(contexts, np.array(labels), np.arange(len(labels)))
    assert "fare" in names
    assert not names & {"pier", "berth", "price", "status", "ticket"}


def test_what_was_met_too_seldom_is_kept() -> None:
    draw = random.Random(1)
    contexts = [context(n, draw, fare="saver") for n in range(8)]
    assert {"pier", "status"} <= telling(contexts, np.array([0, 1] * 4), np.arange(8))


def test_one_conversation_counts_once() -> None:
    """However often a tool was called in it: otherwise a number that only it has would seem to tell something."""
    draw = random.Random(1)
    once = [context(n, draw) for n in range(40)]
    contexts, labels = [one for one in once for _ in range(10)], np.repeat(np.arange(40) % 2, 10)
    assert "pier" not in telling(contexts, labels, np.repeat(np.arange(40), 10))


def test_where_nothing_tells_anything_all_is_read() -> None:
    assert kept(["a=b", "c=d"], frozenset({"c"})) == ["c=d"]
    assert kept(["a=b"], frozenset({"c"})) == ["a=b"]
    assert kept(["a=b"], None) == ["a=b"]


def test_equal_values_point_the_same_way_and_others_elsewhere() -> None:
    one, same, other = (direction([pair], 256) for pair in ("fare=saver", "fare=saver", "fare=flexible"))
    assert np.isclose(one @ same, 1)
    assert abs(one @ other) < 0.3
    assert direction(["a=b"], 0).shape == (0,)


def test_the_one_value_that_matters_is_found_among_many() -> None:
    draw = random.Random(2)
    kinds = ("saver", "flexible", "group")
    known = [Example(context(n, draw, fare=kinds[n % 3]), kinds[n % 3]) for n in range(90)]
    matcher = Matcher.fit(known, STATIC)
    new = [(kinds[n % 3], context(1000 + n, draw, fare=kinds[n % 3])) for n in range(60)]
    right = sum(matcher.match(turns).ranked[0][0] == kind for kind, turns in new)
    assert right >= 57


def test_a_result_stays_what_it_is_however_often_it_is_made_ready() -> None:
    turns = context(1, random.Random(3), fare="saver")
    assert spoken(spoken(turns)) == spoken(turns)
