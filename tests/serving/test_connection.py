"""Connections to upstreams: whatever comes over the wire, bytes go there and back as they are, at the slower's pace."""

import asyncio
import gc
import hashlib
import io
import shutil
import socket
import ssl
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from typing import ClassVar

import aiohttp
import anyio
import orjson
import pytest

from preceptor.errors import UserError
from preceptor.serving.access import Access, Caller
from preceptor.serving.connection import Broken, Place, Pool
from preceptor.serving.protocols import openai
from preceptor.serving.refusals import Refused
from preceptor.serving.upstream import Line, Upstream
from preceptor.serving.visit import Visit

from .stage import LONGEST, chunk, gateway, heard, plain, raw, served

pytestmark = pytest.mark.anyio
BODY = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "Where is my bread?"}]})
Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def told(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"content-length: %d" % len(body), *headers]
    return b"\r\n".join([*lines, b"", body])


def chunked(piece: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(piece), piece)


async def ask(url: str, body: bytes = BODY) -> tuple[int, bytes]:
    async with plain() as session, session.post(f"{url}/v1/chat/completions", data=io.BytesIO(body)) as answer:
        return answer.status, await answer.read()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONGEST):
        while not holds():  # noqa: ASYNC110 - what nothing in the gateway waits for has no event
            await asyncio.sleep(0.001)


def each(answer: Callable[[int], bytes]) -> Speak:
    """An upstream that answers the nth request, counted over all connections, with these bytes."""
    numbers = count()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await heard(reader)
            writer.write(answer(next(numbers)))
            await writer.drain()

    return speak


@pytest.fixture
async def ours() -> AsyncIterator[Callable[[Speak], Awaitable[str]]]:
    """A gateway in front of an upstream that speaks bytes."""
    async with AsyncExitStack() as stack:

        async def made(speak: Speak) -> str:
            upstream = await stack.enter_async_context(raw(speak))
            return await stack.enter_async_context(served(gateway(None, upstream), lifespan=True))

        yield made


Made = Callable[[Speak], Awaitable[str]]


async def test_a_connection_that_ends_as_it_is_used_again_is_replaced_once(ours: Made) -> None:
    """A server closes idle connections when it likes, be it at the moment that we write."""
    asked: list[int] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in count():
            await heard(reader)
            asked.append(number)
            if number:
                return
            writer.write(told(b"{}"))

    url = await ours(speak)
    assert [await ask(url) for _ in range(3)] == [(200, b"{}")] * 3
    assert asked == [0, 1, 0, 1, 0]


async def test_what_has_begun_to_answer_is_not_asked_again(ours: Made) -> None:
    asked: list[int] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in count():
            await heard(reader)
            asked.append(number)
            if number:
                writer.write(b"HTTP/1.1 200 OK\r\n")
                return
            writer.write(told(b"{}"))

    url = await ours(speak)
    assert await ask(url) == (200, b"{}")
    status, body = await ask(url)
    assert (status, orjson.loads(body)["error"]["code"]) == (502, "upstream_broke_off")
    assert asked == [0, 1]


@pytest.mark.parametrize("more", [told(b'"stale"'), b"HTTP/1.1 200 OK\r\n", b"HTTP", b"nonsense", b"\0"])
async def test_nobody_gets_an_answer_that_was_not_asked_for(ours: Made, more: bytes) -> None:
    url = await ours(each(lambda number: told(b"[%d]" % number) + more))
    assert [await ask(url) for _ in range(3)] == [(200, b"[%d]" % number) for number in range(3)]


async def test_nobody_gets_what_comes_while_nobody_asks() -> None:
    late = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(told(b"{}"))
        await late.wait()
        writer.write(told(b"{}", status=b"408 Request Timeout"))
        await reader.read()

    async with raw(speak) as url:
        pool = Pool(Place.of(url), 5, 5)
        connection = await pool.connect()
        await connection.ask(b"GET / HTTP/1.1\r\n\r\n", b"")
        assert await connection.whole() == b"{}"
        pool.put_back(connection)
        late.set()
        await until(lambda: not connection.usable)
        assert pool.idle() is None


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" + told(b"{}"),
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + told(b"{}"),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\nset-cookie: a=b\r\n\r\n",
        told(b"{}", b"connection: close"),
    ],
)
async def test_answers_in_every_form(ours: Made, said: bytes) -> None:
    url = await ours(each(lambda number: said))
    async with plain() as session:
        for _ in range(2):
            async with session.post(f"{url}/v1/chat/completions", data=BODY) as answer:
                assert (answer.status, await answer.read()) == (200, b"{}")
                assert not {"link", "set-cookie"} & {name.lower() for name in answer.headers}


async def test_an_answer_without_a_length_ends_with_its_connection(ours: Made) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{")
        await writer.drain()
        writer.write(b"}")

    url = await ours(speak)
    assert [await ask(url) for _ in range(2)] == [(200, b"{}")] * 2


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000,
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 40_000,
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n{}",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
async def test_what_is_no_answer_or_may_be_two_is_a_fault(ours: Made, said: bytes) -> None:
    status, body = await ask(await ours(each(lambda number: said)))
    assert (status, orjson.loads(body)["error"]["code"]) == (502, "upstream_broke_off")


async def test_events_are_passed_on_as_they_come_and_as_they_are(ours: Made) -> None:
    """Cut anywhere, several at a time; each piece is with the client before the upstream writes the next."""
    whole = b"".join(chunk(f"w{n} é") for n in range(6)) + b"data: [DONE]\n\n"
    cuts = [0, 1, 70, 71, 300, 302, 650, len(whole)]
    pieces = [whole[start:end] for start, end in pairwise(cuts)]
    there = asyncio.Semaphore(0)

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(EVENTS)
        for piece in pieces:
            wire = chunked(piece)
            # The frame of a piece is cut, too.
            writer.write(wire[:2])
            await writer.drain()
            writer.write(wire[2:])
            await there.acquire()
        writer.write(b"0\r\n\r\n")

    url = await ours(speak)
    async with plain() as session, session.post(f"{url}/v1/chat/completions", data=BODY) as answer:
        for piece in pieces:
            assert await answer.content.readexactly(len(piece)) == piece
            there.release()
        assert await answer.read() == b""


@pytest.mark.parametrize("size", [100, 40_000, 100_000, 5_000_000])
async def test_bodies_of_any_length_go_through(ours: Made, size: int) -> None:
    body = orjson.dumps({**orjson.loads(BODY), "x": "y" * size})

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            digest = hashlib.sha256(await heard(reader)).hexdigest()
            writer.write(told(orjson.dumps([digest])))

    url = await ours(speak)
    for _ in range(2):
        assert await ask(url, body) == (200, orjson.dumps([hashlib.sha256(body).hexdigest()]))


async def test_an_answer_before_the_body_was_read_is_passed_on(ours: Made) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(told(b"{}", status=b"413 Too Large"))
        await writer.drain()
        writer.write_eof()
        await reader.read()

    url = await ours(speak)
    assert await ask(url, orjson.dumps({**orjson.loads(BODY), "x": "y" * 20_000_000})) == (413, b"{}")


async def test_who_reads_slowly_stops_the_upstream(ours: Made) -> None:
    size, most = 1 << 18, 400
    stalled, sent, pumped, got = asyncio.Event(), 0, hashlib.sha256(), hashlib.sha256()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await heard(reader)
        writer.write(EVENTS)
        for number in range(most):
            piece = number.to_bytes(4, "big") * (size // 4)
            pumped.update(piece)
            writer.write(chunked(piece))
            try:
                await asyncio.wait_for(writer.drain(), 0.5)
            except TimeoutError:
                stalled.set()
                await writer.drain()
            sent += size
        writer.write(b"0\r\n\r\n")

    url = await ours(speak)
    async with plain() as session, session.post(f"{url}/v1/chat/completions", data=BODY) as answer:
        async with asyncio.timeout(LONGEST):
            await stalled.wait()
        assert sent < most * size
        async for piece in answer.content.iter_any():
            got.update(piece)
    assert sent == most * size
    assert got.digest() == pumped.digest()


async def test_a_silent_upstream_is_given_up_and_a_slow_one_is_not() -> None:
    """Patience is for silence: an answer that takes longer than it, but keeps coming, is read to its end."""

    async def slow(pause: float, silent: bool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(EVENTS)
        for _ in range(12):
            await asyncio.sleep(pause)
            writer.write(chunked(chunk("w")))
        if silent:
            await reader.read()
        writer.write(b"0\r\n\r\n")

    for seconds in (1.0, 10.0, 60.0):
        answers = []
        for silent in (False, True):
            async with raw(partial(slow, seconds / 10, silent)) as place:
                ours = gateway(None, upstreams=[Upstream("slow", place, timeout=seconds)])
                async with served(ours, lifespan=True) as url:
                    answers.append(await ask(url))
        (_, whole), (status, body) = answers
        # On a busy machine even what keeps coming may be late.
        if whole == chunk("w") * 12 and body.startswith(whole):
            break
    else:
        pytest.fail("what is slow is given up, too")
    assert status == 200
    assert b"upstream_timeout" in body


async def test_small_writes_are_not_held_back() -> None:
    """Nagle's algorithm would hold what comes after a head until the head is acknowledged."""
    async with raw(each(lambda number: told(b"{}"))) as url:
        connection = await Pool(Place.of(url), 5, 5).connect()
        assert connection.transport is not None
        wire = connection.transport.get_extra_info("socket")
        assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        connection.close()


async def test_a_lost_connection_says_so() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with raw(speak) as url:
        pool = Pool(Place.of(url), 5, 5)
        connection = await pool.connect()
        with pytest.raises(Broken):
            await connection.ask(b"GET / HTTP/1.1\r\n\r\n", b"")
        assert not connection.usable
        with pytest.raises(Broken):
            await connection.ask(b"GET / HTTP/1.1\r\n\r\n", b"")


async def test_a_client_that_leaves_while_it_waits_for_its_turn_leaves_no_trace() -> None:
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        asked.set()
        await reader.read()

    async with raw(silent) as place:
        ours = gateway(None, upstreams=[Upstream("one", place, most=1, waiting=5)])
        (line,) = ours.upstreams.lines
        async with served(ours, lifespan=True) as url:
            both = [asyncio.create_task(ask(url)) for _ in range(2)]
            await asked.wait()
            await until(lambda: line.running == 2)
            for one in both:
                one.cancel()
            await until(lambda: line.running == 0)


class Nobody(Access):
    """Lets nobody in."""

    def admit(self, headers: Mapping[bytes, bytes]) -> Caller:
        raise Refused(401, "No.", code="invalid_api_key")


async def test_rights_go_by_the_path_and_nothing_else(ours: Made) -> None:
    """A URL put together from headers leads whoever goes by it astray (Starlette's CVE-2026-48710)."""
    async with served(gateway(None, "http://127.0.0.1:9", access=Nobody()), lifespan=True) as url:
        place = url.removeprefix("http://").split(":")
        for target, host in (
            ("/v1/models", "x/healthz?"),
            ("/v1/models?/healthz", "healthz"),
            ("http://x/v1/models", "x"),
            ("/healthz/../v1/models", "x"),
            ("//healthz/v1/models", "x"),
            ("/v1/models#/healthz", "x"),
            ("/%761/models", "x"),
        ):
            reader, writer = await asyncio.open_connection(place[0], int(place[1]))
            writer.write(f"GET {target} HTTP/1.1\r\nhost: {host}\r\nx-forwarded-prefix: /healthz\r\n\r\n".encode())
            status = (await reader.readline()).split()[1]
            assert status in (b"401", b"404", b"400"), target
            writer.close()


def test_places() -> None:
    place = Place.of("https://[::1]:8443/v1/")
    assert (place.host, place.port, place.secure, place.name, place.base) == ("::1", 8443, True, "[::1]:8443", "/v1")
    assert Place.of("http://models").port == 80
    for wrong in ("models:8000", "ftp://models", "http://", "http://a:b/v1", "http://k:secret@models", "http://m?x"):
        with pytest.raises(UserError, match="no address"):
            Place.of(wrong)


def test_a_header_cannot_become_two() -> None:
    line = Line(Upstream("one", "http://models/v1", key="sk"))
    head = line.head("POST", "/chat/completions", openai.keyed, [(b"x", b"y")], b"{}")
    assert head == (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: models\r\naccept-encoding: identity\r\n"
        b"Authorization: Bearer sk\r\ncontent-length: 2\r\nx: y\r\n\r\n"
    )
    assert line.head("GET", "/a b\r\nc?d=é", openai.keyed, [], None).startswith(b"GET /v1/a%20b%0D%0Ac?d=%C3%A9 ")
    with pytest.raises(Refused):
        line.head("GET", "/models", openai.keyed, [(b"x", b"y\r\nauthorization: z")], None)


async def test_an_upstream_is_reached_by_any_of_its_addresses() -> None:
    """A name may have addresses that nobody listens at."""
    async with (
        raw(each(lambda number: told(b"{}"))) as url,
        served(gateway(None, url.replace("127.0.0.1", "localhost")), lifespan=True) as mine,
    ):
        assert await ask(mine) == (200, b"{}")


async def test_a_stream_that_is_not_read_to_its_end_takes_its_connection_along(ours: Made) -> None:
    gone = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(EVENTS + chunked(chunk("Hel")))
        await reader.read()
        gone.set()

    url = await ours(speak)
    async with aiohttp.ClientSession() as session:
        answer = await session.post(f"{url}/v1/chat/completions", data=BODY)
        assert await answer.content.readany() == chunk("Hel")
        answer.close()
        async with asyncio.timeout(LONGEST):
            await gone.wait()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made with openssl")
async def test_secure_upstreams_are_those_they_say_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        key,
        "-out",
        certificate,
    ]
    named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    await anyio.run_process([*made, *named])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    long = b'["' + b"x" * 300_000 + b'"]'
    async with raw(each(lambda number: told(long)), context) as url:
        port = url.rsplit(":", 1)[1]
        for name, trusted, status in (("localhost", True, 200), ("127.0.0.1", True, 502), ("localhost", False, 502)):
            monkeypatch.setenv("SSL_CERT_FILE", certificate if trusted else str(tmp_path / "none"))
            async with served(gateway(None, f"https://{name}:{port}"), lifespan=True) as mine:
                for _ in range(2):
                    answer = await ask(mine, orjson.dumps({**orjson.loads(BODY), "x": "y" * 300_000}))
                    assert answer[0] == status, answer[1][:200]
                    assert status != 200 or answer[1] == long


async def test_what_a_request_took_is_free_when_it_is_over() -> None:
    """Without waiting for the garbage to be collected: bodies are long."""

    class Looks:
        taped, lost = False, 0
        seen: ClassVar[list[weakref.ref[Visit]]] = []

        def running(self) -> AbstractAsyncContextManager[None]:
            return nullcontext()

        def note(self, visit: Visit) -> None:
            self.seen.append(weakref.ref(visit))

    async with (
        raw(each(lambda number: told(b"{}"))) as upstream,
        served(gateway(None, upstream, beside=[Looks()]), lifespan=True) as url,
    ):
        gc.disable()
        try:
            for _ in range(3):
                assert await ask(url) == (200, b"{}")
            assert [one() for one in Looks.seen[:2]] == [None, None]
        finally:
            gc.enable()
