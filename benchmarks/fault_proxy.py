"""A line that breaks, between a client and a server of OpenAI's protocol on 127.0.0.1.

Plain asyncio below HTTP's libraries, because what is broken is the wire. It draws, from a seed, what happens to each
attempt at a request: the third attempt at the same one fares alike in every run. It can also be away as a whole, and
keep to a rate. It notes when everything came, and whether anything came before the Retry-After it had been told.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from math import ceil
from random import Random
from typing import Literal, get_args

Kind = Literal["told", "busy", "500", "502", "503", "reset", "stall", "cut", "truncated", "wrong", "slow"]
"""429 with Retry-After and without; failing; reset before an answer; none at all; cut off in the middle; whole by its
length, but half of the text; JSON that is no completion; byte by byte, for longer than anybody waits."""
KINDS: tuple[Kind, ...] = get_args(Kind)
Away = Literal["refused", "failing", "silent"]
WRONG = ("{}", "[]", "null", '"ok"', "<html>Sign in</html>", '{"choices": []}', '{"choices": [{"message": null}]}')
SOON = 10
"""Turns of an event loop, more than it takes from when a connection was let in until somebody serves it."""
CLOCKS = 0.05
"""Seconds by which two of a machine's clocks may differ over a wait, while one of them is being set right."""
SLOWER = b'{"error": {"message": "Slow down."}}'
Headers = dict[str, str]
Answer = tuple[int, Headers, bytes]
HTML: Headers = {"content-type": "text/html"}


@dataclass(frozen=True)
class Bad:
    """How often a reply is bad, and how."""

    share: float = 0.0
    kinds: tuple[Kind, ...] = KINDS
    seed: int = 0

    def draw(self, key: str, attempt: int) -> tuple[Kind | None, Random]:
        """What happens to an attempt; None: nothing. And chance for how."""
        random = Random(f"{self.seed} {key} {attempt}")
        return (random.choice(self.kinds) if random.random() < self.share else None), random


@dataclass
class Seen:
    """What came, by Unix time."""

    arrivals: Counter[str] = field(default_factory=Counter)
    """Attempts by request."""
    done: Counter[str] = field(default_factory=Counter)
    """What was done to them: a kind of fault, "limited", an outage, or "passed"."""
    log: list[tuple[float, str]] = field(default_factory=list)
    early_same: int = 0
    """Requests that came again before the Retry-After they were told."""
    came_meanwhile: int = 0
    """Requests that came before one that another was told. They may have been on their way, or the client may not have
    read that yet: only the client knows (`wiretap`)."""
    _told: dict[str, float] = field(default_factory=dict)
    _held: float = 0.0

    def came(self, key: str, now: float) -> int:
        """Which attempt it is."""
        self.early_same += now < self._told.get(key, 0.0) - CLOCKS
        self.came_meanwhile += now < self._held - CLOCKS
        self.arrivals[key] += 1
        return self.arrivals[key]

    def told(self, key: str, until: float) -> None:
        self._told[key] = until
        self._held = max(self._held, until)

    def count(self, what: str, now: float) -> None:
        self.done[what] += 1
        self.log.append((now, what))


class Proxy:
    """Use `proxying`."""

    def __init__(self, upstream: int, bad: Bad, rate: Callable[[float], float] | None, slow: float) -> None:
        """`upstream` is a port. `rate`: calls a second, by seconds since the first; a second's worth may be saved up.
        `slow`: seconds a slow reply takes."""
        self.seen = Seen()
        self.port = 0
        self._upstream, self._bad, self._rate, self._slow = upstream, bad, rate, slow
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self._away: Away | None = None
        self._saved, self._saved_at, self._began = 1.0, 0.0, 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def away(self, how: Away | None) -> None:
        """Be away, or back; from any thread."""
        asyncio.run_coroutine_threadsafe(self._go(how), self._loop).result()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server:
            # Nobody new; but who was let in must have come through before it is closed: asyncio would forget them.
            for listening in self._server.sockets:
                self._loop.remove_reader(listening.fileno())
            for _ in range(SOON):
                await asyncio.sleep(0)
            self._server.close()
            self._server = None
        for writer, task in list(self._open.items()):
            _reset(writer)
            task.cancel()
        await asyncio.gather(*self._open.values(), return_exceptions=True)

    async def _go(self, how: Away | None) -> None:
        self._away = how
        await self.stop()
        if how != "refused":
            await self.start()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[writer] = task
        line = Line(self._upstream)
        try:
            while not writer.is_closing():
                head, body = await _message(reader)
                await self._answer(head, body, reader, writer, line)
                await writer.drain()
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            del self._open[writer]
            line.close()
            writer.close()

    async def _answer(
        self, head: bytes, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: Line
    ) -> None:
        if not head.startswith(b"POST"):
            _write(writer, *await line.ask(head, body))
            return
        now, key = time.time(), hashlib.sha256(body).hexdigest()
        kind, random = self._bad.draw(key, self.seen.came(key, now))
        wait = 0.0 if self._away else self._over(now)
        self.seen.count(self._away or ("limited" if wait else kind or "passed"), now)
        if self._away:
            await _away(self._away, reader, writer)
        elif wait:
            self.seen.told(key, now + ceil(wait))
            _write(writer, 429, {"retry-after": str(ceil(wait))}, SLOWER)
        else:
            await self._act(kind, random, key, reader, writer, await self._behind(kind, line, head, body))

    async def _behind(self, kind: Kind | None, line: Line, head: bytes, body: bytes) -> Answer:
        """What the server behind says, where it is asked at all."""
        return await line.ask(head, body) if kind in (None, "truncated", "cut", "slow") else (0, {}, b"")

    async def _act(
        self,
        kind: Kind | None,
        random: Random,
        key: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answer: Answer,
    ) -> None:
        status, headers, text = answer
        match kind:
            case None:
                _write(writer, status, headers, text)
            case "told":
                self._tell(writer, key, random)
            case "busy":
                _write(writer, 429, {}, SLOWER)
            case "500" | "502" | "503":
                _write(writer, int(kind), HTML, b"<html><h1>Sorry</h1></html>")
            case "reset":
                _reset(writer)
            case "stall":
                await reader.read()
            case "wrong":
                _write(writer, 200, {"content-type": "application/json"}, random.choice(WRONG).encode())
            case "truncated":
                _write(writer, status, headers, text[: random.randrange(1, len(text) * 3 // 4)])
            case "cut":
                _write(writer, status, headers, text, upto=random.uniform(0, 0.9))
                writer.close()
            case "slow":
                await self._trickle(writer, status, headers, text)

    def _tell(self, writer: asyncio.StreamWriter, key: str, random: Random) -> None:
        """A Retry-After of one or two seconds, in one of its three forms."""
        now, seconds = time.time(), random.randrange(1, 3)
        forms: list[tuple[Headers, float]] = [
            ({"retry-after": str(seconds)}, now + seconds),
            ({"retry-after-ms": str(900 * seconds)}, now + 0.9 * seconds),
            ({"retry-after": formatdate(now + seconds, usegmt=True)}, float(int(now + seconds))),
        ]
        headers, until = random.choice(forms)
        self.seen.told(key, until)
        _write(writer, 429, headers, SLOWER)

    def _over(self, now: float) -> float:
        """Seconds until one more call is within the rate; 0: it is."""
        if self._rate is None:
            return 0.0
        self._began = self._began or now
        rate = self._rate(now - self._began)
        saved = self._saved + (now - self._saved_at) * rate
        self._saved, self._saved_at = min(max(rate, 1.0), saved), now
        if self._saved < 1:
            return (1 - self._saved) / rate
        self._saved -= 1
        return 0.0

    async def _trickle(self, writer: asyncio.StreamWriter, status: int, headers: Headers, body: bytes) -> None:
        _write(writer, status, headers, body, upto=0.0)
        for byte in body:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(self._slow / len(body))


class Line:
    """A connection to the server behind, which may close it between two requests."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, head: bytes, body: bytes) -> Answer:
        for _ in range(2):
            reader, writer = self._streams = self._streams or await asyncio.open_connection("127.0.0.1", self._port)
            with suppress(EOFError, ConnectionError):
                writer.write(head + body)
                head_, text = await _message(reader)
                status, headers = _parsed(head_)
                return status, {"content-type": headers.get("content-type", "application/json")}, text
            self.close()
        raise ConnectionError

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
            self._streams = None


async def _away(how: Away, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if how == "silent":
        await reader.read()
    else:
        _write(writer, 503, HTML, b"<html><h1>We will be back</h1></html>")


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of a request or a reply; chunks are joined. Raises: EOFError: the other side is gone."""
    head = await reader.readuntil(b"\r\n\r\n")
    headers = _parsed(head)[1]
    if headers.get("transfer-encoding") != "chunked":
        return head, await reader.readexactly(int(headers.get("content-length", 0)))
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return head, body


def _parsed(head: bytes) -> tuple[int, Headers]:
    """Status (of a request: 0) and headers."""
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return int(first.split()[1]) if first.startswith("HTTP") else 0, {n.lower(): v.strip() for n, _, v in pairs}


def _write(writer: asyncio.StreamWriter, status: int, headers: Headers, body: bytes, upto: float = 1.0) -> None:
    """A reply, or so much of its body."""
    lines = [f"HTTP/1.1 {status} .", *(f"{name}: {value}" for name, value in headers.items())]
    head = "\r\n".join([*lines, f"content-length: {len(body)}", "", ""])
    writer.write(head.encode("latin-1") + body[: int(upto * len(body))])


def _reset(writer: asyncio.StreamWriter) -> None:
    """Not closed in order: the other side reads an error."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def proxying(
    upstream: int, bad: Bad = Bad(), rate: Callable[[float], float] | None = None, slow: float = 60.0
) -> Iterator[Proxy]:
    """A proxy at work in a thread; see `Proxy`."""
    proxy = Proxy(upstream, bad, rate, slow)
    loop = proxy._loop
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(proxy.start(), loop).result()
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
