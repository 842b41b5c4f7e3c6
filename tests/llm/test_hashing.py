"""Requests are named by what can change the answer, and by nothing else."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preceptor.llm.ledger import Ledger
from preceptor.llm.messages import Message, Request, Sampling, Schema, Tool, ToolCall
from preceptor.storage.canonical import canonical, content_hash
from preceptor.storage.database import Database

REQUEST = Request(
    (Message("system", "Be brief."), Message("user", "héllo")),
    Sampling(0.5, 0.9, 20, 3),
    (Tool("look", "Looks.", {"type": "object", "properties": {"a": {}, "b": {}}}),),
    Schema("verdict", {"type": "object"}),
)
jsons = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, messages=REQUEST.messages[1:]),
        replace(REQUEST, messages=(Message("user", "Be brief."), REQUEST.messages[1])),
        replace(REQUEST, messages=(*REQUEST.messages, Message("assistant", "", (ToolCall("1", "look", "{}"),)))),
        replace(REQUEST, sampling=replace(REQUEST.sampling, seed=4)),
        replace(REQUEST, sampling=replace(REQUEST.sampling, temperature=None)),
        replace(REQUEST, tools=()),
        replace(REQUEST, schema=None),
        replace(REQUEST, schema=Schema("other", {"type": "object"})),
    ],
)
def test_whatever_can_change_the_answer_changes_the_hash(other: Request) -> None:
    assert content_hash(other) != content_hash(REQUEST)


def test_order_of_keys_and_kind_of_sequence_do_not() -> None:
    turned = Tool("look", "Looks.", {"properties": {"b": {}, "a": {}}, "type": "object"})
    assert content_hash(replace(REQUEST, tools=(turned,))) == content_hash(REQUEST)
    assert content_hash([1, (2, 3)]) == content_hash([1, [2, 3]])


@given(value=jsons)
def test_canonical_json_is_a_fixed_point(value: object) -> None:

    assert canonical(orjson.loads(canonical(value))) == canonical(value)


def test_the_hash_is_the_same_on_every_machine_and_in_every_version() -> None:
    assert content_hash(REQUEST) == "14eec65d67249e33be14c56906761bb48a88061946955a37c287bb6cea60235d"


def test_role_and_model_are_part_of_a_calls_name(db: Database) -> None:
    ledger = Ledger(db, "r1")
    keys = [ledger.account(role, model).key(REQUEST) for role, model in (("a", "bc"), ("ab", "c"), ("a", "b"))]
    assert len(set(keys)) == 3
