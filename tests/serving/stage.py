"""What the gateway's tests stand on: a small library, upstreams that do what they are told, and real servers."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import uvicorn

from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.model import Placement, Scenario, Strategy
from preceptor.library.rows import Use
from preceptor.library.store import Batch, Library
from preceptor.retrieval.embedding import StaticEmbedder
from preceptor.serving.access import LOCAL, Access, Caller, Watch
from preceptor.serving.app import Bounds, Gateway
from preceptor.serving.guide import Finder
from preceptor.serving.outcomes import Outcomes
from preceptor.serving.releases import DatabaseSource, Releases
from preceptor.serving.server import PATIENT, config, listen
from preceptor.serving.trial import Trial
from preceptor.serving.upstream import Upstream, Upstreams
from preceptor.serving.visit import Beside, Tracing
from preceptor.serving.wire import Patience
from preceptor.storage.database import Database


@dataclass(frozen=True)
class Open(Access):
    """Admits everyone as one caller."""

    caller: Caller

    def admit(self, headers: Mapping[bytes, bytes]) -> Caller:
        return self.caller


def context(*texts: str) -> Context:
    return Context(tuple(Turn("agent" if index % 2 else "customer", text) for index, text in enumerate(texts)))


def scenario(description: str, *texts: str) -> Scenario:
    examples = tuple(context(text) for text in texts)
    return Scenario(Scenario.new_id(description, examples[0]), description, examples)


BREAD = scenario(
    "The bread has not been delivered.",
    "My bread has not arrived, the delivery is late.",
    "Where is my bread? The van never came this morning.",
    "No rolls were delivered to us today, the driver did not come.",
)
BILL = scenario(
    "The invoice is wrong.",
    "My invoice is wrong, you charged me twice.",
    "There is a mistake in the bill: I paid for two cakes and got one.",
    "Why is the amount on my invoice so high this month?",
)
LATE = "Apologise, and say when the van will come."
CHECK = "Ask for the invoice's number before anything else."
POLITE = "Be brief."


def strategy(text: str, home: Scenario | None, value: float) -> Strategy:
    where = home.id if home else None
    return Strategy(Strategy.new_id(text, where), text, "It helps.", where, value, "accepted")


STRATEGIES = (strategy(LATE, BREAD, 0.3), strategy(CHECK, BILL, 0.3), strategy(POLITE, None, 0.1))
ABOUT_BREAD = "My bread has not arrived and the delivery van never came."
ABOUT_BILL = "The amount on my invoice is wrong, you charged me twice."


Place = Path | str
"""Of a database: a file, or a server's URL."""


def source(place: Place) -> DatabaseSource:
    return DatabaseSource(
        lambda: Database.open(place, create=False, patience=0), place if isinstance(place, Path) else None
    )


def fill(path: Place, name: str = "default", placement: Placement = "system_end") -> Library:
    """A library with two scenarios; everything is approved, nothing released."""
    library = Library(Database.open(path), name)
    # Every context seen belongs to a scenario: the tests say when nothing is to be found by an empty conversation.
    use = Use("Bakery", placement, 0.05, 0.0)
    library.store(Batch((BREAD, BILL), STRATEGIES, use=use), "run-1", "1")
    for one in STRATEGIES:
        library.decide(one.id, "approved", "ann")
    return library


Scope = Any
App = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass
class Seen:
    """A request as an upstream got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Echo:
    """An upstream that keeps what it was asked and answers from a script: a function of its own `send`."""

    answers: list[Callable[[Any], Awaitable[None]]] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """A caller hung up while its answer was being thought about."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.seen.append(Seen(scope["method"], scope["path"], headers, body))
        self.asked.set()
        answering = asyncio.ensure_future((self.answers.pop(0) if self.answers else said())(send))
        watching = asyncio.ensure_future(receive())
        done, _ = await asyncio.wait([answering, watching], return_when=asyncio.FIRST_COMPLETED)
        if answering not in done:
            self.left.set()
            answering.cancel()
        watching.cancel()
        await asyncio.gather(answering, watching, return_exceptions=True)


def said(
    body: bytes = b'{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"Hello."},"finish_reason":"stop"}]}',
    status: int = 200,
    headers: Sequence[tuple[bytes, bytes]] = ((b"content-type", b"application/json"),),
    wait: float = 0.0,
) -> Callable[[Any], Awaitable[None]]:
    async def answer(send: Any) -> None:
        await asyncio.sleep(wait)
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": body})

    return answer


EVENTS = (b"content-type", b"text/event-stream")


def chunk(text: str) -> bytes:
    frame = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    delta = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return b"data: " + orjson.dumps({**frame, "choices": [delta]}) + b"\n\n"


def streamed(*pieces: bytes, pause: float = 0.0, endless: bool = False) -> Callable[[Any], Awaitable[None]]:
    """Pieces of a stream, one by one; `endless`: then nothing more, and no end."""

    async def answer(send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [EVENTS]})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(pause)
        if endless:
            await asyncio.Event().wait()
        await send({"type": "http.response.body", "body": b""})

    return answer


@contextlib.asynccontextmanager
async def serving(
    app: App, lifespan: bool = False, patience: Patience = PATIENT
) -> AsyncIterator[tuple[str, uvicorn.Server]]:
    """An application on a free port, by uvicorn; the URL without a path."""
    listening = listen("127.0.0.1", 0)
    settings = config(app, patience, app.metrics.refused) if isinstance(app, Gateway) else config(app)
    settings.lifespan = "on" if lifespan else "off"
    settings.timeout_graceful_shutdown = 1
    server = uvicorn.Server(settings)
    running = asyncio.create_task(server.serve([listening]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", server
    finally:
        server.should_exit = True
        await running
        listening.close()


@contextlib.asynccontextmanager
async def served(app: App, lifespan: bool = False, patience: Patience = PATIENT) -> AsyncIterator[str]:
    async with serving(app, lifespan, patience) as (url, _):
        yield url


@contextlib.asynccontextmanager
async def raw(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    secure: ssl.SSLContext | None = None,
) -> AsyncIterator[str]:
    """An upstream that speaks bytes, for faults no proper server commits."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await handle(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(once, "127.0.0.1", 0, ssl=secure)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def heard(reader: asyncio.StreamReader) -> bytes:
    """A request's body, read from the wire."""
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    return await reader.readexactly(int(lengths[0]) if lengths else 0)


LONGEST = 120.0
"""Seconds after which what a test waits for counts as never coming, however busy the machine is."""
SHORT = (0.3, 3.0, 30.0)
"""Seconds of patience, where it is to run out. On a busy machine those that ought to be served in time may not be: what
is tested is tried with more of it then."""
BOUNDS = Bounds()
WORDS = StaticEmbedder()
"""Read once for all tests."""


def gateway(
    database: Place | None,
    *urls: str,
    access: Access | None = None,
    bounds: Bounds = BOUNDS,
    libraries: Sequence[str] = ("default",),
    upstreams: Sequence[Upstream] = (),
    patience: float = 60.0,
    beside: Sequence[Beside] = (),
    trial: Trial | None = None,
    outcomes: Outcomes | None = None,
    tracing: Tracing | None = None,
    watch: Watch = LOCAL,
) -> Gateway:
    """A gateway in front of upstreams at these URLs, taught by a database."""
    lines = [*upstreams, *(Upstream(f"up-{n}", f"{url}/v1", key="sk-upstream") for n, url in enumerate(urls))]
    return Gateway(
        Upstreams(lines, seed=1),
        Releases(source(database or Path("/nonexistent/p.db")), libraries, words=WORDS, trusted=LONGEST),
        access or Open(Caller("default", "default")),
        bounds,
        # As long as it takes: what is tested is not how busy this machine is.
        finder=Finder(patience, 60.0),
        beside=beside,
        trial=trial or Trial(),
        outcomes=outcomes,
        tracing=tracing,
        watch=watch,
    )


@contextlib.asynccontextmanager
async def behind(
    app: App, database: Place | None, bounds: Bounds = BOUNDS, patience: Patience = PATIENT, **more: Any
) -> AsyncIterator[tuple[str, Gateway]]:
    """A served gateway in front of a served upstream."""
    async with served(app) as url:
        ours = gateway(database, url, bounds=bounds, **more)
        async with served(ours, True, patience) as mine:
            yield mine, ours


@contextlib.asynccontextmanager
async def plain() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
