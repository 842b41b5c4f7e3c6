"""A world behind HTTP that keeps count of what reaches it: what a provider would put on the bill, whatever we think.

Simulated. Runs in a thread on a free port of 127.0.0.1.
"""

import asyncio
import hashlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction

import anyio
import orjson
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from preceptor.llm import wire
from preceptor.llm.prices import Price
from preceptor.simulated.faults import Faults, Sleep
from preceptor.simulated.server import create_app
from preceptor.simulated.world import World
from preceptor.storage.canonical import canonical

Name = tuple[str, str]
"""A request as both sides can name it: the model, and the hash of what it was asked."""


@dataclass
class Tally:
    """What arrived and what was generated since the count began."""

    arrivals: Counter[Name] = field(default_factory=Counter)
    tokens: int = 0
    money: Fraction = Fraction(0)
    """Unrounded, at the prices the witness was given."""
    open: int = 0
    """Requests being answered."""
    busy: float = 0.0
    """Seconds in which requests were being answered, summed over requests."""
    idle: float = 0.0
    """Seconds between the first request and the last in which none was being answered."""
    _since: float | None = None
    """When the last answer was given, while nothing is asked."""

    def opens(self) -> None:
        if self.open == 0 and self._since is not None:
            self.idle += time.monotonic() - self._since
        self.open += 1

    def closes(self, after: float) -> None:
        """`after`: seconds."""
        self.busy += after
        self.open -= 1
        self._since = time.monotonic()

    @property
    def calls(self) -> int:
        return self.arrivals.total()

    @property
    def again(self) -> dict[Name, int]:
        """Requests that came more than once, with how many times too many."""
        return {name: count - 1 for name, count in self.arrivals.items() if count > 1}


class Hold:
    """A `sleep` for `serving`: after so many answers it gives none until it is let go, so that what is to happen before
    a run's end does, however long it takes."""

    def __init__(self, answered: int) -> None:
        self._left = answered
        self._free = threading.Event()

    async def __call__(self, seconds: float) -> None:
        await anyio.sleep(seconds)
        self._left -= 1
        while self._left < 0 and not self._free.is_set():  # noqa: ASYNC110 -- another thread's
            await anyio.sleep(0.005)

    def let_go(self) -> None:
        """From any thread."""
        self._free.set()


class Witness:
    """An ASGI application that passes everything on and counts chat completions."""

    def __init__(self, app: ASGIApp, prices: Mapping[str, Price]) -> None:
        """Prices by model; a model without one is free."""
        self._app = app
        self._prices = prices
        self.tally = Tally()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        tally, body = self.tally, await _body(receive)
        name, request = wire.parse_request(orjson.loads(body))
        tally.arrivals[name_of(name, canonical(request))] += 1
        tally.opens()
        began, answer = time.monotonic(), bytearray()

        async def pass_on(message: Message) -> None:
            answer.extend(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, _replay(body, receive), pass_on)
        finally:
            tally.closes(time.monotonic() - began)
            self._bill(tally, name, bytes(answer))

    def _bill(self, tally: Tally, model: str, answer: bytes) -> None:
        try:
            usage = wire.parse_usage(orjson.loads(answer))
        except orjson.JSONDecodeError:  # a cut reply: nobody can know what it used
            return
        price = self._prices.get(model, Price())
        tally.tokens += usage.total
        tally.money += Fraction(price.prompt) * usage.prompt_tokens / 1_000_000
        tally.money += Fraction(price.completion) * usage.completion_tokens / 1_000_000


def name_of(model: str, request: bytes) -> Name:
    """Of a model's name and a request's canonical JSON, which is how the ledger keeps it."""
    return model, hashlib.sha256(request).hexdigest()


@dataclass(frozen=True)
class Served:
    url: str
    witness: Witness

    @property
    def tally(self) -> Tally:
        return self.witness.tally


@contextmanager
def serving(
    world: World,
    prices: Mapping[str, Price] | None = None,
    faults: Faults | None = None,
    latency: float = 0.0,
    sleep: Sleep = anyio.sleep,
) -> Iterator[Served]:
    """A witness at work; `latency` in seconds before each answer, spent in `sleep`."""
    with watching(create_app(world, faults, latency, sleep), prices) as served:
        yield served


@contextmanager
def watching(app: ASGIApp, prices: Mapping[str, Price] | None = None) -> Iterator[Served]:
    """A witness before any application that speaks the protocol."""
    witness = Witness(app, prices or {})
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    server = uvicorn.Server(uvicorn.Config(witness, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=asyncio.run, args=(server.serve([listening]),))
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{listening.getsockname()[1]}/v1", witness)
    finally:
        # Forced: a killed caller's connections may be half open, and nothing is to be waited for.
        server.should_exit = server.force_exit = True
        thread.join()
        listening.close()


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body once; then whatever comes, which a stream waits for to see its reader leave."""
    bodies = [body]

    async def again() -> Message:
        if not bodies:
            return await receive()
        return {"type": "http.request", "body": bodies.pop(), "more_body": False}

    return again
