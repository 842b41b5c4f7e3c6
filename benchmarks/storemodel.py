"""A store against a dict: whatever is done, in whatever order, both kinds of database hold what a dictionary would.

A Hypothesis state machine. Each step is done to a library, a run and a ledger, in SQLite and in PostgreSQL at once, and
to plain Python values; what each says, and what is in each afterwards, must be the same. Databases are closed and
opened again on the way, as are ledgers. Steps are counted, so that a torture can ask for many.
"""

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cluster import Cluster
from desk import memory
from preceptor.errors import UserError
from preceptor.library.model import Strategy
from preceptor.library.store import Batch, Library
from preceptor.llm.budget import Budget
from preceptor.llm.ledger import Ledger
from preceptor.llm.limits import Limiter
from preceptor.llm.messages import Message, Reply, Request, Usage
from preceptor.llm.scripted import ScriptedModel
from preceptor.llm.stack import stack
from preceptor.llm.stopping import Stop
from preceptor.storage.database import Database
from preceptor.storage.records import Records
from preceptor.storage.runs import Runs

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20).filter(str.strip)
IDS = st.sampled_from(["st-a", "st-B", "st_a", "st-á", "st-ab"])
VALUES = st.sampled_from([0.0, -0.0, 0.1, 1e-300, -7.25])
DECISIONS = st.sampled_from(["approved", "rejected", "pending"])
KEYS = st.sampled_from(["a", "B", "_", "é"])


@dataclass
class Held:
    """What a strategy is."""

    text: str
    value: float
    decision: str = "pending"
    edited: bool = False
    versions: int = 1


@dataclass
class Model:
    strategies: dict[str, Held] = field(default_factory=dict)
    steps: set[str] = field(default_factory=set)
    lives: list[frozenset[str]] = field(default_factory=list)
    """The texts of what was live, oldest first."""
    events: list[Any] = field(default_factory=list)
    records: dict[str, tuple[int, str]] = field(default_factory=dict)
    replies: dict[str, str] = field(default_factory=dict)
    sent: int = 0
    """Calls that reached the model."""


class Side:
    """One kind of database."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.sent = 0
        self.open()
        self.run = Runs(self.db).create("teach", {}, 0).id

    def open(self) -> None:
        self.db = Database.open(self.place)
        self.library, self.runs, self.records = Library(self.db), Runs(self.db), Records(self.db)

    def ask(self, text: str) -> str:
        async def answer(request: Request) -> Reply:
            self.sent += 1
            return Reply(Message("assistant", str(request.messages[0].content)[::-1]), Usage(1, 1))

        async def asking() -> str:
            ledger = Ledger(self.db, self.run)
            asked = stack(ScriptedModel("m", answer), "student", ledger, Budget(), Limiter(), Stop())
            reply = await asked.ask(Request((Message("user", text),)))
            await ledger.written()
            return reply.text

        return asyncio.run(asking())


class Store(RuleBasedStateMachine):
    """Set `cluster` on a subclass before it is run."""

    cluster: ClassVar[Cluster]
    counted: ClassVar[int] = 0
    """Steps done, over all examples."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.model = Model()

    @initialize()
    def begin(self) -> None:
        folder = self.stack.enter_context(tempfile.TemporaryDirectory(dir=memory()))
        url = self.cluster.new("template")
        self.stack.callback(self.cluster.drop, url)
        self.sides = [Side(str(Path(folder) / "p.db")), Side(url)]

    def teardown(self) -> None:
        for side in getattr(self, "sides", ()):
            side.db.close()
        self.stack.close()

    def each(self, act: Callable[[Side], Any]) -> Any:
        """What both say, which must be one thing; a refusal is told by its kind."""
        type(self).counted += 1
        said = []
        for side in self.sides:
            try:
                said.append(act(side))
            except UserError as fault:
                said.append(type(fault).__name__)
        assert said[0] == said[1]
        return said[0]

    @rule(id_=IDS, text=TEXTS, value=VALUES)
    def put(self, id_: str, text: str, value: float) -> None:
        self._put(id_, text, value)
        self.each(lambda side: side.library.put_strategy(_strategy(id_, text, value), "run"))

    def _put(self, id_: str, text: str, value: float) -> None:
        held = self.model.strategies.get(id_)
        if held is None:
            self.model.strategies[id_] = Held(text, value)
        elif held.text != text and not held.edited:
            self.model.strategies[id_] = Held(text, value, "pending", False, held.versions + 1)
        elif held.text == text and held.value != value:
            self.model.strategies[id_] = replace(held, value=value, versions=held.versions + 1)

    @rule(id_=IDS, text=TEXTS, step=KEYS)
    def store(self, id_: str, text: str, step: str) -> None:
        batch = Batch(strategies=[_strategy(id_, text, 0.5)])
        assert self.each(lambda side: side.library.store(batch, "run", step)) == (step not in self.model.steps)
        if step not in self.model.steps:
            self.model.steps.add(step)
            self._put(id_, text, 0.5)

    @rule(id_=IDS, decision=DECISIONS)
    def decide(self, id_: str, decision: Any) -> None:
        said = self.each(lambda side: side.library.decide(id_, decision, "ann").decision)
        if id_ in self.model.strategies:
            assert said == decision
            self.model.strategies[id_].decision = decision
        elif not [known for known in self.model.strategies if known.startswith(id_)]:
            assert said == "NotFound"
        elif said == decision:
            (only,) = (known for known in self.model.strategies if known.startswith(id_))
            self.model.strategies[only].decision = decision

    @rule()
    def release(self) -> None:
        texts = frozenset(held.text for held in self.model.strategies.values() if held.decision == "approved")
        said = self.each(lambda side: side.library.release("ann").hash)
        assert (said == "UserError") == (not texts)

    @rule()
    def go_back(self) -> None:
        self.each(lambda side: side.library.rollback("ann").hash)

    @rule(
        body=st.one_of(TEXTS, st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.none())
    )
    def event(self, body: Any) -> None:
        self.model.events.append(body)
        assert self.each(lambda side: side.runs.event(side.run, "n", body)) == len(self.model.events)

    @rule(key=KEYS, n=st.integers(0, 3), body=TEXTS)
    def record(self, key: str, n: int, body: str) -> None:
        self.model.records[key] = (n, body)

        def keep(side: Side) -> None:
            side.records.keep(side.run, "k", key, body, n)
            side.records.written()

        self.each(keep)

    @rule(text=st.sampled_from(["one", "two", "three", "é\u2028"]))
    def ask(self, text: str) -> None:
        self.model.replies[text] = text[::-1]
        assert self.each(lambda side: side.ask(text)) == text[::-1]

    @rule(prefix=st.sampled_from(["s", "st-", "ST-A", "st_", "%", "st-ab", "é"]))
    def find(self, prefix: str) -> None:
        known = [id_ for id_ in self.model.strategies if id_.startswith(prefix)]
        wanted = prefix if prefix in known else known[0] if len(known) == 1 else "Conflict" if known else "NotFound"
        assert self.each(lambda side: side.library.strategy(prefix).id) == wanted

    @rule()
    def reopen(self) -> None:
        for side in self.sides:
            side.db.close()
            side.open()

    @invariant()
    def the_same_everywhere(self) -> None:
        for side in getattr(self, "sides", ()):
            found = side.library.strategies()
            assert [one.id for one in found] == sorted(self.model.strategies, key=str.encode)
            for one in found:
                held = self.model.strategies[one.id]
                assert (one.text, one.value, one.decision, one.version) == (
                    held.text,
                    held.value,
                    held.decision,
                    held.versions,
                )
            assert [event.body for event in side.runs.events(side.run)] == self.model.events
            kept = [(one.n, one.key, one.body) for one in side.records.all(side.run, "k")]
            assert [(n, key) for n, key, _ in kept] == sorted(
                ((n, key) for key, (n, _) in self.model.records.items()), key=lambda pair: (pair[0], pair[1].encode())
            )
            assert side.sent == len(self.model.replies)


def bounds(examples: int, steps: int) -> settings:
    """So many examples of so many steps each at most. What fails is told as it came: to shorten it takes long here."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        phases=[Phase.generate],
        database=None,
        suppress_health_check=slow,
    )


def _strategy(id_: str, text: str, value: float) -> Strategy:
    return Strategy(id_, text, "It helps.", None, value, "accepted")
