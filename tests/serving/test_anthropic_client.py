"""Tools, streams and what is asked of the gateway, with Anthropic's client."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import orjson
import pytest

from preceptor.library.store import Library

from .stage import ABOUT_BREAD, LATE, POLITE, Echo, behind, said, streamed

pytestmark = pytest.mark.anyio
SLOT = f"Guidance for this conversation:\n- {LATE}\n- {POLITE}"
USER: Any = {"role": "user", "content": ABOUT_BREAD}
TOOL: Any = {"name": "van", "description": "Where the van is.", "input_schema": {"type": "object", "properties": {}}}
USE = {"type": "tool_use", "id": "t1", "name": "van", "input": {"day": "Monday"}}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "I look it up."}, USE],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 7, "output_tokens": 3},
}
ASKED: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [USER], "tools": [TOOL]}


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@pytest.fixture
async def claude(library: Library, database: Path, echo: Echo) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with (
        behind(echo, database) as (url, _),
        anthropic.AsyncAnthropic(base_url=url, api_key="sk-mine", max_retries=0) as client,
    ):
        yield client


async def test_tools_are_called_and_their_results_go_back(claude: anthropic.AsyncAnthropic, echo: Echo) -> None:
    echo.answers += [said(orjson.dumps(MESSAGE)), said(orjson.dumps({**MESSAGE, "content": []}))]
    first: Any = await claude.messages.create(**ASKED, tool_choice={"type": "auto"}, stop_sequences=["Bye"])
    assert first.content[1].to_dict() == USE
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "Late."}
    history: list[Any] = [
        USER,
        {"role": "assistant", "content": [block.to_dict() for block in first.content]},
        {"role": "user", "content": [result]},
    ]
    answer = await claude.messages.with_raw_response.create(**{**ASKED, "messages": history})
    assert answer.headers["x-preceptor-teaching"] == "on"
    one, two = echo.seen
    assert one.json == {**ASKED, "tool_choice": {"type": "auto"}, "stop_sequences": ["Bye"], "system": SLOT}
    assert two.json == {**ASKED, "messages": history, "system": SLOT}


async def test_tool_calls_stream_in_pieces(claude: anthropic.AsyncAnthropic, echo: Echo) -> None:
    told: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "I look it up."}},
        {"type": "content_block_stop", "index": 0},
        {"type": "ping"},
        {"type": "content_block_start", "index": 1, "content_block": {**USE, "input": {}}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"day":'}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '"Monday"}'}},
        {"type": "content_block_stop", "index": 1},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"output_tokens": 3},
        },
        {"type": "message_stop"},
    ]
    pieces = [f"event: {event['type']}\ndata: ".encode() + orjson.dumps(event) + b"\n\n" for event in told]
    echo.answers.append(streamed(*pieces, pause=0.001))
    async with claude.messages.stream(**ASKED) as stream:
        message = await stream.get_final_message()
    assert [block.to_dict() for block in message.content] == MESSAGE["content"]
    assert (message.stop_reason, message.usage.output_tokens) == ("tool_use", 3)
    assert echo.seen[0].json == {**ASKED, "stream": True, "system": SLOT}


async def test_pictures_and_fields_nobody_knows_pass_both_ways(claude: anthropic.AsyncAnthropic, echo: Echo) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    content: list[Any] = [{"type": "image", "source": source}, {"type": "text", "text": ABOUT_BREAD}]
    echo.answers.append(said(orjson.dumps({**MESSAGE, "container": {"id": "x"}, "warmth": 3})))
    asked = {**ASKED, "messages": [{"role": "user", "content": content}]}
    answer: Any = await claude.messages.create(**asked, extra_body={"mood": {"kind": "calm"}})
    assert answer.warmth == 3
    assert echo.seen[0].json == {**asked, "mood": {"kind": "calm"}, "system": SLOT}


@pytest.mark.parametrize("how", ["field", "headers"])
async def test_the_gateway_can_be_asked_by_field_and_by_headers(
    claude: anthropic.AsyncAnthropic, echo: Echo, library: Library, how: str
) -> None:
    live = library.live()
    assert live is not None

    def way(**wishes: Any) -> dict[str, Any]:
        if how == "field":
            return {"extra_body": {"preceptor": wishes}}
        return {"extra_headers": {f"x-preceptor-{name}": str(value).lower() for name, value in wishes.items()}}

    echo.answers += [said(orjson.dumps(MESSAGE)) for _ in range(2)]
    create = claude.messages.with_raw_response.create
    off = await create(**ASKED, **way(teaching="off"))
    assert off.headers["x-preceptor-teaching"] == "off"
    named = await create(**ASKED, **way(release=live.hash[:12], explain=True))
    assert named.headers["x-preceptor-release"] == live.hash
    assert len(orjson.loads(named.headers["x-preceptor-explain"])["strategies"]) == 2
    with pytest.raises(anthropic.NotFoundError, match="There is no release 'ffff'"):
        await create(**ASKED, **way(release="ffff"))
    assert [seen.json for seen in echo.seen] == [ASKED, {**ASKED, "system": SLOT}]
    assert not [name for seen in echo.seen for name in seen.headers if name.startswith("x-preceptor")]


async def test_errors_of_the_upstream_keep_their_shape(claude: anthropic.AsyncAnthropic, echo: Echo) -> None:
    fault = {"type": "error", "error": {"type": "overloaded_error", "message": "Busy."}, "request_id": "req_1"}
    echo.answers.append(said(orjson.dumps(fault), 529))
    with pytest.raises(anthropic.APIStatusError, match=r"Busy\.") as caught:
        await claude.messages.create(**ASKED)
    assert caught.value.status_code == 529
    assert caught.value.body == fault
