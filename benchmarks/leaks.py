"""Random libraries and requests, and what of them reaches an upstream: nothing but what was approved and released.

One `Case` is two tenants with a library each, in which strategies are approved, rejected, edited, left pending,
released and rolled back at random, and some requests of theirs in any of the gateway's protocols. Every strategy
carries a mark of its own, so that one that is where it must not be is found whatever was done to it.
"""

import asyncio
import json
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preceptor.dialogue.conversation import Context, Turn
from preceptor.errors import UserError
from preceptor.library.model import Decision, Measured, Placement, Scenario, Strategy
from preceptor.library.rows import Use
from preceptor.library.store import Batch, Library
from preceptor.retrieval.embedding import StaticEmbedder
from preceptor.serving.access import Access, Caller
from preceptor.serving.app import Gateway
from preceptor.serving.guide import Finder
from preceptor.serving.releases import DatabaseSource, Releases
from preceptor.serving.upstream import Upstream, Upstreams
from preceptor.storage.database import Database

WORDS = ("bread", "invoice", "van", "late", "wrong", "twice", "rolls", "cake", "money", "order", "driver", "oven")
TENANTS = ("ann", "bob")
MARK = re.compile(rb"MARK-\w+-\d+-\d+")
SAID = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


@dataclass(frozen=True)
class Move:
    """One thing a person does to a library; strategies by number, modulo how many there are."""

    what: str
    which: int = 0
    decision: Decision = "approved"


@dataclass(frozen=True)
class Shelf:
    """A tenant's library and what is done to it."""

    contexts: tuple[tuple[str, ...], ...]
    """Per scenario."""
    homes: tuple[tuple[int, Measured], ...]
    """Per strategy: its scenario's number (beyond the last: general), and what the gate said."""
    placement: Placement
    moves: tuple[Move, ...]


@dataclass(frozen=True)
class Asking:
    """A request."""

    tenant: str
    path: str
    body: bytes


@dataclass(frozen=True)
class Case:
    shelves: tuple[Shelf, ...]
    """Per tenant."""
    asked: tuple[Asking, ...]


MOVE = st.builds(
    Move,
    st.sampled_from(["decide", "decide", "decide", "edit", "release", "rollback"]),
    st.integers(0, 9),
    st.sampled_from(get_args(Decision)),
)
SHELF = st.builds(
    Shelf,
    st.lists(st.lists(SAID, min_size=1, max_size=2).map(tuple), min_size=1, max_size=3).map(tuple),
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(get_args(Measured))), min_size=1, max_size=5).map(tuple),
    st.sampled_from(get_args(Placement)),
    st.lists(MOVE, max_size=12).map(lambda moves: (*moves, Move("decide", 0), Move("release"))[: len(moves) + 2]),
)
TEXT = SAID | st.text(max_size=12)
PARTS = st.lists(
    st.builds(lambda text: {"type": "text", "text": text}, TEXT)
    | st.just({"type": "image_url", "image_url": {"url": "data:,"}}),
    max_size=2,
)
MESSAGE = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "user"]), "content": TEXT | PARTS})
MESSAGES = st.lists(MESSAGE, min_size=1, max_size=5)
SYSTEM = st.fixed_dictionaries({"role": st.just("system"), "content": TEXT})
REST = st.dictionaries(
    st.sampled_from(["n", "user", "metadata", "stop", "é"]),
    st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT | st.lists(TEXT, max_size=2),
    max_size=3,
)


@st.composite
def asking(draw: st.DrawFn) -> Asking:
    path = draw(st.sampled_from(["/v1/chat/completions", "/v1/responses", "/v1/messages"]))
    messages: Any = draw(MESSAGES)
    if path != "/v1/messages" and draw(st.booleans()):
        messages = [draw(SYSTEM), *messages]
    body = {"model": "m", **draw(REST), "input" if path == "/v1/responses" else "messages": messages, **draw(REST)}
    space = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")]))
    text = json.dumps(body, separators=space, ensure_ascii=draw(st.booleans()))
    return Asking(draw(st.sampled_from(TENANTS)), path, text.encode("utf-8", "replace"))


CASE = st.builds(Case, st.tuples(SHELF, SHELF), st.lists(asking(), min_size=1, max_size=4).map(tuple))


class Named(Access):
    """Takes the bearer token for the tenant's name."""

    def __init__(self) -> None:
        self.libraries: dict[str, str] = {}

    def admit(self, headers: Mapping[bytes, bytes], path: str) -> Caller:
        tenant = headers[b"authorization"].removeprefix(b"Bearer ").decode()
        return Caller(tenant, self.libraries[tenant])


@dataclass
class Tally:
    """What was seen."""

    cases: int = 0
    requests: int = 0
    taught: int = 0
    wrong: list[str] = field(default_factory=list)


class Bench:
    """A gateway in front of an upstream that keeps what it gets; use it as a context manager."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._got = b""
        self._runner = asyncio.Runner()
        self._words = StaticEmbedder()
        self._folder = tempfile.TemporaryDirectory()
        self._place = Path(self._folder.name) / "p.db"
        self._database = Database.open(self._place)

    def __enter__(self) -> Self:
        self._server = self._runner.run(self._listen())
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._server.close()
        self._runner.close()
        self._database.close()
        self._folder.cleanup()

    def run(self, case: Case) -> None:
        """Act a case out. Raises: AssertionError: something is where it must not be, or is not what it was."""
        self.tally.cases += 1
        named = Named()
        allowed: dict[str, set[bytes]] = {}
        for tenant, shelf in zip(TENANTS, case.shelves, strict=True):
            library = Library(self._database, f"{tenant}-{self.tally.cases}")
            named.libraries[tenant] = library.name
            _act(library, shelf, f"{tenant}-{self.tally.cases}")
            live = library.live()
            said = [strategy.text.encode() for strategy in live.guidance.strategies] if live else []
            approved = {mark for text in said for mark in MARK.findall(text)}
            allowed[tenant] = approved
        self._runner.run(self._ask(case, named, allowed))

    async def _ask(self, case: Case, named: Named, allowed: Mapping[str, set[bytes]]) -> None:
        port = self._server.sockets[0].getsockname()[1]
        source = DatabaseSource(lambda: Database.open(self._place))
        gateway = Gateway(
            Upstreams([Upstream("up", f"http://127.0.0.1:{port}/v1")]),
            Releases(source, list(named.libraries.values()), words=self._words),
            named,
            finder=Finder(limit=600),
        )
        async with gateway.running():
            for asked in case.asked:
                await self._one(gateway, asked, allowed[asked.tenant])
        source.close()

    async def _one(self, gateway: Gateway, asked: Asking, allowed: set[bytes]) -> None:
        self.tally.requests += 1
        answer = await call(gateway, asked)
        headers = dict(answer["headers"])
        assert answer["status"] == 200, answer
        state = headers[b"x-preceptor-teaching"]
        put_in = inserted(asked.body, self._got)
        marks = set(MARK.findall(put_in))
        assert marks <= allowed, f"{marks - allowed} must not be there"
        assert (state == b"on") == bool(marks) == bool(put_in), (state, put_in)
        assert state in (b"on", b"abstained", b"none")
        json.loads(self._got)
        self.tally.taught += state == b"on"

    async def _listen(self) -> asyncio.Server:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = re.search(rb"content-length: *(\d+)", head.lower())
                    self._got = await reader.readexactly(int(length[1]) if length else 0)
                    writer.write(ANSWER)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            finally:
                writer.close()

        return await asyncio.start_server(answer, "127.0.0.1", 0)


async def call(gateway: Gateway, asked: Asking) -> dict[str, Any]:
    """A request in process; how the answer starts."""
    events: list[Any] = [{"type": "http.request", "body": asked.body, "more_body": False}]
    over, starts = asyncio.Event(), []

    async def receive() -> Any:
        if events:
            return events.pop()
        await over.wait()
        return {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        if event["type"] == "http.response.start":
            starts.append(event)
        elif not event.get("more_body"):
            over.set()

    headers = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {asked.tenant}".encode())]
    scope = {"type": "http", "method": "POST", "path": asked.path, "query_string": b"", "headers": headers}
    await gateway(scope, receive, send)
    return dict(starts[0])


def inserted(before: bytes, after: bytes) -> bytes:
    """What was put in, in one place, with every other byte as it was.

    Raises:
        AssertionError: that is not all that happened.
    """
    same = next((n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before))
    rest = before[same:]
    assert after[len(after) - len(rest) :] == rest
    assert len(after) >= len(before)
    return after[same : len(after) - len(rest)]


def prop(bench: Bench, examples: int) -> Callable[[], None]:
    """The property, over so many cases."""

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=CASE)
    def holds(case: Case) -> None:
        bench.run(case)

    return holds


def _act(library: Library, shelf: Shelf, name: str) -> None:
    scenarios = []
    for index, texts in enumerate(shelf.contexts):
        examples = tuple(Context((Turn("customer", text),)) for text in texts)
        scenarios.append(Scenario(f"sc-{name}-{index}", f"{name} {index}", examples))
    strategies = []
    for number, (home, measured) in enumerate(shelf.homes):
        where = scenarios[home].id if home < len(scenarios) else None
        text = f"Do MARK-{name.replace('-', '_')}-{number}-0."
        strategies.append(Strategy(f"st-{name}-{number}", text, "why", where, 0.1, measured))
    library.store(Batch(scenarios, strategies, use=Use("x", shelf.placement, 0.05, 0.0)), "run", "1")
    for count, move in enumerate(shelf.moves, 1):
        number = move.which % len(strategies)
        match move.what:
            case "decide":
                library.decide(strategies[number].id, move.decision, "p")
            case "edit":
                library.edit(strategies[number].id, f"Do MARK-{name.replace('-', '_')}-{number}-{count}.", "p")
            case "release" | "rollback":
                try:
                    library.release("p") if move.what == "release" else library.rollback("p")
                except UserError:
                    continue
