"""Conversations written down: once each, readable by what teaches from logs, without customers' data."""

from pathlib import Path
from typing import Any

import openai
import orjson
import pytest

from preceptor.library.store import Library
from preceptor.logs.readers import read
from preceptor.serving.lines import Lines
from preceptor.serving.recording import Recorder, reply

from .stage import ABOUT_BREAD, LATE, Echo, behind, chunk, plain, said, streamed

pytestmark = pytest.mark.anyio
MINE = f"{ABOUT_BREAD} My address is jo@shop.example, order 48213."


def whole(text: str) -> bytes:
    message = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return orjson.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [message]})


async def talk(database: Path, place: Path, **more: Any) -> Echo:
    """Two customers who open alike, one of whom goes on; a stream in between."""
    echo = Echo()
    async with (
        behind(echo, database, beside=[Recorder(Lines(place), **more)]) as (url, _),
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as client,
    ):
        first: list[Any] = [{"role": "system", "content": "You serve."}, {"role": "user", "content": MINE}]
        echo.answers.append(said(whole("Order 48213: which shop?")))
        await client.chat.completions.create(model="m", messages=first)
        first += [{"role": "assistant", "content": "Order 48213: which shop?"}, {"role": "user", "content": "Mine."}]
        echo.answers.append(streamed(chunk("It is "), chunk("coming."), b"data: [DONE]\n\n"))
        async for _ in await client.chat.completions.create(model="m", messages=first, stream=True):
            pass
        echo.answers.append(said(whole("Hello.")))
        await client.chat.completions.create(model="m", messages=[{"role": "user", "content": MINE}])
        echo.answers.append(said(b'{"error":{"message":"no"}}', status=400))
        with pytest.raises(openai.BadRequestError):
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Failed."}])
    return echo


async def test_each_is_written_once_and_read_by_teaching(library: Library, database: Path, tmp_path: Path) -> None:
    await talk(database, tmp_path / "talks.jsonl", redacted=False)
    log = read(tmp_path / "talks.jsonl")
    long, short = sorted(log, key=lambda one: -len(one.turns))
    assert [turn.text for turn in long.turns] == [MINE, "Order 48213: which shop?", "Mine.", "It is coming."]
    assert [turn.text for turn in short.turns] == [MINE, "Hello."]
    assert log.skipped_rows == 0
    assert "teaching:on" in long.tags


async def test_what_only_a_tool_was_told_is_replaced(library: Library, database: Path, tmp_path: Path) -> None:
    """A password is one by its field's name alone."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"password": "sunnyday"}'}}
    turns: list[Any] = [
        {"role": "user", "content": ABOUT_BREAD},
        {"role": "assistant", "content": None, "tool_calls": [call]},
    ]
    turns.append({"role": "tool", "tool_call_id": "c", "content": "let in with sunnyday"})
    echo = Echo([said(whole("Done."))])
    recorder = Recorder(Lines(tmp_path / "talks.jsonl"))
    async with behind(echo, database, beside=[recorder]) as (url, _), plain() as session:
        body = orjson.dumps({"model": "m", "messages": turns})
        async with session.post(f"{url}/v1/chat/completions", data=body) as answer:
            assert answer.status == 200
    written = (tmp_path / "talks.jsonl").read_text()
    assert "sunnyday" not in written
    assert written.count("[login 1]") == 2


async def test_customers_data_is_replaced(library: Library, database: Path, tmp_path: Path) -> None:
    await talk(database, tmp_path / "talks.jsonl")
    written = " ".join(turn.text for one in read(tmp_path / "talks.jsonl") for turn in one.turns)
    assert ABOUT_BREAD in written
    for data in ("jo@shop.example", "48213", "You serve", LATE):
        assert data not in written


def test_replies_of_every_protocol_are_read() -> None:
    anthropic = b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"Hi"}}\n\n'
    responses = b'data: {"type":"response.output_text.delta","delta":"Hi"}\n\n'
    output = {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}
    for tape in (
        anthropic,
        responses,
        chunk("Hi"),
        whole("Hi"),
        orjson.dumps({"object": "response", "output": [output]}),
        orjson.dumps({"type": "message", "content": [{"type": "text", "text": "Hi"}]}),
    ):
        assert reply(tape) == {"role": "assistant", "content": "Hi"}
    assert reply(b"nonsense") is None


async def test_what_has_no_known_form_is_counted_and_harms_nothing(
    library: Library, database: Path, tmp_path: Path
) -> None:
    echo, recorder = Echo(), Recorder(Lines(tmp_path / "talks.jsonl"))
    strange: list[Any] = [
        {"choices": ["x"]},
        {"choices": [{"message": "x"}]},
        {"choices": [{"message": {"content": "x", "tool_calls": [7]}}]},
    ]
    async with behind(echo, database, beside=[recorder]) as (url, _), plain() as session:
        for body in strange:
            echo.answers.append(said(orjson.dumps(body)))
            asked = {"messages": [{"role": "user", "content": "Hi"}]}
            async with session.post(f"{url}/v1/chat/completions", json=asked) as answer:
                assert await answer.json() == body
        cut = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": "x"}]}
        async with session.post(f"{url}/v1/chat/completions", json=cut) as answer:
            assert answer.status == 200
    assert recorder.lost == 4


def test_a_tool_call_comes_in_pieces() -> None:
    pieces = [
        {"index": 0, "id": "c1", "function": {"name": "look", "arguments": ""}},
        {"index": 0, "function": {"arguments": "{}"}},
    ]
    tape = b"".join(
        b"data: " + orjson.dumps({"choices": [{"delta": {"tool_calls": [piece]}}]}) + b"\n\n" for piece in pieces
    )
    said_so = reply(tape)
    assert said_so is not None
    assert said_so["tool_calls"] == [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
