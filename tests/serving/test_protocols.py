"""OpenAI's responses and Anthropic's messages through the gateway, with the real clients."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import anthropic
import openai
import orjson
import pytest

from preceptor.library.model import Placement
from preceptor.library.store import Library

from .stage import ABOUT_BREAD, LATE, POLITE, Echo, behind, fill, plain, said, streamed

pytestmark = pytest.mark.anyio
SLOT = f"Guidance for this conversation:\n- {LATE}\n- {POLITE}"
NOTE = f"\n\n[Note to the agent, not written by the customer. {SLOT}]"
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "Hello."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "completed",
    "output": [
        {
            "type": "message",
            "id": "m1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hello.", "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}
USER: Any = {"role": "user", "content": ABOUT_BREAD}


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@pytest.fixture
async def url(library: Library, database: Path, echo: Echo) -> AsyncIterator[str]:
    async with behind(echo, database) as (place, _):
        yield place


@pytest.fixture
async def claude(url: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=url, api_key="sk-mine", max_retries=0) as client:
        yield client


@pytest.fixture
async def gpt(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-mine", max_retries=0) as client:
        yield client


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        (None, SLOT),
        ("Be kind.", f"Be kind.\n\n{SLOT}"),
        (
            [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}],
            [
                {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": SLOT},
            ],
        ),
    ],
)
async def test_anthropic_gets_the_slot_in_its_system_field(
    claude: anthropic.AsyncAnthropic, echo: Echo, system: Any, expected: Any
) -> None:
    echo.answers.append(said(orjson.dumps(MESSAGE)))
    given = {} if system is None else {"system": system}
    answer = await claude.messages.with_raw_response.create(model="m", max_tokens=9, messages=[USER], **given)
    message: Any = await answer.parse()
    assert message.content[0].text == "Hello."
    assert answer.headers["x-preceptor-teaching"] == "on"
    (seen,) = echo.seen
    assert seen.path == "/v1/messages"
    assert seen.headers["x-api-key"] == "sk-upstream"
    assert seen.headers["anthropic-version"]
    assert "sk-mine" not in str(seen)
    assert seen.json == {"model": "m", "max_tokens": 9, "messages": [USER], "system": expected}


async def test_anthropic_streams(claude: anthropic.AsyncAnthropic, echo: Echo) -> None:
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 2},
        },
        {"type": "message_stop"},
    ]
    pieces = [f"event: {event['type']}\ndata: ".encode() + orjson.dumps(event) + b"\n\n" for event in events]
    echo.answers.append(streamed(*pieces, pause=0.005))
    async with claude.messages.stream(model="m", max_tokens=9, messages=[USER]) as stream:
        assert [text async for text in stream.text_stream] == ["Hel", "lo"]
    assert echo.seen[0].json["system"] == SLOT


async def test_anthropics_tool_results_are_no_customers(claude: anthropic.AsyncAnthropic, echo: Echo) -> None:
    echo.answers += [said(orjson.dumps(MESSAGE))] * 2
    use = {"type": "tool_use", "id": "t", "name": "find", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "Nothing."}]}
    turns: Any = [USER, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    answer = await claude.messages.with_raw_response.create(model="m", max_tokens=9, messages=turns)
    assert answer.headers["x-preceptor-teaching"] == "on"
    assert echo.seen[0].json["messages"] == turns


async def test_anthropics_errors_have_its_shape(claude: anthropic.AsyncAnthropic, url: str) -> None:
    with pytest.raises(anthropic.BadRequestError) as caught:
        await claude.messages.create(model="m", max_tokens=9, messages=[])
    body: Any = caught.value.body
    assert body["error"]["type"] == "invalid_request_error"
    async with plain() as session, session.post(f"{url}/v1/messages", data=b"{") as answer:
        assert (await answer.json())["type"] == "error"


@pytest.mark.parametrize("placement", get_args(Placement))
async def test_each_placement_has_its_place(placement: Placement, database: Path) -> None:
    library = fill(database, placement=placement)
    library.release("ann")
    library.db.close()
    echo = Echo()
    asked = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}, USER]
    async with behind(echo, database) as (url, _), plain() as session:
        for path, body in (
            ("messages", {"messages": asked}),
            ("responses", {"input": asked}),
            ("responses", {"input": ABOUT_BREAD}),
        ):
            async with session.post(f"{url}/v1/{path}", data=orjson.dumps(body)) as answer:
                assert answer.headers["x-preceptor-teaching"] == "on"
    noted = {"role": "user", "content": ABOUT_BREAD + NOTE}
    begun = {"role": "assistant", "content": f"({SLOT})"}
    claude = {
        "system_end": {"messages": asked, "system": SLOT},
        "before_last": {"messages": asked, "system": SLOT},
        "in_last": {"messages": [*asked[:2], noted]},
        "prefix": {"messages": [*asked, begun]},
    }
    items = {
        "system_end": {"input": asked, "instructions": SLOT},
        "before_last": {"input": [*asked[:2], {"role": "system", "content": SLOT}, USER]},
        "in_last": {"input": [*asked[:2], noted]},
        "prefix": {"input": [*asked, {"role": "assistant", "content": f"({SLOT})\n"}]},
    }
    text = {"input": ABOUT_BREAD + NOTE} if placement == "in_last" else {"input": ABOUT_BREAD, "instructions": SLOT}
    assert [seen.json for seen in echo.seen] == [claude[placement], items[placement], text]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"input": ABOUT_BREAD}, {"input": ABOUT_BREAD, "instructions": SLOT}),
        (
            {"input": [USER], "instructions": "Be kind."},
            {"input": [USER], "instructions": f"Be kind.\n\n{SLOT}"},
        ),
        (
            {"input": [{"role": "developer", "content": [{"type": "input_text", "text": "Be kind."}]}, USER]},
            {
                "input": [
                    {"role": "developer", "content": [{"type": "input_text", "text": f"Be kind.\n\n{SLOT}"}]},
                    USER,
                ]
            },
        ),
        (
            {"input": [USER, {"type": "function_call_output", "call_id": "c", "output": "Nothing."}]},
            {
                "input": [USER, {"type": "function_call_output", "call_id": "c", "output": "Nothing."}],
                "instructions": SLOT,
            },
        ),
    ],
)
async def test_responses_get_the_slot_in_their_instructions(
    gpt: openai.AsyncOpenAI, echo: Echo, given: Any, expected: Any
) -> None:
    echo.answers.append(said(orjson.dumps(RESPONSE)))
    answer = await gpt.responses.create(model="m", **given)
    assert answer.output_text == "Hello."
    assert echo.seen[0].path == "/v1/responses"
    assert echo.seen[0].json == {"model": "m", **expected}


async def test_responses_stream(gpt: openai.AsyncOpenAI, echo: Echo) -> None:
    delta = {
        "type": "response.output_text.delta",
        "item_id": "m1",
        "output_index": 0,
        "content_index": 0,
        "logprobs": [],
    }
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**RESPONSE, "output": []}},
        {**delta, "delta": "Hel"},
        {**delta, "delta": "lo"},
        {"type": "response.completed", "response": RESPONSE},
    ]
    pieces = [
        f"event: {event['type']}\ndata: ".encode() + orjson.dumps({**event, "sequence_number": n}) + b"\n\n"
        for n, event in enumerate(events)
    ]
    echo.answers.append(streamed(*pieces, pause=0.005))
    stream = await gpt.responses.create(model="m", input=ABOUT_BREAD, stream=True)
    assert [event.delta async for event in stream if event.type == "response.output_text.delta"] == ["Hel", "lo"]


async def test_a_response_that_goes_on_from_an_earlier_one_is_passed_on(gpt: openai.AsyncOpenAI, echo: Echo) -> None:
    echo.answers.append(said(orjson.dumps(RESPONSE)))
    answer = await gpt.responses.with_raw_response.create(model="m", previous_response_id="resp_0")
    assert answer.headers["x-preceptor-teaching"] == "abstained"
    assert echo.seen[0].json == {"model": "m", "previous_response_id": "resp_0"}
