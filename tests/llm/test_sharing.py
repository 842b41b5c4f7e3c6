"""One run's calls made by several processes: each once, within one budget, none lost with whoever made it."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

from cluster import Cluster
from preceptor.errors import BudgetExhausted, Rejected, Stopped, Unavailable
from preceptor.llm.budget import Budget
from preceptor.llm.ledger import calls
from preceptor.llm.limits import Limiter
from preceptor.llm.messages import Message, Reply, Request, Usage
from preceptor.llm.prices import FREE, NOTHING, Amount
from preceptor.llm.scripted import ScriptedModel
from preceptor.llm.sharing import Purse, SharedLedger, SharedTurns, charges
from preceptor.llm.stack import Stacked, stack
from preceptor.llm.stopping import Stop
from preceptor.storage.database import Database

pytestmark = pytest.mark.anyio
Asking = Callable[..., Request]
REPLY = Reply(Message("assistant", "Hello."), Usage(11, 3))


@pytest.fixture
def url(cluster: Cluster) -> Iterator[str]:
    made = cluster.new("template")
    yield made
    cluster.drop(made)


@dataclass
class Office:
    """A database, and who of the processes at it is alive."""

    db: Database
    alive: set[str] = field(default_factory=set)

    def open(self, **bounds: Any) -> None:
        Purse(self.db, "r").open(Budget(**bounds), NOTHING, "crew")

    def process(self, name: str) -> SharedLedger:
        self.alive.add(name)
        return SharedLedger(self.db, "r", lambda: name, lambda _, other: other in self.alive)

    def rows(self) -> list[Any]:
        self.db.submit(lambda _: None).result()
        with self.db.reading() as connection:
            return list(connection.execute(sa.select(calls).order_by(calls.c.key)))

    def charged(self) -> tuple[Amount, Amount]:
        """By the purse, and by the rows."""
        rows = self.rows()
        with self.db.reading() as connection:
            booked = connection.execute(sa.select(charges)).all()
        by_purse = [Amount(row.attempts, row.prompt_tokens, row.completion_tokens, row.nano) for row in booked]
        by_rows = [Amount(row.attempts, row.prompt_tokens, row.completion_tokens, row.cost_nano) for row in rows]
        return sum(by_purse, NOTHING), sum(by_rows, NOTHING)


@pytest.fixture
def office(url: str) -> Iterator[Office]:
    with Database.open(url) as db:
        yield Office(db)


class Slow:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.began, self.end = asyncio.Event(), asyncio.Event()

    async def __call__(self, _: Request) -> Reply:
        self.began.set()
        await self.end.wait()
        return REPLY


def stacked(ledger: SharedLedger, model: ScriptedModel, role: str = "student", stop: Stop | None = None) -> Stacked:
    return stack(model, role, ledger, Budget(), Limiter(), stop or Stop())


async def test_a_call_is_made_by_one_process_and_answers_all(office: Office, asking: Asking) -> None:
    office.open()
    slow = Slow()
    one, other = ScriptedModel("m", slow), ScriptedModel("m", slow)
    asked = [
        asyncio.create_task(stacked(office.process(name), model).ask(asking()))
        for name, model in zip("12", (one, other), strict=True)
    ]
    await slow.began.wait()
    slow.end.set()
    assert await asyncio.gather(*asked) == [REPLY, REPLY]
    assert len(one.requests) + len(other.requests) == 1
    third = ScriptedModel("m", [])
    assert await stacked(office.process("3"), third).ask(asking()) == REPLY
    [row] = office.rows()
    assert (row.state, row.resent, row.attempts) == ("done", 0, 1)
    assert office.charged() == (Amount(1, 11, 3), Amount(1, 11, 3))


async def test_a_refusal_is_the_same_for_all(office: Office, asking: Asking) -> None:
    office.open()
    with pytest.raises(Rejected):
        await stacked(office.process("1"), ScriptedModel("m", [Rejected("no", 422, "seed")])).ask(asking())
    with pytest.raises(Rejected) as told:
        await stacked(office.process("2"), ScriptedModel("m", [])).ask(asking())
    assert (told.value.status, told.value.param) == (422, "seed")


async def test_what_a_dead_process_had_in_flight_is_taken_over_and_marked(office: Office, asking: Asking) -> None:
    office.open()
    slow = Slow()
    dead = asyncio.create_task(stacked(office.process("1"), ScriptedModel("m", slow)).ask(asking()))
    await slow.began.wait()
    waiting = asyncio.create_task(stacked(office.process("2"), ScriptedModel("m", [REPLY])).ask(asking()))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    office.alive.remove("1")
    assert await waiting == REPLY
    [row] = office.rows()
    assert (row.state, row.owner, row.resent, row.attempts) == ("done", "2", 1, 2)
    # The dead one was not dead, only cut off: its reply comes too late, and is paid for, but not kept.
    slow.end.set()
    await dead
    [row] = office.rows()
    assert (row.owner, row.state) == ("2", "done")
    assert office.charged() == (Amount(2, 22, 6), Amount(2, 22, 6))
    assert (await Purse(office.db, "r").totals())["student"].resent == 1


async def test_one_that_is_broken_off_is_free_to_be_made_by_others(office: Office, asking: Asking) -> None:
    office.open()
    slow = Slow()
    broken = asyncio.create_task(stacked(office.process("1"), ScriptedModel("m", slow)).ask(asking()))
    await slow.began.wait()
    broken.cancel()
    await asyncio.gather(broken, return_exceptions=True)
    assert await stacked(office.process("2"), ScriptedModel("m", [REPLY])).ask(asking()) == REPLY
    by_purse, by_rows = office.charged()
    assert by_purse == by_rows
    assert by_purse.calls == 2


async def test_one_that_is_broken_off_while_its_row_is_written_is_free_as_well(office: Office, asking: Asking) -> None:
    office.open()
    ledger = office.process("1")
    broken = asyncio.create_task(stacked(ledger, ScriptedModel("m", [])).ask(asking()))
    for _ in range(20):
        await asyncio.sleep(0)
    # On disk, and before it can know.
    office.db.submit(lambda _: None).result()
    broken.cancel()
    await asyncio.gather(broken, return_exceptions=True)
    again = ScriptedModel("m", [REPLY])
    async with asyncio.timeout(30):
        assert await stacked(ledger, again).ask(asking()) == REPLY
    [row] = office.rows()
    assert (row.state, row.owner) == ("done", "1")
    assert office.charged() == (Amount(1, 11, 3), Amount(1, 11, 3)), "nothing had been sent"


@pytest.mark.parametrize("unit", ["calls", "tokens"])
async def test_a_budget_holds_over_processes(office: Office, asking: Asking, unit: str) -> None:
    """Of tokens, what is left must cover the worst case of a call, so no two fit at once."""
    office.open(**{"calls": {"calls": 5}, "tokens": {"tokens": FREE.worst(asking(seed=0)).tokens + 2 * 14}}[unit])
    models = [ScriptedModel("m", lambda _: REPLY) for _ in range(3)]
    stacks = [stacked(office.process(str(n)), model) for n, model in enumerate(models)]
    asked = [one.ask(asking(seed=n)) for n, one in enumerate(stacks * 3)]
    ends = await asyncio.gather(*asked, return_exceptions=True)
    made = sum(len(model.requests) for model in models)
    assert made == {"calls": 5, "tokens": 3}[unit]
    assert [type(end) for end in ends].count(BudgetExhausted) == 9 - made
    assert office.charged() == (Amount(made, 11 * made, 3 * made),) * 2


async def test_a_run_that_is_closed_sends_nothing_of_others(office: Office, asking: Asking) -> None:
    model = ScriptedModel("m", [REPLY])
    with pytest.raises(Stopped, match="no longer open"):
        await stacked(office.process("1"), model).ask(asking())
    office.open()
    await stacked(office.process("1"), model).ask(asking())
    Purse(office.db, "r").close()
    assert Purse(office.db, "r").crew is None
    with pytest.raises(Stopped, match="no longer open"):
        await stacked(office.process("2"), model).ask(asking(seed=1))
    assert len(model.requests) == 1


async def test_who_opens_a_run_again_counts_what_was_used(office: Office, asking: Asking) -> None:
    office.open()
    await stacked(office.process("1"), ScriptedModel("m", [REPLY])).ask(asking())
    office.rows()
    Purse(office.db, "r").open(Budget(calls=5), Amount(calls=3), "crew")
    assert (await Purse(office.db, "r").totals())["student"].charged == Amount(1, 11, 3)
    model = ScriptedModel("m", lambda _: REPLY)
    stack_ = stacked(office.process("2"), model)
    await stack_.ask(asking(seed=1))
    with pytest.raises(BudgetExhausted, match="calls"):
        await stack_.ask(asking(seed=2))


async def test_retries_are_counted_and_owed_once(office: Office, asking: Asking) -> None:
    office.open()
    model = ScriptedModel("m", [Unavailable("away", 0.0, reached=False), REPLY])
    assert await stacked(office.process("1"), model).ask(asking()) == REPLY
    assert office.charged() == (Amount(2, 11, 3), Amount(2, 11, 3))


async def test_turns_at_an_endpoint_are_shared(office: Office) -> None:
    one, other, elsewhere = (SharedTurns(office.db, place) for place in ("http://a", "http://a", "http://b"))
    # An hour each: however long this takes here, that is not much of it.
    waits = [await turns.take(3600.0) for turns in (one, other, one, other)]
    assert waits == sorted(waits)
    assert waits[0] == pytest.approx(0, abs=0.01)
    assert 2.5 * 3600 < waits[3] <= 3 * 3600
    assert await elsewhere.take(3600.0) == pytest.approx(0, abs=0.01)
