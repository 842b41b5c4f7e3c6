"""What `bench_gateway` runs beside the gateway, each in a process of its own, and the talk it is put under.

`python peers.py upstream` answers at once, or with paced events; `bare URL` is the least a Python gateway does: ASGI,
the body read and changed, aiohttp's client; `load SPEC` asks. Each server prints its port.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache, partial
from importlib.resources import files
from typing import Any, cast

import aiohttp
import orjson
import uvicorn
import uvloop

EVENTS = 64
PAUSE = 0.01
"""Seconds between two events."""
PLAIN = orjson.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Certainly. " * 30}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 400, "completion_tokens": 90, "total_tokens": 490},
    }
)
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "en", "i", "or", "u")]
OWN = 6
"""Words that a scenario's texts share."""
FAMILIES = 1 << 20
"""Where customers' words that no scenario has come from."""


# -- the talk ---------------------------------------------------------------------------------------------------------


def words(seed: int, count: int) -> list[str]:
    """Words nobody uses, the same for the same seed."""
    rng = random.Random(seed)
    return ["".join(rng.choices(SYLLABLES, k=3)) for _ in range(count)]


def text(rng: random.Random, scenario: int, length: int, *, english: bool = False) -> str:
    """Something said about a scenario."""
    some = english_words if english else words
    said = some(scenario, OWN) + some(rng.randrange(FAMILIES), max(0, length - OWN))
    rng.shuffle(said)
    return " ".join(said)


def english_words(seed: int, count: int) -> list[str]:
    """Words in use, the same for the same seed: an encoder takes three times as long over `words`."""
    return random.Random(seed).choices(_english(), k=count)


@cache
def _english() -> list[str]:
    """Those of a world that comes with the package."""
    said = " ".join(str(file.read_text()) for file in files("preceptor.simulated.worlds").iterdir() if file.is_file())
    return sorted({word.lower() for word in re.findall(r"\b[A-Za-z]{2,}\b", said)})


@dataclass(frozen=True)
class Spec:
    """What to ask."""

    port: int
    requests: int
    connections: int = 64
    key: str = "k"
    scenarios: int = 1000
    turns: int = 4
    """Customer's turns of a conversation; each request is one more of them, and the conversation so far."""
    again: bool = False
    """Ask the same few conversations again and again instead."""
    stream: bool = False
    padding: int = 0
    """Bytes more in the system message."""
    english: bool = False
    """Words that are in use."""
    words: int = 20
    """Of a customer's turn."""
    pause: float = 0.0
    """Seconds a customer thinks, on average."""
    seed: int = 0


def bodies(spec: Spec, connection: int) -> Iterator[bytes]:
    """Requests of one connection, endlessly; 1.6 kB on average, unless padded."""
    rng = random.Random(spec.seed * 1000 + connection)
    known: list[bytes] = []
    while True:
        if spec.again and len(known) >= spec.turns:
            yield from known
            continue
        scenario = rng.randrange(spec.scenarios)
        said = partial(text, rng, english=spec.english)
        system = "You serve customers. " + said(FAMILIES, 90) + "x" * spec.padding
        messages = [{"role": "system", "content": system}]
        for _ in range(spec.turns):
            messages.append({"role": "user", "content": said(scenario, spec.words)})
            known.append(orjson.dumps({"model": "m", "messages": messages, "temperature": 0.7, "stream": spec.stream}))
            yield known[-1]
            messages.append({"role": "assistant", "content": said(FAMILIES, 25)})
        if not spec.again:
            known.clear()


# -- the upstream -----------------------------------------------------------------------------------------------------


def event(n: int) -> bytes:
    delta = {"index": 0, "delta": {"content": f"w{n} "}, "finish_reason": None}
    frame = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [delta]}
    return b"data: " + orjson.dumps(frame) + b"\n\n"


STREAM = [event(n) for n in range(EVENTS)] + [b"data: [DONE]\n\n"]


class Upstream(asyncio.Protocol):
    """Answers at once."""

    def __init__(self) -> None:
        self._buffer = b""
        self._streams: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # No assertion: uvloop's transports are of a class of their own.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, fault: Exception | None) -> None:
        for task in self._streams:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        found = LENGTH.search(self._buffer, 0, head)
        end = head + 4 + (int(found[1]) if found else 0)
        if len(self._buffer) < end:
            return
        asked, self._buffer = self._buffer[:end], self._buffer[end:]
        if b'"stream":true' in asked:
            task = asyncio.get_running_loop().create_task(self._stream())
            self._streams.add(task)
            task.add_done_callback(self._streams.discard)
            return
        length = b"content-length: %d\r\n\r\n" % len(PLAIN)
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n" + length + PLAIN)

    async def _stream(self) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        self._transport.write(head)
        due = asyncio.get_running_loop().time()
        for piece in STREAM:
            self._transport.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            # By the clock: a late event must not make the others late, or the server would hide what a gateway adds.
            due += PAUSE
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        self._transport.write(b"0\r\n\r\n")


async def upstream() -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


# -- the bare pass-through --------------------------------------------------------------------------------------------


class Bare:
    """Reads the body, puts a text into its first message, passes the answer back."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/chat/completions"
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False)
        body, more = b"", True
        while more:
            part = await receive()
            body, more = body + part.get("body", b""), part.get("more_body", False)
        data = orjson.loads(body)
        data["messages"][0]["content"] += " guidance" * 20
        headers = {"content-type": "application/json"}
        async with self._session.post(self._url, data=orjson.dumps(data), headers=headers) as response:
            raw = [
                (name.lower(), value) for name, value in response.raw_headers if name.lower() != b"transfer-encoding"
            ]
            await send({"type": "http.response.start", "status": response.status, "headers": raw})
            if data["stream"]:
                async for piece in response.content.iter_any():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            else:
                await send({"type": "http.response.body", "body": await response.read()})


def bare(url: str) -> None:
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(
        Bare(url),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="error",
        proxy_headers=False,
    )
    uvicorn.Server(config).run([listening])


# -- the load ---------------------------------------------------------------------------------------------------------


@dataclass
class Told:
    """What the load saw; seconds."""

    seconds: float = 0.0
    first: list[float] | None = None
    """Until the first byte of each body, sorted."""
    whole: list[float] | None = None
    bad: int = 0
    """Answers that were no success, or streams whose events were lost, reordered, merged into others or cut."""
    failed: int = 0
    """Answers that were no success."""
    taught: dict[str, int] | None = None
    late: int = 0
    """Answers for which word vectors had to stand in for the encoder."""
    bytes: float = 0.0
    """Of a request, on average."""


class Load:
    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._left = iter(range(spec.requests))
        self._first: list[float] = []
        self._whole: list[float] = []
        self._taught: Counter[str] = Counter()
        self._bad = 0
        self._failed = self._bytes = self._late = 0

    async def run(self) -> Told:
        began = time.perf_counter()
        await asyncio.gather(*(self._connection(n) for n in range(self._spec.connections)))
        seconds = time.perf_counter() - began
        first, whole = sorted(self._first), sorted(self._whole)
        taught, size = dict(self._taught), self._bytes / max(1, len(whole))
        return Told(seconds, first, whole, self._bad, self._failed, taught, self._late, size)

    async def _connection(self, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._spec.port, limit=1 << 20)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self._spec.key}\r\n"
        asked, rng = bodies(self._spec, number), random.Random(number)
        for _ in self._left:
            body = next(asked)
            if self._spec.pause:
                await asyncio.sleep(rng.expovariate(1 / self._spec.pause))
            self._bytes += len(body)
            began = time.perf_counter()
            length = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write((head + length).encode() + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            good = await self._body(reader, answer, began)
            failed = b" 200 " not in answer[:16]
            self._failed += failed
            self._bad += failed or not good
            state = re.search(rb"x-preceptor-teaching: (\S+)", answer)
            self._late += b"x-preceptor-embedder: fallback" in answer
            self._taught[state[1].decode() if state else ""] += 1
            self._whole.append(time.perf_counter() - began)
        writer.close()

    async def _body(self, reader: asyncio.StreamReader, head: bytes, began: float) -> bool:
        found = LENGTH.search(head)
        if found:
            whole = await reader.readexactly(int(found[1]))
            self._first.append(time.perf_counter() - began)
            return whole == PLAIN
        events: list[bytes] = []
        while size := int(await reader.readline(), 16):
            events.append((await reader.readexactly(size + 2))[:-2])
            if len(events) == 1:
                self._first.append(time.perf_counter() - began)
        await reader.readline()
        return b"".join(events) == b"".join(STREAM)


def main() -> None:
    match sys.argv[1:]:
        case ["upstream"]:
            uvloop.run(upstream())
        case ["bare", url]:
            bare(url)
        case ["load", spec]:
            told = json.dumps(asdict(uvloop.run(Load(Spec(**json.loads(spec))).run())))
            # Where Python's output is unbuffered, print loses what a full pipe does not take at once.
            with open(sys.stdout.fileno(), "w", closefd=False) as out:
                out.write(told)


if __name__ == "__main__":
    main()
