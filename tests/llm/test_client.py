"""The OpenAI client, through the real SDK: faults sorted, gaps worked around, nothing secret let out."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime, formatdate
from typing import Any

import httpx2
import orjson
import pytest

from preceptor.errors import (
    Adjusted,
    BadReply,
    Denied,
    Garbled,
    ProviderError,
    RateLimited,
    Rejected,
    Unavailable,
)
from preceptor.llm.client import OpenAIModel
from preceptor.llm.faults import retry_after
from preceptor.llm.listening import listening
from preceptor.llm.messages import Message, Reply, Request, Sampling, Schema, Tool, ToolCall
from preceptor.llm.retrying import Retrying

pytestmark = pytest.mark.anyio
KEY = "sk-very-secret"
HELLO = Request((Message("user", "hello"),))
Handler = Callable[[httpx2.Request], httpx2.Response]


def model(handler: Handler, context_length: int | None = None) -> OpenAIModel:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(handler))
    return OpenAIModel("small", "http://models.test/v1", "small-1", KEY, 5.0, http, context_length)


def answer(text: str | None = "Hello.") -> httpx2.Response:
    usage = {"prompt_tokens": 5, "completion_tokens": 2}
    return httpx2.Response(200, json={"choices": [{"message": {"content": text}}], "usage": usage})


def refusal(message: str, param: str | None = None, status: int = 400) -> httpx2.Response:
    return httpx2.Response(status, json={"error": {"message": message, "param": param, "code": None}})


def failing(response: httpx2.Response) -> OpenAIModel:
    return model(lambda request: response)


async def test_one_question_is_one_http_call_with_the_key_and_the_model() -> None:
    seen: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return answer()

    reply = await model(handler).ask(HELLO)
    assert reply.text == "Hello."
    assert reply.usage.total == 7
    [request] = seen
    assert str(request.url) == "http://models.test/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert orjson.loads(request.content)["model"] == "small-1"


async def test_the_environment_adds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-elsewhere")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-elsewhere")
    seen: list[httpx2.Headers] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers)
        return answer()

    await model(handler).ask(HELLO)
    assert not [value for value in seen[0].values() if "elsewhere" in value]


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (429, {}, RateLimited),
        (500, {}, Unavailable),
        (503, {}, Unavailable),
        (408, {}, Unavailable),
        (409, {}, Unavailable),
        (400, {}, Rejected),
        (422, {}, Rejected),
        (401, {}, Denied),
        (403, {}, Denied),
        (404, {}, Denied),
        (400, {"x-should-retry": "true"}, Unavailable),
        (500, {"x-should-retry": "false"}, Rejected),
        (429, {"x-should-retry": "false"}, Denied),
    ],
)
async def test_statuses_are_sorted(status: int, headers: dict[str, str], kind: type[ProviderError]) -> None:
    response = httpx2.Response(status, headers=headers, json={"error": {"message": "no"}})
    with pytest.raises(kind) as fault:
        await failing(response).ask(HELLO)
    assert type(fault.value) is kind
    assert "small" in str(fault.value)


async def test_a_spent_quota_is_no_rate_limit_and_a_flagged_text_no_wrong_key() -> None:
    spent = httpx2.Response(429, json={"error": {"message": "You exceeded it", "code": "insufficient_quota"}})
    with pytest.raises(Denied, match="quota"):
        await failing(spent).ask(HELLO)
    with pytest.raises(Rejected, match="flagged"):
        await failing(refusal("Your input was flagged", status=403)).ask(HELLO)


async def test_the_wait_a_server_asks_for_is_carried() -> None:
    for status, kind in ((429, RateLimited), (503, Unavailable)):
        response = httpx2.Response(status, headers={"retry-after": "7"}, json={})
        with pytest.raises(kind) as fault:
            await failing(response).ask(HELLO)
        assert getattr(fault.value, "retry_after", None) == 7.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after": formatdate(1000.0 + 30, usegmt=True)}, 30.0),
        ({"retry-after": format_datetime(datetime.fromtimestamp(900, UTC))}, 0.0),
        ({"retry-after": "3600"}, 3600.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
    ],
)
def test_forms_of_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=1000.0) == seconds


@pytest.mark.parametrize(
    "date", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_dates_of_every_form_are_the_same_wherever_we_are(date: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The three of RFC 9110; the last has no zone."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "America/New_York")
        time.tzset()
        waited = retry_after({"retry-after": date}, now=784_111_777.0 - 5)
    time.tzset()
    assert waited == 5.0


@pytest.mark.parametrize(
    ("raised", "reached", "words"),
    [
        (httpx2.ConnectError("refused"), False, "cannot be reached"),
        (httpx2.ConnectTimeout("slow"), False, "in time"),
        (httpx2.ReadTimeout("slow"), True, "in time"),
        (httpx2.RemoteProtocolError("hung up"), True, "broke"),
    ],
)
async def test_connections_that_fail(raised: Exception, reached: bool, words: str) -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise raised

    with pytest.raises(Unavailable, match=words) as fault:
        await model(handler).ask(HELLO)
    assert fault.value.reached is reached


async def test_a_reply_that_trickles_in_is_given_up_in_time() -> None:
    class Trickle(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(0.001)
                yield b" "

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, stream=Trickle())))
    with pytest.raises(Unavailable, match="in time") as fault:
        await OpenAIModel("small", "http://models.test/v1", "small-1", KEY, 0.05, http).ask(HELLO)
    assert fault.value.reached


async def test_text_that_is_no_unicode_is_rejected_unsent() -> None:
    with pytest.raises(Rejected, match="JSON"):
        await failing(answer()).ask(Request((Message("user", "\ud800"),)))


@pytest.mark.parametrize("content", [b'{"choices": [{"mess', b"<html>", b""])
async def test_broken_json_is_garbled(content: bytes) -> None:
    with pytest.raises(Garbled):
        await failing(httpx2.Response(200, content=content)).ask(HELLO)


async def test_a_reply_without_content_is_bad() -> None:
    with pytest.raises(BadReply):
        await failing(answer(None)).ask(HELLO)


@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_the_key_is_in_no_message(status: int) -> None:
    asked = failing(refusal(f"Incorrect API key provided: {KEY}.", status=status))
    with pytest.raises(ProviderError) as fault:
        await asked.ask(HELLO)
    assert KEY not in str(fault.value) + repr(fault.value) + repr(asked)
    assert "[key]" in str(fault.value)


@pytest.mark.parametrize(
    "body", [b"plain text", b'{"detail": [{"loc": ["body"], "msg": "no"}]}', b'{"error": "no"}', b"[]"]
)
async def test_error_bodies_of_any_shape_are_read(body: bytes) -> None:
    with pytest.raises(Rejected):
        await failing(httpx2.Response(400, content=body, headers={"content-type": "application/json"})).ask(HELLO)


class Picky:
    """A server that refuses some of what it is sent, in its own words, and keeps what it took."""

    def __init__(self, refuses: Callable[[dict[str, Any]], httpx2.Response | None]) -> None:
        self.refuses = refuses
        self.refused = 0
        self.taken: list[dict[str, Any]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        body = orjson.loads(request.content)
        if response := self.refuses(body):
            self.refused += 1
            return response
        self.taken.append(body)
        return answer()


FULL = Request(
    (Message("system", "Be brief."), Message("user", "hello")),
    Sampling(temperature=0.5, top_p=0.9, seed=3, max_tokens=20),
    schema=Schema("verdict", {"title": "Verdict", "type": "object"}),
)


def without(field: str, message: str, param: str | None = None, status: int = 400) -> Picky:
    return Picky(lambda body: refusal(message, param, status) if field in body else None)


def without_system(message: str, status: int = 400) -> Picky:
    return Picky(lambda body: refusal(message, None, status) if body["messages"][0]["role"] == "system" else None)


@pytest.mark.parametrize(
    ("server", "lacks"),
    [
        (without("seed", "Unsupported parameter: 'seed'", "seed"), "seed"),
        (without("seed", '[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs"}]', None, 422), "seed"),
        (without("temperature", "'temperature' does not support 0.5 with this model.", "temperature"), "temperature"),
        (without("top_p", "`top_p` is deprecated for this model."), "top_p"),
        (
            without(
                "max_tokens",
                "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                "max_tokens",
            ),
            "max_tokens",
        ),
        (without("response_format", "This response_format type is unavailable now"), "response_format"),
        (without("response_format", "json_schema is not supported by this backend"), "response_format"),
        (without_system("System role not supported"), "system"),
        (without_system("Conversation roles must alternate user/assistant/user/assistant/…"), "system"),
        (without_system("Developer instruction is not enabled for models/gemma-3"), "system"),
        (without_system("Jinja Exception: System role not supported", 500), "system"),
    ],
)
async def test_what_a_model_lacks_is_found_once_and_noted(server: Picky, lacks: str) -> None:
    asked = model(server)
    with pytest.raises(Adjusted):
        await asked.ask(FULL)
    first, second = await asked.ask(FULL), await asked.ask(FULL)
    assert server.refused == 1
    assert asked.lacks == {lacks}
    assert len(first.notes) == 1
    assert first.notes == second.notes
    assert (await model(Picky(lambda body: None)).ask(FULL)).notes == ()


async def test_several_gaps_are_found_one_after_the_other() -> None:
    def refuses(body: dict[str, Any]) -> httpx2.Response | None:
        wrong = next((field for field in ("seed", "temperature", "response_format") if field in body), None)
        return refusal(f"unknown field {wrong}", wrong) if wrong else None

    server = Picky(refuses)
    reply = await Retrying(model(server)).ask(FULL)
    assert server.refused == 3
    assert len(reply.notes) == 3


async def test_without_response_format_the_schema_stands_in_the_prompt_with_its_name() -> None:
    server = without("response_format", "response_format is not supported")
    await Retrying(model(server)).ask(FULL)
    [body] = server.taken
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    text, schema = body["messages"][-1]["content"].rsplit("\n", 1)
    assert text.startswith("hello\n\n")
    assert orjson.loads(schema) == {"title": "verdict", "type": "object"}


async def test_without_a_system_role_its_text_opens_the_next_user_message() -> None:
    server = Picky(
        lambda body: refusal("System role not supported") if "system" in [m["role"] for m in body["messages"]] else None
    )
    talk = (
        Message("system", "Be brief."),
        Message("user", "hello"),
        Message("assistant", "Hello."),
        Message("system", "Note."),
        Message("user", "again"),
    )
    await Retrying(model(server)).ask(Request(talk))
    [body] = server.taken
    assert [(m["role"], m["content"]) for m in body["messages"]] == [
        ("user", "Be brief.\n\nhello"),
        ("assistant", "Hello."),
        ("user", "Note.\n\nagain"),
    ]


async def test_a_refusal_about_something_else_stays_one() -> None:
    with pytest.raises(Rejected) as fault:
        await failing(refusal("messages.0 is too rude", "messages")).ask(FULL)
    assert fault.value.param == "messages"
    with pytest.raises(Rejected):
        await failing(refusal("seed is not supported", "seed")).ask(HELLO)


def talk(exchanges: int, size: int = 90) -> Request:
    said = [Message("system", "Policy.")]
    for index in range(exchanges):
        call = ToolCall(f"c{index}", "look", "{}")
        said += [
            Message("user", f"question {index} ".ljust(size, "x")),
            Message("assistant", "", (call,)),
            Message("tool", "found", tool_call_id=call.id),
            Message("assistant", f"answer {index}"),
        ]
    return Request((*said, Message("user", "last question")), Sampling(max_tokens=100))


def roles(body: dict[str, Any]) -> list[str]:
    return [message["role"] for message in body["messages"]]


async def test_a_known_context_length_trims_whole_exchanges_oldest_first() -> None:
    server = Picky(lambda body: None)
    reply = await model(server, context_length=300).ask(talk(10))
    [body] = server.taken
    texts = [message["content"] for message in body["messages"]]
    kept = [text.split()[1] for text in texts if text and text.startswith("question")]
    assert texts[0] == "Policy."
    assert texts[-1] == "last question"
    assert 0 < len(kept) < 10
    assert kept == [str(index) for index in range(10 - len(kept), 10)]
    assert roles(body) == ["system", *["user", "assistant", "tool", "assistant"] * len(kept), "user"]
    assert str(10 - len(kept)) in reply.notes[0]


async def test_what_fits_is_not_trimmed() -> None:
    server = Picky(lambda body: None)
    assert (await model(server, context_length=10_000).ask(talk(10))).notes == ()
    assert len(server.taken[0]["messages"]) == 42


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "This model's maximum context length is 500 tokens. However, you requested 900 tokens"),
        (400, "the request exceeds the available context size (500 tokens), try increasing it"),
        (500, "Requested tokens (900) exceed context window of 500"),
    ],
)
async def test_a_server_that_says_too_long_gets_less(status: int, words: str) -> None:
    server = Picky(lambda body: refusal(words, None, status) if len(body["messages"]) > 20 else None)
    asked = model(server)
    reply = await Retrying(asked).ask(talk(10))
    [body] = server.taken
    assert 2 < len(body["messages"]) <= 20
    assert body["messages"][0]["content"] == "Policy."
    assert body["messages"][-1]["content"] == "last question"
    assert "left out" in reply.notes[0]
    # What one request needed changes nothing for the next.
    assert (await asked.ask(talk(3))).notes == ()


async def test_trimming_and_other_gaps_go_together() -> None:
    def refuses(body: dict[str, Any]) -> httpx2.Response | None:
        if body["messages"][0]["role"] == "system":
            return refusal("System role not supported")
        return refusal("maximum context length is 500 tokens") if len(body["messages"]) > 9 else None

    server = Picky(refuses)
    reply = await Retrying(model(server)).ask(talk(10))
    assert len(reply.notes) == 2
    assert roles(server.taken[0]) == [*["user", "assistant", "tool", "assistant"] * 2, "user"]


async def test_a_single_message_that_is_too_long_is_rejected() -> None:
    server = Picky(lambda body: refusal("maximum context length is 5 tokens"))
    with pytest.raises(Rejected, match="context"):
        await Retrying(model(server)).ask(HELLO)
    assert server.refused == 1


async def test_tools_are_sent_and_calls_come_back() -> None:
    call = {"id": "c9", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    response = httpx2.Response(
        200, json={"choices": [{"message": {"content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    )
    reply = await failing(response).ask(replace(HELLO, tools=(Tool("look", "", {}),)))
    assert reply == Reply(Message("assistant", "", (ToolCall("c9", "look", "{}"),)), finish="tool_calls")


def events(*pieces: str, finish: str | None = "stop") -> bytes:
    ends = [None] * (len(pieces) - 1) + [finish]
    chunks = [
        orjson.dumps({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": end}]})
        for piece, end in zip(pieces, ends, strict=True)
    ]
    return b"".join(b"data: " + chunk + b"\n\n" for chunk in [*chunks, *([b"[DONE]"] if finish else [])])


def streaming(content: bytes) -> httpx2.Response:
    return httpx2.Response(200, content=content, headers={"content-type": "text/event-stream"})


async def test_a_stream_comes_in_pieces_without_thinking() -> None:
    asked = failing(streaming(events("<thi", "nk>so</think>", "Hel", "lo.")))
    assert [piece async for piece in asked.stream(HELLO)] == ["Hel", "lo."]


async def test_a_stream_works_around_gaps_and_sorts_faults() -> None:
    server = without("seed", "unknown field seed")

    def handler(request: httpx2.Request) -> httpx2.Response:
        response = server(request)
        return streaming(events("Hello.")) if response.status_code == 200 else response

    assert [piece async for piece in model(handler).stream(FULL)] == ["Hello."]
    with pytest.raises(RateLimited):
        _ = [piece async for piece in failing(refusal("slow down", status=429)).stream(HELLO)]


@pytest.mark.parametrize("content", [events("Hel", finish=None), events("Hel", finish=None) + b'data: {"cho\n\n'])
async def test_a_cut_stream_is_garbled(content: bytes) -> None:
    stream = failing(streaming(content)).stream(HELLO)
    assert await anext(stream) == "Hel"
    with pytest.raises(Garbled):
        await anext(stream)


async def test_an_error_inside_a_stream_is_sorted() -> None:
    content = events("Hel", finish=None) + b'data: {"error": {"message": "out of memory"}}\n\n'
    with pytest.raises(ProviderError, match="out of memory"):
        _ = [piece async for piece in failing(streaming(content)).stream(HELLO)]


CALLING = Request(
    (
        Message("system", "Be brief."),
        Message("user", "Look up 12."),
        Message("assistant", "", (ToolCall("c1", "look", "{}"),)),
        Message("tool", "found", tool_call_id="c1"),
    )
)


def elsewhere(role: str) -> str:
    where = f"('body', 'messages', 1, '{role}', 'role')"
    return f"  {{'type': 'literal_error', 'loc': {where}, 'msg': \"Input should be '{role}'\"}}\n"


# As servers say it. The first is llama-cpp-python's, which first lists what else the message could have been.
LONG_WINDED = (
    f"7 validation errors:\n{''.join(map(elsewhere, ('system', 'user', 'tool', 'function', 'developer')))}  {{'type': "
    "'string_type', 'loc': ('body', 'messages', 1, 'Assistant', 'content'), 'msg': 'Input should be a valid string'}"
)
NO_NULL = (
    (LONG_WINDED, 500),
    ("invalid message content type: <nil>", 400),
    ("Invalid 'content': 'content' field must be a string or an array of objects.", 400),
    ("messages[1].content must be a string or an object (was null)", 400),
    ("Failed to deserialize the JSON body: messages[2]: invalid type: null, expected a string", 422),
    ('can only concatenate str (not "NoneType") to str', 500),
)
NO_EMPTY = ("messages: text content blocks must be non-empty", 400)


def turns(body: dict[str, Any]) -> list[Any]:
    return [message["content"] for message in body["messages"] if message.get("tool_calls")]


@pytest.mark.parametrize(("words", "status"), NO_NULL)
async def test_a_server_that_takes_no_null_for_a_text_gets_an_empty_one(words: str, status: int) -> None:
    server = Picky(lambda body: refusal(words, None, status) if None in turns(body) else None)
    asked = model(server)
    with pytest.raises(Adjusted):
        await asked.ask(CALLING)
    first, second = await asked.ask(CALLING), await asked.ask(CALLING)
    assert [turns(body) for body in server.taken] == [[""], [""]]
    assert server.refused == 1
    assert asked.lacks == {"null_content"}
    assert "null" in first.notes[0]
    assert first.notes == second.notes
    assert (await asked.ask(HELLO)).notes == ()


async def test_a_server_that_takes_null_is_sent_null_and_never_an_empty_text() -> None:
    server = Picky(lambda body: refusal(*NO_EMPTY[:1]) if "" in turns(body) else None)
    reply = await model(server).ask(CALLING)
    assert [turns(body) for body in server.taken] == [[None]]
    assert reply.notes == ()


async def test_a_server_that_takes_neither_gets_an_ellipsis() -> None:
    def refuses(body: dict[str, Any]) -> httpx2.Response | None:
        if None in turns(body):
            return refusal("invalid message content type: <nil>")
        return refusal(*NO_EMPTY[:1]) if "" in turns(body) else None

    server = Picky(refuses)
    reply = await Retrying(model(server)).ask(CALLING)
    assert [turns(body) for body in server.taken] == [["…"]]
    assert server.refused == len(reply.notes) == 2


async def test_a_text_beside_tool_calls_is_left_alone() -> None:
    server = Picky(lambda body: None)
    said = Message("assistant", "One moment.", (ToolCall("c1", "look", "{}"),))
    await model(server).ask(replace(CALLING, messages=(*CALLING.messages[:2], said, *CALLING.messages[3:])))
    assert turns(server.taken[0]) == ["One moment."]


@pytest.mark.parametrize("content", [{"content": None}, {"content": ""}, {}])
async def test_tool_calls_without_a_text_are_a_reply(content: dict[str, Any]) -> None:
    calls = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": {"id": 7}}}]
    answered = httpx2.Response(200, json={"choices": [{"message": {**content, "tool_calls": calls}}]})
    reply = await failing(answered).ask(HELLO)
    assert reply.message == Message("assistant", "", (ToolCall("c1", "look", '{"id":7}'),))


async def test_whoever_listens_hears_a_reply_come_and_gets_it_whole() -> None:
    sent = list[dict[str, Any]]()

    def handler(request: httpx2.Request) -> httpx2.Response:
        sent.append(orjson.loads(request.content))
        return streaming(events("<thi", "nk>so</think>", "Hel", "lo."))

    heard = list[str]()
    with listening(heard.append):
        reply = await model(handler).ask(HELLO)
    assert reply.text == "Hello."
    assert reply.thinking == "so"
    assert heard[-2:] == ["Hel", "Hello."]
    assert sent[0]["stream"] is True
    assert sent[0]["stream_options"] == {"include_usage": True}


async def test_a_server_that_does_not_stream_answers_a_listener_in_the_plain_way() -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        if orjson.loads(request.content).get("stream"):
            return refusal("streaming is not supported", status=400)
        return answer("Hello.")

    heard = list[str]()
    with listening(heard.append):
        assert (await model(handler).ask(HELLO)).text == "Hello."
    assert heard == []


async def test_a_cut_stream_is_no_reply_to_a_listener_either() -> None:
    with listening(lambda _: None), pytest.raises(Garbled, match="cut off"):
        await failing(streaming(events("Hel", finish=None))).ask(HELLO)
