"""An HTTP endpoint as tools: a real one on this machine, and answers nobody would give."""

import json
import socket
from collections.abc import AsyncIterator

import anyio
import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from places import reserved
from preceptor.dialogue.tools.backend import Visit
from preceptor.dialogue.tools.http import LONGEST, HttpTools
from preceptor.errors import ToolFailed, UserError

pytestmark = pytest.mark.anyio
HERE = Visit("co-1", "cu-1", "bill", 4)


async def answer(request: Request) -> Response:
    asked = await request.json()
    if asked["arguments"].get("number") == 13:
        return JSONResponse({"error": "There is no order 13."}, 404)
    heard = {name: request.headers.get(name) for name in ("authorization", "idempotency-key")}
    return JSONResponse({"asked": asked, "heard": heard})


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """A server on a free port."""
    place = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(Starlette(routes=[Route("/t", answer, methods=["POST"])]), log_level="error")
    )
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve, [place])
        while not server.started:  # noqa: ASYNC110 (it tells nobody)
            await anyio.sleep(0.01)
        yield f"http://127.0.0.1:{place.getsockname()[1]}/t"
        server.should_exit = True


async def test_a_call_is_posted_and_its_answer_is_the_result(url: str) -> None:
    tools = HttpTools(url, "s3cret-key")
    try:
        told = json.loads(await tools.call("get_order", {"number": 7}, HERE, "k1"))
        with pytest.raises(ToolFailed, match=r"There is no order 13\.") as failed:
            await tools.call("get_order", {"number": 13}, HERE, "k2")
        assert failed.value.why == "refused"
    finally:
        await tools.aclose()
    assert told["asked"] == {
        "name": "get_order",
        "arguments": {"number": 7},
        "conversation": "co-1",
        "customer": {"key": "cu-1", "topic": "bill", "seed": 4},
    }
    assert told["heard"] == {"authorization": "Bearer [key]", "idempotency-key": "k1"}, "the key is not told"


async def test_nobody_there() -> None:
    with reserved() as port:
        tools = HttpTools(f"http://127.0.0.1:{port}/")
        with pytest.raises(UserError, match="does not answer"):
            await tools.call("get_order", {}, HERE, "k")
    await tools.aclose()


async def test_somebody_there_who_hangs_up() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadError("gone")

    tools = HttpTools("http://tools.example/", transport=httpx2.MockTransport(answer))
    with pytest.raises(ToolFailed, match="not known whether this was done") as failed:
        await tools.call("get_order", {}, HERE, "k")
    assert (failed.value.why, failed.value.about) == ("unreachable", "ReadError")


@pytest.mark.parametrize(
    ("response", "told", "about"),
    [
        (httpx2.Response(500, text="Traceback: password=hunter2"), "The tool failed.", "HTTP 500"),
        (httpx2.Response(500, json={"error": "password=hunter2"}), "The tool failed.", "HTTP 500"),
        (httpx2.Response(404, text="<html>"), "The tool failed.", "HTTP 404"),
        (httpx2.Response(400, json={"error": {"code": 3}}), "The tool failed.", "HTTP 400"),
        (httpx2.Response(302, headers={"location": "http://127.0.0.1:1/"}), "The tool failed.", "HTTP 302"),
        (httpx2.Response(422, json={"error": "Too late."}), "Too late.", ""),
    ],
)
async def test_what_is_no_result(response: httpx2.Response, told: str, about: str) -> None:
    tools = HttpTools("http://tools.example/", transport=httpx2.MockTransport(lambda _: response))
    with pytest.raises(ToolFailed) as failed:
        await tools.call("get_order", {}, HERE, "k")
    assert (str(failed.value), failed.value.about) == (told, about)


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    read = 0

    class Endless(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal read
            while True:
                read += 1
                yield b"x" * 65_536

    tools = HttpTools(
        "http://t.example/", transport=httpx2.MockTransport(lambda _: httpx2.Response(200, stream=Endless()))
    )
    assert len(await tools.call("get_order", {}, HERE, "k")) == LONGEST
    assert read < 20


async def test_bytes_that_are_no_text() -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=b"\xff\xfeok"))
    assert (await HttpTools("http://t.example/", transport=transport).call("a", {}, HERE, "k")).endswith("ok")


@pytest.mark.parametrize(
    "fault", [httpx2.ConnectTimeout(""), httpx2.ProxyError("refused"), httpx2.UnsupportedProtocol("no scheme")]
)
async def test_what_was_never_sent_was_not_done(fault: httpx2.HTTPError) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        raise fault

    tools = HttpTools("http://tools.example/", transport=httpx2.MockTransport(answer))
    with pytest.raises(UserError, match=r"does not answer: \w"):
        await tools.call("get_order", {}, HERE, "k")


async def test_a_key_that_cannot_be_sent_is_not_told_either() -> None:
    """As read from a file, with the line's end."""
    with socket.create_server(("127.0.0.1", 0)) as place:
        tools = HttpTools(f"http://127.0.0.1:{place.getsockname()[1]}/", key="k3y-of-ours\n")
        with pytest.raises(UserError, match=r"does not answer: .*\[key\]") as failed:
            await tools.call("get_order", {}, HERE, "k")
        await tools.aclose()
    assert "k3y" not in str(failed.value)
