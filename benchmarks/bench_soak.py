"""Whether the gateway's memory grows under an hour of customers.

`preceptor serve` with a key, limits, spending, a holdout, metrics and retrieval, recording off, in a process of its
own; in front of it customers at a constant rate, behind it an upstream. Plain answers and streams, three protocols,
conversations of up to twelve turns and new ones all the time, feedback, connections that come and go; customers who
hang up, wrong keys, malformed bodies, upstreams that fail, cut and stall; meanwhile releases are made, rolled back and
fitted anew. Every answer is checked.

What is measured is resident memory, from the end of the warm-up on. The warm-up is over when everything that is bounded
is full, so that nothing that still fills can pass for a leak, nor a leak for filling: customers first come as fast as
they can, one turn each, until there were more conversations (`--warm`) than the gateway remembers (findings 4,096,
turns 8,192 and their words 65,536, conversations of a trial 20,000), while the release changes 24 times, more often
than releases are kept; then five minutes (a tenth of the time if that is less) pass at the constant rate, in which what
the rush needed is given back. Growth is the median of the last twentieth of the samples beside that of the first.

MINUTES, 60 unless told, are those after the warm-up. QUICK=1 takes two. Prints a line now and then and, as its last
line, a JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import re
import socket
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import uvloop

from bench_gateway import Server, ours
from desk import quick
from peers import FAMILIES, text
from preceptor.library.store import Library
from preceptor.storage.database import Database

SCENARIOS = 200
TURNS = 12
"""Most customer's turns of a conversation."""
EVENTS = 8
PAUSE = 0.005
"""Seconds between two events."""
STALL = 20.0
"""Seconds an upstream that stalls says nothing; its customers have left by then."""
LEAVES = 0.2
"""Seconds after which a customer who is going to hang up does."""
CHURN = 20
"""Conversations after which a customer's connection is closed and another opened."""
FED_BACK = 0.3
MOVES = 24
"""Changes of the release while it warms up."""
SAMPLE = 2.0
"""Seconds between two samples."""
ODD = {"fail": 0.01, "cut": 0.01, "stall": 0.01, "wrong key": 0.01, "malformed": 0.01, "nowhere": 0.005, "large": 0.005}
"""What goes wrong, and how often."""
EXPECTED = {"fail": 500, "cut": 502, "wrong key": 401, "malformed": 400, "nowhere": 404}
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}
LENGTH = re.compile(rb"content-length: *(\d+)")


# -- the upstream -----------------------------------------------------------------------------------------------------


class Upstream:
    """Answers by what the model is called."""

    def __init__(self) -> None:
        self.asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                found = LENGTH.search(head)
                body = orjson.loads(await reader.readexactly(int(found[1]) if found else 0))
                self.asked += 1
                await self._answer(body, writer)
                if body["model"] == "cut":
                    break
        writer.close()

    async def _answer(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        match body["model"]:
            case "fail":
                _plain(writer, b'{"error":{"message":"no"}}', b"500 Internal Server Error")
            case "cut":
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{")
            case "stall":
                await asyncio.sleep(STALL)
                writer.close()
            case _ if body.get("stream"):
                await self._stream(writer)
            case _:
                _plain(writer, orjson.dumps(reply(self.asked)))

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for n in range(EVENTS):
            piece = b"data: " + orjson.dumps({"id": f"c-{self.asked}", "choices": [{"delta": {"content": str(n)}}]})
            writer.write(b"%x\r\n%s\n\n\r\n" % (len(piece) + 2, piece))
            await asyncio.sleep(PAUSE)
        writer.write(b"0\r\n\r\n")


def reply(number: int) -> dict[str, Any]:
    said = {"index": 0, "message": {"role": "assistant", "content": "Certainly. " * 30}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 400, "completion_tokens": 90, "total_tokens": 490}
    return {"id": f"chatcmpl-{number}", "object": "chat.completion", "model": "m", "choices": [said], "usage": usage}


def _plain(writer: asyncio.StreamWriter, body: bytes, status: bytes = b"200 OK") -> None:
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    writer.write(head % (status, len(body)) + body)


# -- the customers ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Count:
    """What was asked and what came of it."""

    requests: int = 0
    conversations: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    """Answers that were not what was to be expected, by what was asked."""
    states: Counter[str] = field(default_factory=Counter)
    releases: set[str] = field(default_factory=set)
    moved: int = 0


class Wire:
    """One connection to the gateway, opened again whenever it is needed."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._pair: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def close(self) -> None:
        if self._pair:
            self._pair[1].close()
            self._pair = None

    async def ask(self, path: str, body: bytes, key: str | None = None) -> Answer:
        reader, writer = self._pair = self._pair or await asyncio.open_connection(
            "127.0.0.1", self._server.port, limit=1 << 20
        )
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key or self._server.key}\r\n"
        writer.write(f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if ": " in line)
        if "content-length" in headers:
            whole = await reader.readexactly(int(headers["content-length"]))
        else:
            whole = b"".join([piece async for piece in _chunks(reader)])
        if headers.get("connection") == "close":
            self.close()
        return Answer(int(first.split()[1]), headers, whole)


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int(await reader.readline(), 16):
        yield (await reader.readexactly(size + 2))[:-2]
    await reader.readline()


class Customer:
    """One conversation after the other, on a connection of its own."""

    def __init__(self, server: Server, count: Count, rng: random.Random, pace: Callable[[], Awaitable[None]]) -> None:
        self._wire = Wire(server)
        self._count = count
        self._rng = rng
        self.pace = pace
        """Waits until the next request is due."""
        self.turns = TURNS
        """Most turns a conversation has."""

    async def run(self) -> None:
        for number in range(1, 1 << 60):
            await self._talk()
            if number % CHURN == 0:
                self._wire.close()

    async def _talk(self) -> None:
        rng = self._rng
        self._count.conversations += 1
        scenario, protocol = rng.randrange(SCENARIOS), rng.choices(list(PATHS), (8, 1, 1))[0]
        name, said = "", [{"role": "system", "content": "You serve customers. " + text(rng, FAMILIES, 60)}]
        for _ in range(rng.randint(1, self.turns)):
            said.append({"role": "user", "content": text(rng, scenario, rng.randint(5, 40))})
            await self.pace()
            answer = await self._turn(protocol, said)
            name = answer.headers.get("x-preceptor-conversation", name) if answer else name
            said.append({"role": "assistant", "content": text(rng, FAMILIES, 25)})
        if name and rng.random() < FED_BACK:
            await self.pace()
            told = {"conversation": name, "rating": rng.randint(1, 5), "resolved": rng.random() < 0.7}
            await self._ask("feedback", "/v1/feedback", orjson.dumps(told), 200)

    async def _turn(self, protocol: str, said: list[dict[str, str]]) -> Answer | None:
        rng = self._rng
        odd = rng.choices([*ODD, ""], [*ODD.values(), 1 - sum(ODD.values())])[0]
        model = odd if odd in ("fail", "cut", "stall") else "m"
        stream = not odd and rng.random() < 0.25
        padded = said if odd != "large" else [*said, {"role": "user", "content": "x" * (1 << 20)}]
        body = _body(protocol, {"model": model, "stream": stream}, padded)
        if odd == "stall":
            await self._leave(PATHS[protocol], body)
            return None
        if odd == "malformed":
            body = body[: len(body) // 2]
        path = "/v1/nowhere" if odd == "nowhere" else PATHS[protocol]
        key = "sk-pre-nobody" if odd == "wrong key" else None
        return await self._ask(odd or protocol, path, body, EXPECTED.get(odd, 200), key, stream=stream)

    async def _leave(self, path: str, body: bytes) -> None:
        self._count.requests += 1
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wire.ask(path, body), LEAVES)
            self._count.wrong["stall"] += 1
        self._wire.close()

    async def _ask(
        self, what: str, path: str, body: bytes, status: int, key: str | None = None, *, stream: bool = False
    ) -> Answer | None:
        self._count.requests += 1
        try:
            answer = await self._wire.ask(path, body, key)
        except (OSError, EOFError, ValueError) as fault:
            self._count.wrong[f"{what}: {type(fault).__name__}"] += 1
            self._wire.close()
            return None
        if answer.status != status or (stream and answer.body.count(b"data: ") != EVENTS):
            self._count.wrong[f"{what}: {answer.status}"] += 1
        self._count.states[answer.headers.get("x-preceptor-teaching", "")] += 1
        self._count.releases.add(answer.headers.get("x-preceptor-release", ""))
        return answer


def _body(protocol: str, asked: dict[str, Any], said: list[dict[str, str]]) -> bytes:
    match protocol:
        case "messages":
            return orjson.dumps({**asked, "max_tokens": 99, "system": said[0]["content"], "messages": said[1:]})
        case "responses":
            return orjson.dumps({**asked, "instructions": said[0]["content"], "input": said[1:]})
        case _:
            return orjson.dumps({**asked, "messages": said})


# -- releases ---------------------------------------------------------------------------------------------------------


class Owner:
    """Changes the live release, each time in another way, leaving the library as large as it was."""

    def __init__(self, path: Path, rng: random.Random) -> None:
        self._path = path
        self._rng = rng
        self.moves = 0
        self.fitted = False
        """The latest has other scenarios than the one before."""

    def move(self) -> None:
        self.moves += 1
        self.fitted = self.moves % 4 == 2
        with Database.open(self._path) as db:
            library = Library(db, "default")
            if self.moves % 4 == 0:
                library.rollback("bench")
                return
            chosen = self._rng.choice(library.strategies())
            edited = library.edit(chosen.id, f"Say what happens next and when; word {self.moves}.", "bench")
            library.decide(edited.id, "approved", "bench")
            if self.fitted:
                # Scenarios are part of what is fitted, so this release is.
                one = self._rng.choice(library.scenarios())
                library.put_scenario(replace(one, description=f"Case as seen by {self.moves}."), "bench")
            library.release("bench")


# -- the hour ---------------------------------------------------------------------------------------------------------


@dataclass
class Hour:
    """What was measured."""

    samples: list[tuple[float, float]]
    """Seconds since the warm-up, MB."""
    warm_mb: float
    """At the end of the rush."""


async def soak(args: argparse.Namespace, server: Server, upstream: socket.socket, owner: Owner, count: Count) -> Hour:
    behind = Upstream()
    serving = await asyncio.start_server(behind.serve, sock=upstream, limit=1 << 24)
    customers = [Customer(server, count, random.Random(f"{args.seed} {n}"), _at_once) for n in range(args.connections)]
    running = [asyncio.create_task(customer.run()) for customer in customers]
    try:
        await _rush(args, customers, owner, count)
        warm = server.resident
        print(f"warm after {count.conversations:,} conversations: {warm:.1f} MB", flush=True)
        pace = _paced(args.rate)
        for customer in customers:
            customer.turns, customer.pace = TURNS, pace
        seconds = 60 * args.minutes
        await _watched(min(300.0, seconds / 10), args, server, owner, count, running)
        return Hour(await _watched(seconds, args, server, owner, count, running), warm)
    finally:
        for task in running:
            task.cancel()
        serving.close()


async def _rush(args: argparse.Namespace, customers: list[Customer], owner: Owner, count: Count) -> None:
    """Fill what is bounded."""
    for customer in customers:
        customer.turns = 1
    while count.conversations < args.warm:
        # The last third is for the release that stays in force: what it remembers is to be full.
        if owner.moves < MOVES and count.conversations >= args.warm * 0.6 * (owner.moves + 1) / MOVES:
            await asyncio.to_thread(owner.move)
        await asyncio.sleep(0.1)


async def _watched(
    seconds: float,
    args: argparse.Namespace,
    server: Server,
    owner: Owner,
    count: Count,
    running: list[asyncio.Task[None]],
) -> list[tuple[float, float]]:
    """Samples of so many seconds, while releases are changed."""
    began, samples, moved, told = time.monotonic(), [], time.monotonic(), 0.0
    while (passed := time.monotonic() - began) < seconds:
        await asyncio.sleep(SAMPLE)
        samples.append((passed, server.resident))
        for task in running:
            if task.done():
                task.result()
        if time.monotonic() - moved >= args.every:
            moved = time.monotonic()
            await asyncio.to_thread(owner.move)
        if passed - told >= 60:
            told = passed
            print(f"{passed / 60:5.0f} min {samples[-1][1]:8.1f} MB {count.requests:>10,} requests", flush=True)
    return samples


async def _at_once() -> None:
    return


def _paced(rate: float) -> Callable[[], Awaitable[None]]:
    """So many requests a second, over all who wait for it."""
    due = asyncio.get_running_loop().time()

    async def wait() -> None:
        nonlocal due
        now = asyncio.get_running_loop().time()
        # What the machine could not keep up with is not made up for: the rate is moderate, not a race.
        due = max(due + 1 / rate, now - 1)
        await asyncio.sleep(due - now)

    return wait


def growth(samples: list[tuple[float, float]]) -> tuple[float, float, float]:
    """MB at the beginning, at the end, and the share by which it grew."""
    few = max(5, len(samples) // 20)
    first, last = (median(mb for _, mb in part) for part in (samples[:few], samples[-few:]))
    return first, last, last / first - 1


def slope(samples: list[tuple[float, float]]) -> float:
    """MB an hour, over the second half: the median of slopes between pairs (Theil, Sen)."""
    half = samples[len(samples) // 2 :]
    step = max(1, len(half) // 200)
    some = half[::step]
    pairs = ((a, b) for place, a in enumerate(some) for b in some[place + 1 :])
    return 3600 * median((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs)


@contextlib.contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as made:
        yield made


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    count = Count()
    with listening() as upstream:
        behind = Server("upstream", 0, upstream.getsockname()[1])
        with ours(folder / "project", SCENARIOS, behind, "serving.holdout=0.1", *args.set) as (server, _, _):
            owner = Owner(folder / "project" / "preceptor.db", random.Random(args.seed))
            hour = uvloop.run(soak(args, server, upstream, owner, count))
    first, last, grown = growth(hour.samples)
    return {
        "minutes": args.minutes,
        "requests": count.requests,
        "per_second": args.rate,
        "conversations": count.conversations,
        "releases moved": owner.moves,
        "releases seen": len(count.releases - {""}),
        "warm_mb": hour.warm_mb,
        "first_mb": first,
        "last_mb": last,
        "most_mb": max(mb for _, mb in hour.samples),
        "growth": grown,
        "slope_mb_an_hour": slope(hour.samples),
        "states": dict(count.states),
        "wrong": dict(count.wrong),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    few = quick()
    parser.add_argument("minutes", type=float, nargs="?", default=2.0 if few else 60.0)
    parser.add_argument("--rate", type=float, default=60.0, help="requests a second")
    parser.add_argument("--warm", type=int, default=25_000, help="conversations of the rush that warms up")
    parser.add_argument("--every", type=float, default=30.0, help="seconds between two changes of the release")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the gateway")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(args, Path(folder))
    for name, value in figures.items():
        print(f"{name:18} {value:,.3f}" if isinstance(value, float) else f"{name:18} {value}")
    wrong = sum(figures["wrong"].values())
    targets = {
        "growth": {"target": "below 0.05", "measured": figures["growth"], "ok": figures["growth"] < 0.05},
        "wrong answers": {"target": "at most 0", "measured": wrong, "ok": wrong == 0},
        "releases seen": {
            "target": "at least 5",
            "measured": figures["releases seen"],
            "ok": figures["releases seen"] >= 5,
        },
    }
    ok = all(one["ok"] for one in targets.values())
    print(json.dumps({"bench": "soak", "ok": ok, "quick": few, "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
