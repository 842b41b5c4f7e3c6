"""OpenAI bodies: what is rendered is read back, what is malformed is said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preceptor.errors import BadReply, Garbled, Rejected
from preceptor.llm.messages import Message, Reply, Request, Sampling, Schema, Tool, ToolCall, Usage
from preceptor.llm.wire import parse_reply, parse_request, render_reply, render_request

CALL = ToolCall("c1", "lookup", '{"id": 7}')

texts = st.text(max_size=20)
messages = st.one_of(
    st.builds(Message, st.sampled_from(["system", "user", "assistant"]), texts),
    st.builds(Message, st.just("assistant"), texts, st.just((CALL,))),
    st.builds(Message, st.just("tool"), texts, st.just(()), st.just("c1")),
)
requests = st.builds(
    Request,
    st.lists(messages, min_size=1, max_size=4).map(tuple),
    st.builds(
        Sampling,
        temperature=st.none() | st.floats(0, 2),
        top_p=st.none() | st.floats(0.1, 1),
        max_tokens=st.integers(1, 9999),
        seed=st.none() | st.integers(0, 2**31),
    ),
    st.just(()) | st.just((Tool("lookup", "Find it.", {"type": "object"}),)),
    st.none() | st.just(Schema("verdict", {"type": "object"})),
)


@given(request=requests)
def test_a_request_comes_back_as_it_was(request: Request) -> None:
    assert parse_request(render_request(request, "small")) == ("small", request)
    assert parse_request(render_request(request, "small", "max_completion_tokens"))[1] == request


def test_a_reply_comes_back_as_it_was() -> None:
    reply = Reply(Message("assistant", "Hello.", (CALL,)), Usage(3, 4), "tool_calls", thinking="Greet first.")
    body = render_reply(reply, "small")
    assert parse_reply(body) == reply
    assert body["usage"]["total_tokens"] == 7
    assert body["id"] == render_reply(reply, "small")["id"]


def test_what_is_not_known_is_ignored_and_part_lists_are_joined() -> None:
    body = {
        "model": "m",
        "stream": True,
        "logit_bias": {},
        "messages": [
            {"role": "developer", "content": "Be brief.", "name": "x"},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "function": {"name": "f"}}]},
        ],
        "response_format": {"type": "json_object"},
    }
    _, request = parse_request(body)
    assert [(m.role, m.content) for m in request.messages] == [
        ("system", "Be brief."),
        ("user", "ab"),
        ("assistant", ""),
    ]
    assert request.messages[2].tool_calls[0].arguments == "{}"
    assert request.schema is None


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": ""}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": [7]}, "messages[0]"),
        ({"messages": [{"role": "boss", "content": ""}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "messages[0].tool_calls[0]"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": True}, "max_tokens"),
        ({"tools": 7}, "tools"),
        ({"tools": [{}]}, "tools[0]"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
    ],
)
def test_a_malformed_request_names_the_field(change: dict[str, Any], param: str) -> None:
    good = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    with pytest.raises(Rejected) as fault:
        parse_request(good | change)
    assert fault.value.param == param
    assert fault.value.status == 400


@pytest.mark.parametrize("body", [None, [], {}, {"choices": []}, {"choices": [{}]}, {"choices": ["x"]}])
def test_what_is_no_chat_completion_is_garbled(body: object) -> None:
    with pytest.raises(Garbled):
        parse_reply(body)


def said(message: dict[str, Any], finish: str = "stop") -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": finish}]}


@pytest.mark.parametrize(
    ("message", "finish", "words"),
    [
        ({"content": None}, "stop", "empty"),
        ({"content": ""}, "stop", "empty"),
        ({"content": "<think>hm, so"}, "length", "thinking"),
        ({"content": None}, "content_filter", "filter"),
        ({"content": "Hello.", "tool_calls": [{"function": {}}]}, "tool_calls", "names no function"),
        ({"content": None, "tool_calls": ["look"]}, "tool_calls", "names no function"),
    ],
)
def test_a_reply_that_says_nothing_is_bad_and_says_why(message: dict[str, Any], finish: str, words: str) -> None:
    with pytest.raises(BadReply, match=words) as fault:
        parse_reply(said(message, finish))
    assert not isinstance(fault.value, Garbled)


@pytest.mark.parametrize(
    ("message", "text", "thinking"),
    [
        ({"content": "<think>a</think>Hello."}, "Hello.", "a"),
        ({"content": "a</think>\n\nHello."}, "Hello.", "a"),
        ({"content": "Hello. <think>and then"}, "Hello.", "and then"),
        ({"content": "<think>a</think>Hello.<think>b</think>"}, "Hello.", "a\nb"),
        ({"content": "Hello.", "reasoning_content": "a"}, "Hello.", "a"),
        ({"content": "Hello.", "reasoning": "a"}, "Hello.", "a"),
        ({"content": " Hello. "}, " Hello. ", None),
        ({"content": None, "refusal": "I cannot."}, "I cannot.", None),
    ],
)
def test_thinking_is_taken_out(message: dict[str, Any], text: str, thinking: str | None) -> None:
    reply = parse_reply(said(message))
    assert (reply.text, reply.thinking) == (text, thinking)


@pytest.mark.parametrize("told", [True, -1, 0.5, "many", None, 10**9, 1 << 63, (1 << 64) - 1])
def test_a_count_of_tokens_that_cannot_be_meant_is_none(told: object) -> None:
    body = said({"content": "Hello."}) | {"usage": {"prompt_tokens": told, "completion_tokens": 3}}
    assert parse_reply(body).usage == Usage(0, 3)


def test_unknown_finish_reasons_and_missing_usage_are_harmless() -> None:
    reply = parse_reply(said({"content": "Hello."}, "eos"))
    assert reply.finish == "stop"
    assert reply.usage == Usage(0, 0)
