"""Random libraries and requests, and what of them reaches an upstream: nothing but what was approved and released.

One `Case` is two tenants with a library each, in which strategies are approved, rejected, edited, left pending,
released and rolled back at random, and some requests of theirs in any of the gateway's protocols, plain and streaming:
some name a release, their own, the other tenant's or none there is, some turn teaching off, some come with a key that
is bound to a release, and while some are under way people go on moving releases. A share of the conversations may be
held out, and another release on trial, be it the tenant's or not.

Every strategy carries a mark of its own, so that one that is where it must not be is found whatever was done to it, and
characters that have to be escaped. What is expected follows from what was done here, and from nothing the gateway has.
"""

import asyncio
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

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
from preceptor.serving.trial import Trial
from preceptor.serving.upstream import Upstream, Upstreams
from preceptor.storage.database import Database

WORDS = ("bread", "invoice", "van", "late", "wrong", "twice", "rolls", "cake", "money", "order", "driver", "oven")
TENANTS = ("ann", "bob")
MARK = re.compile(r"MARK-\w+-\d+-\d+")
SAID = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join)
PLAIN = b'{"id":"1","choices":[],  "usage":{"prompt_tokens":1,"completion_tokens":2},"x":1.50}'
EVENTS = b'data: {"id":"1","choices":[{"delta":{"content":"a"}}]}\n\n: ping\n\ndata: [DONE]\n\n'
NOWHERE = "0" * 64


@dataclass(frozen=True)
class Move:
    """One thing a person does to a library; strategies by number, modulo how many there are."""

    what: str
    which: int = 0
    decision: Decision = "approved"


@dataclass(frozen=True)
class Shelf:
    """A tenant's library and what is done to it before anybody asks."""

    contexts: tuple[tuple[str, ...], ...]
    """Per scenario."""
    homes: tuple[tuple[int, Measured], ...]
    """Per strategy: its scenario's number (beyond the last: general), and what the gate said."""
    placement: Placement
    moves: tuple[Move, ...]


@dataclass(frozen=True)
class Named:
    """A release by whose it is and its number, modulo how many there are; of nobody: one there is not."""

    whose: Literal["own", "other", "nobody"]
    which: int = 0


@dataclass(frozen=True)
class Asking:
    """A request."""

    tenant: str
    path: str
    members: tuple[tuple[str, Any], ...]
    """Of its body, in order."""
    spacing: tuple[str, str]
    ascii: bool
    place: int
    """Where among the members the gateway's own field stands, if there is one."""
    by: Literal["field", "header"]
    """How it asks for what follows."""
    off: bool = False
    named: Named | None = None
    length: int = 64
    """How many characters of the release's hash are given."""
    bound: Named | None = None
    """The release that its key is bound to; not the other tenant's, which no key can have."""
    meanwhile: tuple[tuple[str, Move], ...] = ()
    """What people do while it is under way, and to whose library."""

    def written(self, release: str | None) -> tuple[bytes, bytes, dict[str, str]]:
        """The body as it is sent, as it is to arrive but for the slot, and headers. `release`: the one it names."""
        wishes: dict[str, str] = {"teaching": "off"} if self.off else {}
        if release is not None:
            wishes["release"] = release[: self.length]
        members = list(self.members)
        if not wishes or self.by == "header":
            body = self._dumped(dict(members))
            return body, body, {f"x-preceptor-{name}": value for name, value in wishes.items()}
        members.insert(self.place % (len(members) + 1), ("preceptor", wishes))
        return self._dumped(dict(members)), self._dumped(dict(self.members)), {}

    def _dumped(self, body: Mapping[str, Any]) -> bytes:
        text = json.dumps(body, separators=self.spacing, ensure_ascii=self.ascii)
        return text.encode("utf-8", "replace")


@dataclass(frozen=True)
class Case:
    shelves: tuple[Shelf, ...]
    """Per tenant."""
    asked: tuple[Asking, ...]
    holdout: float
    trial: tuple[str, Named] | None
    """A tenant's release that is held against the live one, of whichever tenant asks."""


MOVE = st.builds(
    Move,
    st.sampled_from(["decide", "decide", "decide", "edit", "release", "rollback"]),
    st.integers(0, 9),
    st.sampled_from(get_args(Decision)),
)
SOME = st.lists(st.integers(0, 4), min_size=1, max_size=3)
RELEASED: st.SearchStrategy[list[int]] = SOME | SOME | SOME | st.just([])
SHELF = st.builds(
    Shelf,
    st.lists(st.lists(SAID, min_size=1, max_size=2).map(tuple), min_size=1, max_size=3).map(tuple),
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(get_args(Measured))), min_size=1, max_size=5).map(tuple),
    st.sampled_from(get_args(Placement)),
    # Mostly something is released in the end, and often something else before.
    st.tuples(st.lists(MOVE, max_size=8), RELEASED).map(
        lambda two: (*two[0], *(move for number in two[1] for move in (Move("decide", number), Move("release"))))
    ),
)
TEXT = SAID | st.text(max_size=12)
IMAGE = st.just({"type": "image_url", "image_url": {"url": "data:,"}})
PARTS = st.lists(st.builds(lambda text: {"type": "text", "text": text}, TEXT) | IMAGE, max_size=2)
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
SPOKEN = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "user"]), "content": TEXT | PARTS})
SYSTEM = st.fixed_dictionaries({"role": st.sampled_from(["system", "developer"]), "content": TEXT | PARTS})
CALLS = st.just({"role": "assistant", "content": None, "tool_calls": [CALL]})
TOOL = st.fixed_dictionaries({"role": st.just("tool"), "tool_call_id": st.just("c"), "content": TEXT})
ITEM = st.builds(lambda text: {"type": "function_call_output", "call_id": "c", "output": text}, TEXT)
RESULT = st.builds(
    lambda text, more: {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "c", "content": text}, *more],
    },
    TEXT,
    PARTS,
)
REST = st.dictionaries(
    st.sampled_from(["n", "user", "metadata", "stop", "é"]),
    st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT | st.lists(TEXT, max_size=2),
    max_size=3,
)


def conversation(path: str) -> st.SearchStrategy[dict[str, Any]]:
    """The members of a body in which a protocol has the conversation."""

    def listed(one: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
        return st.lists(one, min_size=1, max_size=5)

    opened = st.tuples(SYSTEM, listed(SPOKEN | CALLS | TOOL)).map(lambda two: [two[0], *two[1]])
    match path:
        case "/v1/messages":
            return st.fixed_dictionaries({"messages": listed(SPOKEN | RESULT)}, optional={"system": TEXT | PARTS})
        case "/v1/responses":
            items = listed(SPOKEN | ITEM) | opened | SAID
            return st.fixed_dictionaries({"input": items}, optional={"instructions": st.none() | TEXT})
        case _:
            return st.fixed_dictionaries({"messages": listed(SPOKEN | CALLS | TOOL) | opened})


@st.composite
def asking(draw: st.DrawFn) -> Asking:
    path = draw(st.sampled_from(["/v1/chat/completions", "/v1/responses", "/v1/messages"]))
    stream = draw(st.sampled_from([{}, {"stream": True}]))
    body = {"model": "m", **draw(REST), **draw(conversation(path)), **stream, **draw(REST)}
    # Half of them ask for nothing, so that teaching stays the rule.
    asks = draw(st.booleans())
    return Asking(
        draw(st.sampled_from(TENANTS)),
        path,
        tuple(body.items()),
        draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")])),
        draw(st.booleans()),
        draw(st.integers(0, 9)),
        draw(st.sampled_from(["field", "header"])),
        asks and draw(st.sampled_from([False, False, False, True])),
        draw(st.none() | NAMED) if asks else None,
        draw(st.sampled_from([12, 20, 64])),
        draw(st.none() | OWN) if asks else None,
        draw(st.lists(st.tuples(st.sampled_from(TENANTS), MOVE), max_size=4).map(tuple)),
    )


NAMED = st.builds(Named, st.sampled_from(["own", "own", "other", "nobody"]), st.integers(0, 9))
OWN = st.builds(Named, st.just("own"), st.integers(0, 9))
CASE = st.builds(
    Case,
    st.tuples(SHELF, SHELF),
    st.lists(asking(), min_size=1, max_size=4).map(tuple),
    st.sampled_from([0.0, 0.0, 0.5]),
    st.none() | st.tuples(st.sampled_from(TENANTS), NAMED),
)


class Tokens(Access):
    """Takes the bearer token for the tenant's name and, after a colon, the release the key is bound to."""

    def __init__(self) -> None:
        self.libraries: dict[str, str] = {}

    def admit(self, headers: Mapping[bytes, bytes]) -> Caller:
        tenant, _, release = headers[b"authorization"].removeprefix(b"Bearer ").decode().partition(":")
        return Caller(tenant, self.libraries[tenant], release or None)


@dataclass
class Tally:
    """What was seen."""

    cases: int = 0
    requests: int = 0
    taught: int = 0
    named: int = 0
    """Of those, by a release that the request or its key named."""
    moved: int = 0
    """Requests during which the live release of their tenant changed."""
    held_out: int = 0
    refused: int = 0
    """For a release that is none of the tenant's."""


class Held:
    """A tenant's library, and what is known of it because it was done here."""

    def __init__(self, database: Database, name: str, shelf: Shelf) -> None:
        self.library = Library(database, name)
        self._mark = name.replace("-", "_")
        self.lives: list[str | None] = [None]
        """Releases as they came into force; the last one is."""
        self.texts: dict[str, frozenset[str]] = {}
        """What each release may say, by its hash: what was approved when it was made."""
        self._said = [(self._text(number, 0), False) for number in range(len(shelf.homes))]
        """What each strategy says now, and whether that is approved."""
        self._ids = self._stored(shelf)
        self._count = 0
        for move in shelf.moves:
            self.do(move)

    def _stored(self, shelf: Shelf) -> list[str]:
        name, scenarios, strategies = self.library.name, [], []
        for index, texts in enumerate(shelf.contexts):
            examples = tuple(Context((Turn("customer", text),)) for text in texts)
            scenarios.append(Scenario(f"sc-{name}-{index}", f"{name} {index}", examples))
        for number, (home, measured) in enumerate(shelf.homes):
            where = scenarios[home].id if home < len(scenarios) else None
            strategies.append(Strategy(f"st-{name}-{number}", self._text(number, 0), "why", where, 0.1, measured))
        self.library.store(Batch(scenarios, strategies, use=Use("x", shelf.placement, 0.05, 0.0)), "run", "1")
        return [strategy.id for strategy in strategies]

    def _text(self, number: int, version: int) -> str:
        return f'Do MARK-{self._mark}-{number}-{version}: say "é {{slot}} \\ 🚚".'

    def do(self, move: Move) -> None:
        self._count += 1
        number = move.which % len(self._ids)
        match move.what:
            case "decide":
                self.library.decide(self._ids[number], move.decision, "p")
                self._said[number] = (self._said[number][0], move.decision == "approved")
            case "edit":
                self._said[number] = (self._text(number, self._count), False)
                self.library.edit(self._ids[number], self._said[number][0], "p")
            case "release" | "rollback":
                try:
                    release = self.library.release("p") if move.what == "release" else self.library.rollback("p")
                except UserError:
                    return
                approved = frozenset(text for text, approved in self._said if approved)
                self.texts.setdefault(release.hash, approved if move.what == "release" else frozenset())
                self.lives.append(release.hash)

    def number(self, which: int) -> str:
        """A release by its number."""
        return list(self.texts)[which % len(self.texts)] if self.texts else NOWHERE


class Bench:
    """A gateway in front of an upstream that keeps what it gets; use it as a context manager."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._got: dict[str, bytes] = {}
        """Bodies as they came to the upstream, by the request's number."""
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
        held = {
            tenant: Held(self._database, f"{tenant}-{self.tally.cases}", shelf)
            for tenant, shelf in zip(TENANTS, case.shelves, strict=True)
        }
        self._runner.run(self._ask(case, held))

    async def _ask(self, case: Case, held: Mapping[str, Held]) -> None:
        port = self._server.sockets[0].getsockname()[1]
        source, tokens = DatabaseSource(lambda: Database.open(self._place)), Tokens()
        tokens.libraries = {tenant: one.library.name for tenant, one in held.items()}
        on_trial = None if case.trial is None else hash_of(case.trial[1], held, case.trial[0])
        gateway = Gateway(
            Upstreams([Upstream("up", f"http://127.0.0.1:{port}/v1")]),
            Releases(source, list(tokens.libraries.values()), words=self._words),
            tokens,
            finder=Finder(limit=600),
            trial=Trial(case.holdout, on_trial, 0.5),
        )
        async with gateway.running():
            for asked in case.asked:
                await self._one(gateway, asked, held)
        source.close()

    async def _one(self, gateway: Gateway, asked: Asking, held: Mapping[str, Held]) -> None:
        own = held[asked.tenant]
        named = None if asked.named is None else hash_of(asked.named, held, asked.tenant)
        bound = None if asked.bound is None or not own.texts else own.number(asked.bound.which)
        body, bare, headers = asked.written(named)
        before = len(own.lives) - 1

        async def moving() -> None:
            for tenant, move in asked.meanwhile:
                await asyncio.to_thread(held[tenant].do, move)
            await gateway.releases.look()

        async def asking() -> tuple[str, Answer]:
            self.tally.requests += 1
            number = str(self.tally.requests)
            token = asked.tenant if bound is None else f"{asked.tenant}:{bound}"
            told = {**headers, "authorization": f"Bearer {token}", "x-number": number}
            return number, await call(gateway, asked.path, body, told)

        # Twice, for a release that moves meanwhile to move before one, after one, and in one.
        both = await asyncio.gather(asking(), asking(), moving()) if asked.meanwhile else (await asking(),)
        lives = set(own.lives[before:])
        self.tally.moved += len(lives) > 1
        self._judge(gateway.coach.trial, asked, own, bare, named, bound, lives, [one for one in both if one])
        # From here on, what was live before must not be any more, whatever is remembered of it.
        await gateway.releases.look()
        if asked.meanwhile:
            self._judge(gateway.coach.trial, asked, own, bare, named, bound, {own.lives[-1]}, [await asking()])

    def _judge(
        self,
        trial: Trial,
        asked: Asking,
        own: Held,
        bare: bytes,
        named: str | None,
        bound: str | None,
        lives: set[str | None],
        answers: Sequence[tuple[str, "Answer"]],
    ) -> None:
        """`lives`: what was in force while these were under way."""
        allowed: set[str | None] = lives if bound is None else {bound}
        if named is not None:
            allowed = {named} if named in own.texts else set()
        elif bound is None and trial.other in own.texts:
            allowed = lives | {trial.other}
        for number, answer in answers:
            got = self._got.pop(number, None)
            if named is not None and not asked.off and not allowed:
                assert (answer.status, got) == (404, None), (answer, got)
                self.tally.refused += 1
                continue
            self._check(asked, answer, bare, got, own.texts, allowed)
            self.tally.named += answer.state == "on" and (named or bound) is not None
            if answer.state in ("on", "held-out"):
                untaught = trial.arm(answer.headers["x-preceptor-conversation"]) == "untaught"
                assert (answer.state == "held-out") == (untaught and (named or bound) is None)

    def _check(
        self,
        asked: Asking,
        answer: "Answer",
        bare: bytes,
        got: bytes | None,
        texts: Mapping[str, frozenset[str]],
        allowed: set[str | None],
    ) -> None:
        """`texts`: what the tenant's releases say. `allowed`: those that may be used; None: none was live."""
        assert answer.status == 200, answer
        assert got is not None
        assert answer.body == (EVENTS if ("stream", True) in asked.members else PLAIN)
        in_force = answer.release in allowed or answer.state in ("off", "none")
        assert in_force, f"{answer.release!r} is not in force; {allowed} are"
        put_in = inserted(bare, got)
        said = "\n".join(strings(json.loads(got)))
        if answer.state != "on":
            assert not put_in, f"{answer.state}, but {put_in!r} was put in"
            assert not MARK.search(said)
            assert answer.state in ("abstained", "none", "off", "held-out")
            assert (answer.state == "off") == asked.off
            assert answer.state != "none" or None in allowed
            self.tally.held_out += answer.state == "held-out"
            return
        assert not asked.off
        mine = {" ".join(text.split()) for text in texts[answer.release]}
        taught = {text for text in mine if text in said}
        assert taught
        for text in taught:
            assert said.count(text) == 1
            said = said.replace(text, "")
        assert not MARK.search(said), f"{MARK.findall(said)} must not be there"
        self.tally.taught += 1

    async def _listen(self) -> asyncio.Server:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).lower()
                    length, number = (re.search(name + rb": *(\d+)", head) for name in (b"content-length", b"x-number"))
                    assert number is not None
                    body = await reader.readexactly(int(length[1]) if length else 0)
                    self._got[number[1].decode()] = body
                    assert b"x-preceptor" not in head
                    writer.write(answered(stream=json.loads(body).get("stream") is True))
            except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                return
            finally:
                writer.close()

        return await asyncio.start_server(answer, "127.0.0.1", 0)


def hash_of(named: Named, held: Mapping[str, Held], tenant: str) -> str:
    """The hash of a release that somebody names."""
    match named.whose:
        case "own":
            return held[tenant].number(named.which)
        case "other":
            other = next(name for name in TENANTS if name != tenant)
            return held[other].number(named.which)
        case "nobody":
            return NOWHERE


def answered(*, stream: bool) -> bytes:
    kind, body = (b"text/event-stream", EVENTS) if stream else (b"application/json", PLAIN)
    return b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n%s" % (kind, len(body), body)


@dataclass(frozen=True)
class Answer:
    """What the client got."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def state(self) -> str:
        return self.headers["x-preceptor-teaching"]

    @property
    def release(self) -> str:
        return self.headers.get("x-preceptor-release", "")


async def call(gateway: Gateway, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """A request in process."""
    events: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]
    over, starts, pieces = asyncio.Event(), [], []

    async def receive() -> Any:
        if events:
            return events.pop()
        await over.wait()
        return {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        if event["type"] == "http.response.start":
            starts.append(event)
            return
        pieces.append(event.get("body", b""))
        if not event.get("more_body"):
            over.set()

    told = [(name.encode(), value.encode()) for name, value in {"content-type": "application/json", **headers}.items()]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": told}
    await gateway(scope, receive, send)
    got = {name.decode(): value.decode() for name, value in starts[0]["headers"]}
    return Answer(starts[0]["status"], got, b"".join(pieces))


def strings(value: Any) -> Iterator[str]:
    """Every text in plain data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from strings(one)


def inserted(before: bytes, after: bytes) -> bytes:
    """What was put in, in one place, with every other byte as it was.

    Raises:
        AssertionError: that is not all that happened.
    """
    same = next((n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before))
    rest = before[same:]
    if not after.endswith(rest) and rest.startswith(b"null"):
        rest = rest[4:]  # instructions that were none
    assert after.endswith(rest), f"{before!r} became {after!r}"
    assert len(after) >= len(before)
    return after[same : len(after) - len(rest)]


def prop(bench: Bench, examples: int) -> Callable[[], None]:
    """The property, over so many cases."""

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=CASE)
    def holds(case: Case) -> None:
        bench.run(case)

    return holds
