"""Clients and upstreams that mean ill or are broken, on real sockets: each is told clearly, in the protocol's shape,
and whoever else is served meanwhile does not notice."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, cast

import aiohttp
import orjson
import pytest

from preceptor.library.store import Library
from preceptor.serving.app import Bounds
from preceptor.serving.upstream import Upstream
from preceptor.serving.wire import Patience

from .stage import ABOUT_BREAD, EVENTS, LONGEST, SHORT, Echo, behind, chunk, gateway, heard, plain, raw, served

pytestmark = pytest.mark.anyio
GOOD = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": ABOUT_BREAD}]})
CHAT, ANTHROPIC = "/v1/chat/completions", "/v1/messages"
BOUNDS = Bounds(body=1 << 20, seconds=LONGEST)
PATIENCE = Patience(head=8 << 10, head_seconds=LONGEST, taking_seconds=0.3)
Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@pytest.fixture
async def url(library: Library, database: Path) -> AsyncIterator[str]:
    async with behind(Echo(), database, BOUNDS, PATIENCE) as (place, _), unharmed(place):
        yield place


@contextlib.asynccontextmanager
async def unharmed(url: str) -> AsyncIterator[None]:
    """Good requests all the while, each of which must be answered. Each is sent in one piece, so that no bound on how
    long it may take to come in is too short for it, however busy the machine is."""
    stop = asyncio.Event()

    async def ask() -> int:
        count = 0
        while count < 3 or not stop.is_set():
            reader, writer = await connected(url)
            writer.write(post(GOOD))
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 200 "), head
            assert b"\r\nx-preceptor-teaching: on\r\n" in head
            writer.close()
            count += 1
            await asyncio.sleep(0.01)
        return count

    asking = asyncio.create_task(ask())
    yield
    stop.set()
    async with asyncio.timeout(LONGEST):
        assert await asking >= 3


async def connected(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


async def said_to(url: str, *pieces: bytes, eof: bool = False) -> tuple[int, Any]:
    """Say bytes; the status of the answer and its body as JSON. 0: the connection was closed without one."""
    reader, writer = await connected(url)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if eof:
            writer.write_eof()
        async with asyncio.timeout(LONGEST):
            return await answered(reader)
    finally:
        writer.close()


async def answered(reader: asyncio.StreamReader) -> tuple[int, Any]:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return 0, None
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    assert b"application/json" in head
    return int(head.split()[1]), orjson.loads(await reader.readexactly(int(length.split(b":")[1])))


async def posted(url: str, data: bytes = GOOD, path: str = CHAT) -> tuple[int, bytes, Mapping[str, str]]:
    """Ask as ordinary clients do."""
    async with plain() as session, session.post(url + path, data=data) as got:
        return got.status, await got.read(), got.headers


def post(body: bytes, *headers: bytes, path: str = CHAT) -> bytes:
    lines = [b"POST " + path.encode() + b" HTTP/1.1", b"host: x", *headers]
    return b"\r\n".join([*lines, b"content-length: %d" % len(body), b"", body])


def is_openai(told: Any) -> bool:
    return set(told) == {"error"} and set(told["error"]) == {"message", "type", "param", "code"}


def is_anthropic(told: Any) -> bool:
    return set(told) == {"type", "error"} and set(told["error"]) == {"message", "type"}


# -- bodies -----------------------------------------------------------------------------------------------------------

BODIES = {
    "cut": GOOD[:-1],
    "no JSON": b"<?xml version='1.0'?>",
    "a list": b"[1]",
    "wrong types": b'{"model":["m"],"messages":[{"role":"user"}]}',
    "messages of numbers": b'{"messages":[1,2]}',
    "deep": b'{"messages":' + b'[{"role":"user","content":' * 20_000,
    "deep and whole": b'{"x":' + b"[" * 50_000 + b"]" * 50_000 + b',"messages":[{"role":"user"}]}',
    "a huge number": b'{"n":' + b"9" * 10_000 + b',"messages":[{"role":"user"}]}',
    "not UTF-8": b'{"messages":[{"role":"user","content":"\xed\xa0\x80"}]}',
    "a bare surrogate in a key of ours": b'{"preceptor":{"\\ud800":1},"messages":[{"role":"user"}]}',
}


@pytest.mark.parametrize("name", BODIES)
async def test_bodies_that_cannot_be_meant(url: str, name: str) -> None:
    for path, shaped in ((CHAT, is_openai), (ANTHROPIC, is_anthropic)):
        status, told = await said_to(url, post(BODIES[name], path=path))
        assert status == 400
        assert shaped(told)
        assert told["error"]["message"]


@pytest.mark.parametrize(
    "part",
    [
        b'"n":NaN,"x":-Infinity',
        b'"n":1e999,"x":-0.0',
        b'"model":"m","model":"m"',
        b'"x":"\\ud83d","\\udc00":1',
        b'"messages":[],"x":1',
        b'"stream":"yes","temperature":[],"n":-99999999999999999999',
    ],
)
async def test_oddities_of_others_pass_as_they_are(library: Library, database: Path, part: bytes) -> None:
    """What a key given twice, half a character or no number mean is the upstream's to say; the last of two counts."""
    echo = Echo()
    body = b"{" + part + b',"messages":[{"role":"user","content":"' + ABOUT_BREAD.encode() + b'"}]}'
    async with behind(echo, database, BOUNDS) as (url, _):
        status, _, headers = await posted(url, body)
    assert status == 200
    assert headers["x-preceptor-teaching"] == "on"
    assert part in echo.seen[-1].body


async def test_long_bodies_are_refused_before_they_are_there(library: Library, database: Path) -> None:
    echo = Echo()
    async with behind(echo, database, Bounds(body=1 << 20, seconds=LONGEST)) as (url, _), unharmed(url):
        reader, writer = await connected(url)
        # Of 50 MB, nothing but the head is sent.
        writer.write(post(b"", path=CHAT).replace(b"content-length: 0", b"content-length: 50000000"))
        async with asyncio.timeout(LONGEST):
            status, told = await answered(reader)
        assert (status, told["error"]["code"]) == (413, "body_too_long")
        assert "1 MiB" in told["error"]["message"]
        # Who goes on all the same is read past, and may ask again.
        for _ in range(50):
            writer.write(b" " * 1_000_000)
            await writer.drain()
        writer.write(post(GOOD))
        async with asyncio.timeout(LONGEST):
            assert (await answered(reader))[0] == 200
        writer.close()
        # Without a length it takes reading, but no more than the limit.
        head = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        status, told = await said_to(url, head, *[b"10000\r\n" + b" " * 0x10000 + b"\r\n"] * 20)
        assert status == 413
        assert is_anthropic(told)
        assert not [seen for seen in echo.seen if seen.body != echo.seen[0].body]


async def test_ordinary_clients_hear_that_their_body_is_too_long(url: str) -> None:
    async with plain() as session, session.post(url + CHAT, data=io.BytesIO(b" " * 50_000_000)) as answer:
        assert answer.status == 413
        assert is_openai(await answer.json())


# -- connections ------------------------------------------------------------------------------------------------------


async def test_slow_heads_and_bodies_end(library: Library, database: Path) -> None:
    bounds, patience = Bounds(seconds=0.3), Patience(head_seconds=0.3, taking_seconds=LONGEST)
    async with behind(Echo(), database, bounds, patience) as (url, _), unharmed(url):
        status, told = await said_to(url, b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-slow: ")
        assert status == 408
        assert is_anthropic(told)
        assert (await said_to(url, b"\r\n\r\n"))[0] == 408
        status, told = await said_to(url, post(GOOD)[:-10])
        assert (status, told["error"]["code"]) == (408, "slow_body")
        reader, writer = await connected(url)
        writer.write(post(GOOD))
        assert (await answered(reader))[0] == 200
        # A second request of the same connection that does not come along, either.
        writer.write(b"POST ")
        async with asyncio.timeout(LONGEST):
            assert (await answered(reader))[0] == 408
        writer.close()


async def test_heads_without_end_are_refused(url: str) -> None:
    flood = [b"x-%d: %s\r\n" % (n, b"y" * 100) for n in range(200)]
    for pieces in (
        [b"GET /v1/models HTTP/1.1\r\nhost: x\r\n", *flood],
        [b"GET /v1/models HTTP/1.1\r\nhost: x\r\n" + b"".join(flood) + b"\r\n"],
        [b"GET /" + b"a" * 20_000],
        [b"GET / HTTP/1.1\r\nx: ", *[b"y" * 1000] * 20],
    ):
        status, told = await said_to(url, *pieces)
        assert (status, told["error"]["code"]) == (431, "headers_too_long")
        assert "8 KiB" in told["error"]["message"]


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
SMUGGLED = b"0\r\n\r\nGET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n" + SMUGGLED,
        HEAD + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n" + SMUGGLED,
        HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\n" + SMUGGLED,
        HEAD + b"content-length: 5, 6\r\n\r\n" + SMUGGLED,
        HEAD + b"content-length: -1\r\n\r\n",
        HEAD + b"content-length: +5\r\n\r\n12345",
        HEAD + b"content-length: 99999999999999999999999\r\n\r\n",
        HEAD + b"transfer-encoding: chunked, identity\r\n\r\n" + SMUGGLED,
        HEAD + b"transfer-encoding: xchunked\r\n\r\n" + SMUGGLED,
        HEAD + b"transfer-encoding : chunked\r\n\r\n" + SMUGGLED,
        HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\n2\n{}\n0\n\n",
        HEAD + b" folded: x\r\n\r\n",
        HEAD + b"x\x00y: z\r\n\r\n",
        HEAD + b"x: a\x00b\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /v1/models HTTP/9.9\r\nhost: x\r\n\r\n",
    ],
)
async def test_two_readings_of_a_request_are_refused(url: str, data: bytes) -> None:
    reader, writer = await connected(url)
    writer.write(data)
    async with asyncio.timeout(LONGEST):
        status, told = await answered(reader)
        assert (status, told["error"]["code"]) == (400, "malformed_http")
        # Nothing that was smuggled is answered: the connection ends.
        assert await reader.read() == b""
    writer.close()


async def test_trailers_change_nothing(library: Library, database: Path) -> None:
    echo = Echo()
    body = b"%x\r\n%s\r\n0\r\n" % (len(GOOD), GOOD)
    trailers = b"x-preceptor-teaching: off\r\nx-organisation: evil\r\n\r\n"
    async with behind(echo, database) as (url, _):
        assert (await said_to(url, HEAD + b"transfer-encoding: chunked\r\n\r\n" + body + trailers))[0] == 200
    assert "x-organisation" not in echo.seen[0].headers
    assert echo.seen[0].body != GOOD


async def test_upgrades_are_not_taken_and_harm_nothing(url: str) -> None:
    """Java's client asks for HTTP/2 with each first request, and means the request."""
    reader, writer = await connected(url)
    upgrade = (b"connection: Upgrade, HTTP2-Settings", b"upgrade: h2c", b"http2-settings: AAEAAEAAAAIAAAABAAMAAABkAAQ")
    for headers in (upgrade, upgrade, ()):
        writer.write(post(GOOD, *headers))
        async with asyncio.timeout(LONGEST):
            assert (await answered(reader))[0] == 200
    writer.close()


async def test_half_closed_and_broken_connections(url: str) -> None:
    whole = post(GOOD)
    for cut in (0, 5, len(whole) - len(GOOD), len(whole) - 1, len(whole)):
        status, _ = await said_to(url, whole[:cut], eof=True)
        assert status in (0, 200, 408)
        _, writer = await connected(url)
        writer.write(whole[:cut])
        writer.transport.abort()


async def test_a_client_that_takes_nothing_is_cut_off(library: Library, database: Path) -> None:
    """Without a bound it would hold its call to the upstream for as long as it likes."""

    async def endless(send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [EVENTS]})
        while True:
            await send({"type": "http.response.body", "body": chunk("x" * 65536), "more_body": True})
            await asyncio.sleep(0)

    echo = Echo([endless])
    async with behind(echo, database, BOUNDS, PATIENCE) as (url, ours):
        reader, writer = await connected(url)
        writer.write(post(GOOD))
        await reader.readexactly(10)
        cast(asyncio.Transport, writer.transport).pause_reading()
        async with unharmed(url), asyncio.timeout(LONGEST):
            await echo.left.wait()
        assert ours.upstreams.lines[0].running == 0
        writer.close()


async def test_wire_faults_are_counted(library: Library, database: Path) -> None:
    async with behind(Echo(), database, BOUNDS, PATIENCE) as (url, _):
        await said_to(url, b"GARBAGE\r\n\r\n")
        async with plain() as session, session.get(f"{url}/metrics") as answer:
            assert 'preceptor_refusals_total{reason="malformed_http"} 1.0' in await answer.text()


# -- upstreams --------------------------------------------------------------------------------------------------------


def wire(data: bytes, *, stall: bool = False) -> Handle:
    """An upstream that says these bytes, and then closes or says no more."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(data)
        await writer.drain()
        if stall:
            await reader.read(1)

    return handle


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, *(headers or (b"content-type: application/json",))]
    return b"\r\n".join([*lines, b"content-length: %d" % len(body), b"", body])


JSON = b"content-type: application/json"
NONSENSE = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "not JSON": answer(b"Hello."),
    "half of it": answer(b'{"id":"1","choices":['),
    "nothing": answer(b""),
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "a page": answer(b"<html></html>", b"content-type: text/html"),
    "a page without a length": b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<html>",
    "a giant header": answer(b"{}", JSON, b"x-big: " + b"y" * 100_000),
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000,
    "a header that is no text": answer(b"{}", JSON, b"x-odd: a\x01b"),
    "a status there is not": answer(b"{}", JSON, status=b"999 What"),
    "another status there is not": answer(b"{}", JSON, status=b"99 What"),
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n{}",
    "both lengths": b"HTTP/1.1 200 OK\r\n" + JSON + b"\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{} ",
    "bad chunks": b"HTTP/1.1 200 OK\r\n" + JSON + b"\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}",
    "a cut body": b"HTTP/1.1 200 OK\r\n" + JSON + b"\r\ncontent-length: 20\r\n\r\n{",
    "an early end": b"",
}


@pytest.mark.parametrize("name", NONSENSE)
async def test_upstreams_that_make_no_sense(name: str) -> None:
    async with raw(wire(NONSENSE[name])) as odd, served(gateway(None, odd), lifespan=True) as url, plain() as session:
        for path, shaped in ((CHAT, is_openai), (ANTHROPIC, is_anthropic)):
            async with session.post(url + path, data=GOOD) as got:
                if name == "bad chunks" and got.status == 200:
                    # Begun already: all there is left is to end the connection.
                    with pytest.raises(aiohttp.ClientPayloadError):
                        await got.read()
                    continue
                assert got.status == 502, await got.text()
                assert shaped(await got.json())
                assert "x-preceptor-upstream" not in got.headers


async def test_nonsense_is_asked_for_elsewhere(library: Library, database: Path) -> None:
    echo = Echo()
    async with raw(wire(NONSENSE["a page"])) as odd, served(echo) as good:
        lines = [Upstream("odd", f"{odd}/v1", weight=1), Upstream("good", f"{good}/v1", weight=0)]
        async with served(gateway(database, upstreams=lines), lifespan=True) as url, unharmed(url):
            pass
    assert len(echo.seen) >= 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_neither_followed_nor_passed_on(status: int) -> None:
    """With our key in hand we go nowhere an upstream sends us; and the client's key is not to go there, either."""
    elsewhere = Echo()
    async with served(elsewhere) as trap:
        to = f"location: {trap}/v1/chat/completions".encode()
        moved = wire(answer(b"{}", JSON, to, status=b"%d Moved" % status))
        async with raw(moved) as upstream, served(gateway(None, upstream), lifespan=True) as url:
            got, told, headers = await posted(url)
    assert got == 502
    assert "location" not in headers
    assert "base_url" in orjson.loads(told)["error"]["message"]
    assert not elsewhere.seen


async def test_interim_answers_are_passed_over() -> None:
    data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + answer(b'{"id":"1"}')
    async with raw(wire(data)) as upstream, served(gateway(None, upstream), lifespan=True) as url:
        assert (await posted(url))[:2] == (200, b'{"id":"1"}')


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'{"error":{"message":"overloaded","code":500}}', b"application/json"),
        (b'{"choices":"none","usage":"many"}', b"application/json; charset=utf-8"),
        (b'{"usage":{"prompt_tokens":1e999,"completion_tokens":-5},"id":[1]}', b"application/json"),
        (b"data: {not json\n\nevent: \xff\xfe\n\ndata: [1]\n\n: x\n\ndata: 3\n\n", b"text/event-stream"),
        (b"no events at all", b"text/event-stream"),
        (b'data: {"error":{"message":"overloaded"}}\n\n', b"text/event-stream"),
    ],
)
async def test_what_is_wrong_inside_an_answer_passes_as_it_is(data: bytes, kind: bytes) -> None:
    """An error with status 200, odd JSON, odd events: a client knows better than we what to make of them."""
    whole = answer(data, b"content-type: " + kind)
    async with raw(wire(whole)) as upstream, served(gateway(None, upstream), lifespan=True) as url, plain() as session:
        for path in (CHAT, ANTHROPIC, "/v1/embeddings"):
            async with session.post(url + path, data=GOOD) as got:
                assert (got.status, await got.read()) == (200, data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-",
        b"HTTP/1.1 200 OK\r\n" + JSON + b"\r\ncontent-length: 20\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + JSON + b"\r\ncontent-length: 20\r\n\r\n{",
    ],
)
async def test_upstreams_that_stall(data: bytes) -> None:
    async with raw(wire(data, stall=True)) as silent:
        lines = [Upstream("silent", f"{silent}/v1", timeout=0.2)]
        async with served(gateway(None, upstreams=lines), lifespan=True) as url:
            status, told, _ = await posted(url, path=ANTHROPIC)
    assert status == 504
    assert is_anthropic(orjson.loads(told))


@pytest.mark.parametrize(("path", "shape"), [(CHAT, b'data: {"error":{'), (ANTHROPIC, b"event: error\ndata: {")])
async def test_streams_that_stall_or_are_cut_say_so(path: str, shape: bytes) -> None:
    begun = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    event = chunk("Hel")
    data = begun + b"%x\r\n%s\r\n" % (len(event), event)
    for stall, patience in ((True, SHORT), (False, (LONGEST,))):
        told = b""
        for seconds in patience:
            async with raw(wire(data, stall=stall)) as upstream:
                lines = [Upstream("up", f"{upstream}/v1", timeout=seconds)]
                async with served(gateway(None, upstreams=lines), lifespan=True) as url:
                    status, told, _ = await posted(url, path=path)
            # A busy machine may not have come to the first event in time.
            if status == 200:
                break
        assert told.startswith(event + shape)
        assert told.endswith(b"\n\n")


async def test_one_bad_upstream_does_not_hold_up_another(library: Library, database: Path) -> None:
    """While calls to a silent upstream wait, everyone else is served."""
    async with raw(wire(b"", stall=True)) as silent, served(Echo()) as good:
        lines = [
            Upstream("silent", f"{silent}/v1", models=frozenset({"slow"}), timeout=0.5),
            Upstream("good", f"{good}/v1", models=frozenset({"m"})),
        ]
        slow = GOOD.replace(b'"m"', b'"slow"')
        async with served(gateway(database, upstreams=lines), lifespan=True) as url, unharmed(url), plain() as session:

            async def ask() -> int:
                async with session.post(url + CHAT, data=slow) as got:
                    return got.status

            assert set(await asyncio.gather(*(ask() for _ in range(50)))) == {504}
