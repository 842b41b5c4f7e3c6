"""Upstreams that fail, stall, cut or are many; clients that leave."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import openai
import orjson
import pytest

from places import reserved
from preceptor.library.store import Library
from preceptor.serving.upstream import Upstream

from .stage import LONGEST, Echo, behind, chunk, gateway, heard, plain, raw, said, served, streamed

pytestmark = pytest.mark.anyio
BODY = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "Where is my bread?"}]})
STREAM = orjson.dumps({**orjson.loads(BODY), "stream": True})
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


async def ask(url: str, body: bytes = BODY) -> tuple[int, bytes, aiohttp.ClientResponse]:
    async with plain() as session, session.post(f"{url}/v1/chat/completions", data=body) as answer:
        return answer.status, await answer.read(), answer


@pytest.mark.parametrize("body", [BODY, STREAM])
async def test_a_client_that_hangs_up_ends_the_upstreams_call(body: bytes) -> None:
    echo = Echo([said(wait=60) if body is BODY else streamed(chunk("Hel"), endless=True), said()])
    async with behind(echo, None) as (url, ours), plain() as session:
        asking = asyncio.create_task(session.post(f"{url}/v1/chat/completions", data=body))
        await echo.asked.wait()
        if body is STREAM:
            answer = await asking
            assert await answer.content.readany() == chunk("Hel")
            answer.close()
        asking.cancel()
        async with asyncio.timeout(LONGEST):
            await echo.left.wait()
        assert (await ask(url))[0] == 200
        assert ours.upstreams.lines[0].running == 0


async def test_an_idle_connection_that_was_closed_is_replaced() -> None:
    """The upstream closes each connection after one answer, without saying so."""
    connections = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await heard(reader)
        writer.write(OK)
        await writer.drain()
        await reader.read(1)

    async with raw(handle) as upstream, served(gateway(None, upstream), lifespan=True) as url:
        assert [(await ask(url))[0] for _ in range(3)] == [200, 200, 200]
    assert connections >= 3


async def cut_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await heard(reader)


async def cut_in_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await heard(reader)
    writer.write(OK.replace(b"length: 2", b"length: 99"))


async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await heard(reader)
    writer.write(b"\x00\x01 what?\r\n\r\n")


@pytest.mark.parametrize("handle", [cut_at_once, cut_in_body, nonsense])
async def test_an_answer_that_is_none_is_told_in_the_protocols_shape(handle: Handle) -> None:
    async with raw(handle) as upstream, served(gateway(None, upstream), lifespan=True) as url:
        status, body, _ = await ask(url)
        assert status == 502
        assert orjson.loads(body)["error"]["code"] == "upstream_broke_off"
        assert "127.0.0.1" not in str(body)


async def test_an_upstream_that_is_silent_or_not_there() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        await reader.read(1)

    async with raw(silent) as place:
        ours = gateway(None, upstreams=[Upstream("slow", place, timeout=0.2)])
        async with served(ours, lifespan=True) as url:
            status, body, _ = await ask(url)
            assert (status, orjson.loads(body)["error"]["code"]) == (504, "upstream_timeout")
    with reserved() as port:
        async with served(gateway(None, f"http://127.0.0.1:{port}"), lifespan=True) as url:
            status, body, _ = await ask(url)
        assert (status, orjson.loads(body)["error"]["code"]) == (502, "upstream_unreachable")


async def test_a_stream_cut_between_events_says_so_and_within_one_is_cut() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    event = chunk("Hel")

    def cut(piece: bytes) -> Handle:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await heard(reader)
            writer.write(head + b"%x\r\n%s\r\n" % (len(piece), piece))

        return handle

    async with raw(cut(event)) as upstream, served(gateway(None, upstream), lifespan=True) as url:
        client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0)
        stream = await client.chat.completions.create(
            model="m", messages=[], stream=True, extra_body=orjson.loads(STREAM)
        )
        assert (await anext(stream)).choices[0].delta.content == "Hel"
        with pytest.raises(openai.APIError, match="broke off"):
            await anext(stream)
        await client.close()
    async with raw(cut(event[:-9])) as upstream, served(gateway(None, upstream), lifespan=True) as url:
        with pytest.raises(aiohttp.ClientError):
            await ask(url, STREAM)


async def test_another_upstream_helps_out_before_the_first_byte(library: Library, database: Path) -> None:
    broken, helper = Echo([said(b"{}", 503), said(b"{}", 500)]), Echo()
    async with served(broken) as first, served(helper) as second, raw(cut_in_body) as third:
        lines = [
            Upstream("broken", f"{first}/v1"),
            Upstream("teacher", f"{second}/v1", model="large", weight=0.0),
        ]
        async with served(gateway(database, upstreams=lines), lifespan=True) as url:
            assert (await ask(url))[0] == 200
            assert (await ask(url))[0] == 200
        assert [seen.json["model"] for seen in helper.seen] == ["large", "large"]
        assert len(broken.seen) == 2
        assert {**helper.seen[0].json, "model": "m"} == broken.seen[0].json
        lines[0] = Upstream("cuts", f"{third}/v1")
        async with served(gateway(None, upstreams=lines), lifespan=True) as url:
            assert (await ask(url))[0] == 200


async def test_an_upstream_that_fails_again_and_again_is_left_alone() -> None:
    first, second = Echo([said(b"{}", 500)] * 50), Echo()
    async with served(first) as one, served(second) as two:
        lines = [Upstream("first", f"{one}/v1", weight=1e9), Upstream("second", f"{two}/v1", weight=1.0)]
        async with served(gateway(None, upstreams=lines), lifespan=True) as url:
            for _ in range(10):
                assert (await ask(url))[0] == 200
    assert (len(first.seen), len(second.seen)) == (3, 10)


async def test_upstreams_answer_for_their_models_and_by_their_weights() -> None:
    one, two, three = Echo(), Echo(), Echo()
    async with served(one) as first, served(two) as second, served(three) as third:
        lines = [
            Upstream("one", f"{first}/v1", weight=3.0, models=frozenset({"m"})),
            Upstream("two", f"{second}/v1", models=frozenset({"m"})),
            Upstream("three", f"{third}/v1", models=frozenset({"x"})),
        ]
        async with served(gateway(None, upstreams=lines), lifespan=True) as url:
            for _ in range(60):
                assert (await ask(url))[0] == 200
            status, body, _ = await ask(url, BODY.replace(b'"m"', b'"y"'))
            assert (status, orjson.loads(body)["error"]["code"]) == (404, "model_not_found")
    assert len(one.seen) + len(two.seen) == 60
    assert len(one.seen) > 1.5 * len(two.seen) > 0
    assert not three.seen


async def test_what_waits_is_bounded() -> None:
    echo = Echo([said(wait=60)])
    async with served(echo) as place:
        ours = gateway(None, upstreams=[Upstream("one", f"{place}/v1", most=1, waiting=0)])
        async with served(ours, lifespan=True) as url:
            first = asyncio.create_task(ask(url))
            await echo.asked.wait()
            for path, more in (("chat/completions", {}), ("messages", {"stream": True}), ("responses", {"input": "x"})):
                asked = orjson.dumps({**orjson.loads(BODY), **more})
                async with plain() as session, session.post(f"{url}/v1/{path}", data=asked) as answer:
                    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
                    told = await answer.json()
                    assert told["error"]["type"] == "overloaded_error"
                    assert (told.get("type") == "error") == (path == "messages")
            assert len(echo.seen) == 1
            first.cancel()
