"""JSON that models answer with: what RFC 8259 allows is read, what it forbids or abuses is an unscored reply."""

import asyncio
import json

import pydantic
import pytest

from preceptor.errors import BadReply, PreceptorError
from preceptor.llm.messages import Message, Reply, Sampling, Usage
from preceptor.llm.prompts import Prompt
from preceptor.llm.scripted import ScriptedModel
from preceptor.llm.tasks import Task
from preceptor.llm.wire import parse_messages, parse_reply, parse_request


class Anything(pydantic.BaseModel):
    value: object = None


class Verdict(pydantic.BaseModel):
    better: str
    score: float = pydantic.Field(default=0.0, ge=0, le=5, allow_inf_nan=False)
    places: list[int] = []


ANY = Task("anything", Anything, Prompt("# user\nSay {what}."))
JUDGE = Task("judge", Verdict, Prompt("# user\nSay {what}."))


def reply(text: str) -> Reply:
    return Reply(Message("assistant", text), Usage())


VALID = [
    "0", "-0", "1", "-1", "10", "0.5", "-0.5", "1e5", "1E5", "1e+5", "1e-5", "1.5E-3", "123456789012", "1e-400",
    '""', '"a"', '"\\""', '"\\\\"', '"\\/"', '"\\b\\f\\n\\r\\t"', '"\\u0041"', '"\\u00e9"', '"\\ud83d\\ude00"',
    '"é"', '"😀"', '"\u2028"', '"\u2029"', '"\x7f"', '"\\u0000"', '"\ufeff"', '"<script>"', '"{"', '"}"', '"]"',
    "null", "true", "false", "[]", "{}", "[1]", "[1,2]", "[[]]", "[{}]", '{"a":1}', '{"":0}', '{"a":{"b":[]}}',
    '{"a":1,"b":2}', " [ ] ", "[ 1 , 2 ]", "\t[]", "\n[]", "\r\n[]", '[null,true,"x",1.5,{}]', "[[[[[[1]]]]]]",
    '{"\\u0061":1}', '{"a b":1}', '["\\u007f"]', "[-0.0]", "[1.0]", "[100000000000000000000]",
]  # fmt: skip

INVALID = [
    "", "01", "-01", "1.", ".5", "-.5", "+1", "1e", "1e+", "1.e1", "0x10", "1_000", "1 2", "--1", "-", "- 1", "1,",
    "NaN", "nan", "-NaN", "Infinity", "-Infinity", "inf", "None", "True", "FALSE", "nul", "undefined",
    "'a'", '"a', 'a"', '"\\x41"', '"\\u12"', '"\\u12G4"', '"\\a"', '"a\nb"', '"a\tb"', '"\x00"', '"\x1f"',
    "[", "]", "[1", "[1,]", "[,1]", "[1,,2]", "[1 2]", "[1}", "[1:2]", "{", '{"a"}', '{"a":}', "{a:1}", "{1:1}",
    '{"a":1,}', '{,"a":1}', '{"a":1 "b":2}', '{"a" 1}', '{"a"::1}', '{"a":1]', "{'a':1}", "[1]/**/", "[1]//x",
    "# x\n[1]", '{"a":1}{"b":2', "\x0b1", "\u00a01", '"\\ud83d"', '"\\ude00\\ud83d"',
]  # fmt: skip


@pytest.mark.parametrize("value", VALID)
def test_what_the_rules_allow_is_read(value: str) -> None:
    assert ANY.read(reply(f'{{"value": {value}}}')).value == json.loads(value)


@pytest.mark.parametrize("value", INVALID)
def test_what_the_rules_forbid_is_no_value(value: str) -> None:
    with pytest.raises(BadReply, match="anything"):
        ANY.read(reply(f'{{"value": {value}}}'))


BOMBS = {
    "a nest of lists": "[" * 100_000,
    "a nest of lists, closed": "[" * 100_000 + "]" * 100_000,
    "a nest of objects": '{"better":' * 50_000,
    "a nest in a field": '{"better": "first", "places": ' + "[" * 50_000 + "]" * 50_000 + "}",
    "a number of a million digits": '{"better": "first", "score": ' + "9" * 1_000_000 + "}",
    "a huge exponent": '{"better": "first", "score": 1e999999999}',
    "a huge whole number": '{"better": "first", "places": [' + "9" * 5000 + "]}",
    "not a number": '{"better": "first", "score": NaN}',
    "infinity": '{"better": "first", "score": Infinity}',
    "a lone surrogate": '{"better": "\\ud800"}',
    "a raw surrogate": '{"better": "\ud800"}',
    "another type": '{"better": ["first"]}',
    "nothing": "",
    "white space": " \n\t ",
    "prose": "I would rather not say.",
    "half of it": '{"better": "fir',
    "a million braces": "{" * 1_000_000,
    "braces in prose": "} { } {" * 1000,
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_abuse_is_an_unscored_reply(text: str) -> None:
    with pytest.raises(BadReply, match="judge"):
        JUDGE.read(reply(text))


def test_abuse_that_goes_on_is_asked_about_once_more_and_then_given_up() -> None:
    model = ScriptedModel("m", [BOMBS["a nest of lists, closed"], BOMBS["a lone surrogate"]])
    with pytest.raises(BadReply, match="judge"):
        asyncio.run(JUDGE.ask(model, Sampling(), what="it"))


def test_of_a_name_given_twice_the_last_counts() -> None:
    # RFC 8259, 4: names should be unique; what happens else is the reader's. Ours is what most do.
    assert JUDGE.read(reply('{"better": "first", "better": "second"}')).better == "second"


def nested(depth: int) -> object:
    found: object = "x"
    for _ in range(depth):
        found = [found]
    return found


BODIES: list[object] = [
    None, 0, "x", [], {}, {"choices": None}, {"choices": {}}, {"choices": []}, {"choices": [None]},
    {"choices": [{}]}, {"choices": [{"message": None}]}, {"choices": [{"message": {}}]},
    {"choices": [{"message": {"content": 1}}]}, {"choices": [{"message": {"content": [1]}}]},
    {"choices": [{"message": {"content": nested(500)}}]},
    {"choices": [{"message": {"content": [{"type": "text", "text": None}]}}]},
    {"choices": [{"message": {"content": "", "tool_calls": [{"function": {"name": 1}}]}}]},
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES)
def test_a_body_of_another_form_is_refused_by_name(body: object) -> None:
    with pytest.raises(PreceptorError):
        parse_reply(body)
    with pytest.raises(PreceptorError):
        parse_request(body)
    with pytest.raises(PreceptorError):
        parse_messages(body)


@pytest.mark.parametrize("usage", [None, [], {"prompt_tokens": "x"}, {"prompt_tokens": -5}, {"prompt_tokens": 1e300}])
def test_usage_that_cannot_be_is_none(usage: object) -> None:
    read = parse_reply({"choices": [{"message": {"content": "Hello."}}], "usage": usage})
    assert read.usage.prompt_tokens == 0
