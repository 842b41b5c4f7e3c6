"""What OpenAI's client can ask for comes through the gateway as it was asked, and back as it was answered."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import orjson
import pydantic
import pytest

from preceptor.library.store import Library

from .stage import ABOUT_BREAD, EVENTS, LATE, POLITE, Echo, behind, chunk, said, streamed

pytestmark = pytest.mark.anyio
SLOT = f"Guidance for this conversation:\n- {LATE}\n- {POLITE}"
SYSTEM: Any = {"role": "system", "content": "You serve bakers."}
USER: Any = {"role": "user", "content": ABOUT_BREAD}
MESSAGES: list[Any] = [SYSTEM, USER]
TAUGHT: list[Any] = [{"role": "system", "content": f"You serve bakers.\n\n{SLOT}"}, USER]
TOOL: Any = {
    "type": "function",
    "function": {"name": "van", "parameters": {"type": "object", "properties": {"day": {"type": "string"}}}},
}
CALL: Any = {"id": "c1", "type": "function", "function": {"name": "van", "arguments": '{"day":"Monday"}'}}
DONE = b"data: [DONE]\n\n"


def completion(*choices: dict[str, Any], **more: Any) -> bytes:
    """A completion with choices whose fields are given; a plain one if none are."""
    one = {"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}
    told = [{**one, "index": index, **choice} for index, choice in enumerate(choices or ({},))]
    return orjson.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": told, **more})


def frame(*deltas: dict[str, Any], **more: Any) -> bytes:
    """An event of a stream; a choice for each delta."""
    choices = [{"index": index, "delta": delta, "finish_reason": None} for index, delta in enumerate(deltas)]
    told = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **more}
    return b"data: " + orjson.dumps(told) + b"\n\n"


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@pytest.fixture
async def gpt(library: Library, database: Path, echo: Echo) -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        behind(echo, database) as (url, _),
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-mine", max_retries=0) as client,
    ):
        yield client


async def test_several_choices_with_logprobs(gpt: openai.AsyncOpenAI, echo: Echo) -> None:
    token = {"token": "Hi", "logprob": -0.25, "bytes": [72, 105], "top_logprobs": []}
    choices = [{"message": {"role": "assistant", "content": text}} for text in ("Hi", "Ho")]
    echo.answers.append(said(completion(*({**one, "logprobs": {"content": [token]}} for one in choices))))
    answer = await gpt.chat.completions.create(model="m", messages=MESSAGES, n=2, logprobs=True, top_logprobs=3)
    assert [choice.message.content for choice in answer.choices] == ["Hi", "Ho"]
    told = answer.choices[1].logprobs
    assert told is not None
    assert told.content is not None
    assert told.content[0].logprob == -0.25
    asked = {"model": "m", "messages": TAUGHT, "n": 2, "logprobs": True, "top_logprobs": 3}
    assert echo.seen[0].json == asked


async def test_streams_of_several_choices_end_with_their_usage(gpt: openai.AsyncOpenAI, echo: Echo) -> None:
    usage = {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}
    pieces = (frame({"content": "a"}, {"content": "b"}), frame({"content": "c"}, {}), frame(usage=usage), DONE)
    echo.answers.append(streamed(*pieces, pause=0.002))
    options: Any = {"include_usage": True}
    stream = await gpt.chat.completions.create(model="m", messages=MESSAGES, n=2, stream=True, stream_options=options)
    events = [event async for event in stream]
    texts = ["".join(e.choices[at].delta.content or "" for e in events if e.choices) for at in (0, 1)]
    assert texts == ["ac", "b"]
    assert events[-1].usage is not None
    assert events[-1].usage.total_tokens == 13
    assert echo.seen[0].json == {
        "model": "m",
        "messages": TAUGHT,
        "n": 2,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_tools_are_called_and_their_results_go_back(gpt: openai.AsyncOpenAI, echo: Echo) -> None:
    told = {"message": {"role": "assistant", "content": None, "tool_calls": [CALL]}, "finish_reason": "tool_calls"}
    echo.answers.append(said(completion(told)))
    first = await gpt.chat.completions.create(
        model="m", messages=MESSAGES, tools=[TOOL], tool_choice="auto", parallel_tool_calls=False
    )
    asked = first.choices[0].message
    assert asked.tool_calls is not None
    assert asked.tool_calls[0].to_dict() == CALL
    history = [*MESSAGES, asked.to_dict(), {"role": "tool", "tool_call_id": "c1", "content": '{"van":"late"}'}]
    second = await gpt.chat.completions.with_raw_response.create(model="m", messages=history, tools=[TOOL])
    assert second.headers["x-preceptor-teaching"] == "on"
    (one, two) = echo.seen
    assert one.json == {
        "model": "m",
        "messages": TAUGHT,
        "tools": [TOOL],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
    }
    assert two.json == {"model": "m", "messages": [TAUGHT[0], *history[1:]], "tools": [TOOL]}


async def test_tool_calls_stream_in_pieces(gpt: openai.AsyncOpenAI, echo: Echo) -> None:
    def piece(arguments: str) -> bytes:
        return frame({"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]})

    opening = {"index": 0, "id": "c1", "type": "function", "function": {"name": "van", "arguments": ""}}
    pieces = (frame({"role": "assistant", "tool_calls": [opening]}), piece('{"day":'), piece('"Monday"}'), DONE)
    echo.answers.append(streamed(*pieces, pause=0.002))
    async with gpt.chat.completions.stream(model="m", messages=MESSAGES, tools=[TOOL]) as stream:
        told = [event.arguments_delta async for event in stream if event.type == "tool_calls.function.arguments.delta"]
    assert "".join(told) == CALL["function"]["arguments"]
    assert echo.seen[0].json["messages"] == TAUGHT


async def test_images_and_fields_nobody_knows_pass_both_ways(gpt: openai.AsyncOpenAI, echo: Echo) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}
    content: Any = [picture, {"type": "text", "text": ABOUT_BREAD}]
    more = {"top_k": 40, "chat_template_kwargs": {"enable_thinking": False}, "guided_json": {"type": "object"}}
    choice = {"message": {"role": "assistant", "content": "Hello.", "reasoning_content": "Hm."}, "stop_reason": 7}
    echo.answers.append(said(completion(choice, kv_transfer_params={"a": [1]})))
    answer = await gpt.chat.completions.create(
        model="m", messages=[SYSTEM, {"role": "user", "content": content}], extra_body=more
    )
    assert answer.model_extra == {"kv_transfer_params": {"a": [1]}}
    assert answer.choices[0].model_extra == {"stop_reason": 7}
    assert answer.choices[0].message.model_extra == {"reasoning_content": "Hm."}
    assert echo.seen[0].json == {"model": "m", "messages": [TAUGHT[0], {"role": "user", "content": content}], **more}


class Delivery(pydantic.BaseModel):
    late: bool
    hours: int


async def test_structured_output_is_parsed(gpt: openai.AsyncOpenAI, echo: Echo) -> None:
    echo.answers.append(said(completion({"message": {"role": "assistant", "content": '{"late":true,"hours":2}'}})))
    answer = await gpt.chat.completions.parse(model="m", messages=MESSAGES, response_format=Delivery)
    assert answer.choices[0].message.parsed == Delivery(late=True, hours=2)
    asked = echo.seen[0].json
    assert asked["messages"] == TAUGHT
    assert asked["response_format"]["json_schema"]["name"] == "Delivery"


async def test_embeddings_come_back_packed_as_the_client_asks(gpt: openai.AsyncOpenAI, echo: Echo) -> None:
    """Unless told otherwise the client asks for base64 and unpacks it itself."""
    row = {"object": "embedding", "index": 0, "embedding": "AAAAPwAAgD4="}
    whole = {"object": "list", "model": "e", "data": [row], "usage": {"prompt_tokens": 9, "total_tokens": 9}}
    echo.answers.append(said(orjson.dumps(whole)))
    answer = await gpt.embeddings.create(model="e", input=[ABOUT_BREAD, "Hello"], dimensions=2)
    assert answer.data[0].embedding == [0.5, 0.25]
    assert answer.usage.total_tokens == 9
    assert echo.seen[0].json["input"] == [ABOUT_BREAD, "Hello"]


async def test_an_error_inside_a_stream_reaches_the_client(gpt: openai.AsyncOpenAI, echo: Echo) -> None:
    fault = b'data: {"error":{"message":"Out of memory.","type":"server_error","code":null,"param":null}}\n\n'
    echo.answers.append(streamed(chunk("Hel"), fault))
    stream = await gpt.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    heard = []
    with pytest.raises(openai.APIError, match="Out of memory"):
        heard += [event.choices[0].delta.content async for event in stream]
    assert echo.seen[0].json["stream"] is True


def events(*told: dict[str, Any]) -> list[bytes]:
    """Events of the Responses API."""
    return [
        f"event: {event['type']}\ndata: ".encode() + orjson.dumps({**event, "sequence_number": number}) + b"\n\n"
        for number, event in enumerate(told)
    ]


RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "completed",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}


async def test_responses_stream_text_and_tool_calls(gpt: openai.AsyncOpenAI, echo: Echo) -> None:
    call = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "van", "arguments": "", "status": "completed"}
    part = {"type": "output_text", "text": "", "annotations": []}
    message = {"type": "message", "id": "m1", "role": "assistant", "status": "in_progress", "content": []}
    spoken = {**message, "status": "completed", "content": [{**part, "text": "Hello"}]}
    called = {**call, "arguments": '{"day":"Monday"}'}
    usage = {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 7,
    }
    there = {"item_id": "m1", "output_index": 0, "content_index": 0}
    told = events(
        {"type": "response.created", "response": {**RESPONSE, "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": message},
        {"type": "response.content_part.added", **there, "part": part},
        {"type": "response.output_text.delta", **there, "delta": "Hel", "logprobs": []},
        {"type": "response.output_text.delta", **there, "delta": "lo", "logprobs": []},
        {"type": "response.output_text.done", **there, "text": "Hello", "logprobs": []},
        {"type": "response.output_item.done", "output_index": 0, "item": spoken},
        {"type": "response.output_item.added", "output_index": 1, "item": call},
        {
            "type": "response.function_call_arguments.delta",
            "item_id": "f1",
            "output_index": 1,
            "delta": called["arguments"],
        },
        {"type": "response.output_item.done", "output_index": 1, "item": called},
        {"type": "response.completed", "response": {**RESPONSE, "output": [spoken, called], "usage": usage}},
    )
    echo.answers.append(streamed(*told, pause=0.001))
    tool: Any = {"type": "function", **TOOL["function"], "strict": False}
    async with gpt.responses.stream(model="m", input=ABOUT_BREAD, tools=[tool], store=False) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert kinds.count("response.output_text.delta") == 2
    assert final.output_text == "Hello"
    assert final.usage is not None
    assert final.usage.total_tokens == 7
    assert final.output[1].to_dict()["arguments"] == called["arguments"]
    asked = echo.seen[0].json
    assert (asked["instructions"], asked["input"], asked["stream"], asked["store"]) == (SLOT, ABOUT_BREAD, True, False)
    assert asked["tools"][0]["name"] == "van"


async def test_what_is_asked_of_the_gateway_works_in_streams_and_responses(
    gpt: openai.AsyncOpenAI, echo: Echo, library: Library
) -> None:
    live = library.live()
    assert live is not None
    wishes = {"preceptor": {"release": live.hash[:12], "explain": True, "conversation": "order-1"}}
    echo.answers += [streamed(chunk("Hi"), DONE), said(orjson.dumps(RESPONSE))]
    stream = await gpt.chat.completions.create(model="m", messages=MESSAGES, stream=True, extra_body=wishes)
    assert orjson.loads(stream.response.headers["x-preceptor-explain"])["teaching"] == "on"
    assert stream.response.headers["content-type"] == EVENTS[1].decode()
    assert [event.choices[0].delta.content async for event in stream] == ["Hi"]
    by_header = {f"x-preceptor-{name}": str(value) for name, value in wishes["preceptor"].items()}
    answer = await gpt.responses.with_raw_response.create(model="m", input=ABOUT_BREAD, extra_headers=by_header)
    told = orjson.loads(answer.headers["x-preceptor-explain"])
    assert (told["teaching"], len(told["strategies"])) == ("on", 2)
    assert answer.headers["x-preceptor-conversation"] == stream.response.headers["x-preceptor-conversation"]
    assert echo.seen[0].json == {"model": "m", "messages": TAUGHT, "stream": True}
    assert echo.seen[1].json == {"model": "m", "input": ABOUT_BREAD, "instructions": SLOT}
    assert not [name for seen in echo.seen for name in seen.headers if name.startswith("x-preceptor")]
