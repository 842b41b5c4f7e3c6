"""The ledger: what is known is not asked again, over kills too."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from preceptor.errors import (
    BadReply,
    BudgetExhausted,
    Denied,
    Garbled,
    RateLimited,
    Rejected,
    Stopped,
    Unavailable,
    UserError,
)
from preceptor.llm.budget import Budget
from preceptor.llm.ledger import Ledger, calls, charged
from preceptor.llm.limits import Limiter
from preceptor.llm.messages import Message, Reply, Request, ToolCall, Usage
from preceptor.llm.prices import Amount
from preceptor.llm.scripted import Answer, ScriptedModel
from preceptor.llm.stack import Stacked, stack
from preceptor.llm.stopping import Stop
from preceptor.storage.database import Database

pytestmark = pytest.mark.anyio
Asking = Callable[..., Request]
RICH = Reply(
    Message("assistant", "Héllo.", (ToolCall("c1", "look", "{}"),)),
    Usage(11, 3),
    "tool_calls",
    thinking="Look first.",
    notes=("no seed",),
)


def stacked(ledger: Ledger, model: ScriptedModel, role: str = "student", **parts: Any) -> Stacked:
    budget, stop = parts.get("budget") or Budget(), parts.get("stop") or Stop()
    clock = parts.get("clock")
    return stack(model, role, ledger, budget, Limiter(clock=clock), stop, clock=clock)


def rows(db: Database) -> list[Any]:
    db.submit(lambda _: None).result()
    with db.reading() as connection:
        return list(connection.execute(sa.select(calls).order_by(calls.c.sent_at)))


async def test_a_reply_is_kept_whole_and_not_asked_for_again(db: Database, asking: Asking) -> None:
    model = ScriptedModel("m", [RICH])
    ledger = Ledger(db, "r1")
    assert await stacked(ledger, model).ask(asking()) == RICH
    assert await stacked(ledger, model).ask(asking()) == RICH
    assert await stacked(Ledger(db, "r1"), model).ask(asking()) == RICH
    [row] = rows(db)
    assert (row.run, row.role, row.model, row.state, row.attempts, row.resent) == ("r1", "student", "m", "done", 1, 0)
    assert (row.prompt_tokens, row.completion_tokens) == (11, 3)


async def test_another_run_role_model_or_request_is_another_call(db: Database, asking: Asking) -> None:
    model, other = ScriptedModel("m", lambda _: RICH), ScriptedModel("n", lambda _: RICH)
    ledger = Ledger(db, "r1")
    await stacked(ledger, model).ask(asking())
    await stacked(ledger, model).ask(asking(seed=1))
    await stacked(ledger, model, "judge").ask(asking())
    await stacked(Ledger(db, "r2"), model).ask(asking())
    await stacked(ledger, other).ask(asking())
    assert len(model.requests) == 4
    assert len(other.requests) == 1


async def test_the_row_is_there_before_the_call(db: Database, asking: Asking) -> None:
    seen = []

    async def answer(_: Request) -> Reply:
        seen.extend(rows(db))
        return RICH

    await stacked(Ledger(db, "r1"), ScriptedModel("m", answer)).ask(asking())
    assert [row.state for row in seen] == ["sent"]
    assert seen[0].completion_tokens == 50


async def test_a_reply_that_cannot_be_written_down_ends_the_run(db: Database, asking: Asking) -> None:
    """The second row cannot be finished: its table is gone by then. The third call must not be sent."""
    dropped: list[object] = []

    def drop(connection: sa.Connection) -> None:
        dropped.append(connection.execute(sa.text("ALTER TABLE calls RENAME TO gone")))

    async def answer(_: Request) -> Reply:
        if len(model.requests) == 2:
            await db.write(drop)
        return RICH

    model, ledger = ScriptedModel("m", answer), Ledger(db, "r1")
    asked = stacked(ledger, model)
    for number in range(2):
        await asked.ask(asking(str(number)))
    with pytest.raises((sa.exc.OperationalError, sa.exc.ProgrammingError)):
        ledger.flush()
    with pytest.raises((sa.exc.OperationalError, sa.exc.ProgrammingError)):
        await asked.ask(asking("third"))
    assert len(model.requests) == 2
    assert dropped


async def test_identical_calls_at_once_are_one(db: Database, asking: Asking) -> None:
    model = ScriptedModel("m", [RICH])
    asked = stacked(Ledger(db, "r1"), model)
    assert await asyncio.gather(*(asked.ask(asking()) for _ in range(8))) == [RICH] * 8


async def test_they_share_a_fault_too(db: Database, asking: Asking) -> None:
    asked = stacked(Ledger(db, "r1"), ScriptedModel("m", [Rejected("no")]))
    ends = await asyncio.gather(*(asked.ask(asking()) for _ in range(3)), return_exceptions=True)
    assert [type(end) for end in ends] == [Rejected] * 3


async def test_when_the_one_who_asks_is_cancelled_another_takes_over(db: Database, asking: Asking) -> None:
    asked_first = asyncio.Event()

    async def answer(_: Request) -> Reply:
        asked_first.set()
        await asyncio.sleep(0 if len(model.requests) > 1 else 60)
        return RICH

    model = ScriptedModel("m", answer)
    asked = stacked(Ledger(db, "r1"), model)
    first = asyncio.create_task(asked.ask(asking()))
    second = asyncio.create_task(asked.ask(asking()))
    await asked_first.wait()
    first.cancel()
    assert await second == RICH
    assert len(model.requests) == 2


async def test_what_a_run_has_used_is_told_without_reading_its_calls(db: Database, asking: Asking) -> None:
    assert charged(db, "r1") == Amount()
    ledger = Ledger(db, "r1")
    for role, seed in (("student", 1), ("student", 2), ("judge", 1)):
        await stacked(ledger, ScriptedModel("m", [RICH]), role).ask(asking(seed=seed))
    await stacked(Ledger(db, "r2"), ScriptedModel("m", [RICH])).ask(asking())
    assert charged(db, "r1") == ledger.charged == Amount(3, 33, 9)


async def submitted(db: Database) -> None:
    """Return when whatever tasks had to write is on disk, and before any of them can know."""
    for _ in range(20):
        await asyncio.sleep(0)
    db.submit(lambda _: None).result()


async def test_one_that_is_cancelled_while_its_row_is_written_is_taken_over_too(db: Database, asking: Asking) -> None:
    model = ScriptedModel("m", [RICH])
    ledger = Ledger(db, "r1")
    asked = stacked(ledger, model)
    first = asyncio.create_task(asked.ask(asking()))
    second = asyncio.create_task(asked.ask(asking()))
    await submitted(db)
    first.cancel()
    assert await second == RICH
    assert first.cancelled()
    [row] = rows(db)
    assert (row.state, row.resent) == ("done", 0)
    assert ledger.charged == Ledger(db, "r1").charged == Amount(1, 11, 3), "the first was not sent"


@pytest.mark.parametrize(
    ("fault", "again"), [(Rejected("too rude", 422, "messages"), Rejected), (BadReply("empty"), BadReply)]
)
async def test_an_outcome_that_is_a_fault_is_replayed(
    fault: Exception, again: type[Exception], db: Database, asking: Asking
) -> None:
    for script in ([fault], []):
        with pytest.raises(again) as told:
            await stacked(Ledger(db, "r1"), ScriptedModel("m", script)).ask(asking())
        assert str(told.value) == str(fault)
        assert getattr(told.value, "status", None) == getattr(fault, "status", None)
    assert rows(db)[0].state == "failed"


async def test_a_reply_that_stays_broken_is_an_outcome_too(db: Database, asking: Asking, clock: Any) -> None:
    scripts: list[list[Answer]] = [["ok", *[Garbled("cut")] * 12], []]
    for script in scripts:
        asked = stacked(Ledger(db, "r1"), ScriptedModel("m", script), clock=clock)
        assert (await asked.ask(asking("first"))).text == "ok"
        with pytest.raises(BadReply, match="cut"):
            await asked.ask(asking())


@pytest.mark.parametrize("fault", [Denied("wrong key"), Unavailable("away", reached=False), RateLimited("slow")])
async def test_other_faults_are_asked_again(fault: Exception, db: Database, asking: Asking, clock: Any) -> None:
    with pytest.raises(type(fault)):
        await stacked(Ledger(db, "r1"), ScriptedModel("m", lambda _: fault), clock=clock).ask(asking())
    ledger = Ledger(db, "r1")
    assert await stacked(ledger, ScriptedModel("m", [RICH])).ask(asking()) == RICH
    [row] = rows(db)
    assert (row.state, row.resent) == ("done", 0)
    assert ledger.totals["student"].calls == 2


async def test_attempts_are_charged_and_a_resumed_budget_knows_them(db: Database, asking: Asking, clock: Any) -> None:
    script: list[Answer] = [RateLimited("slow", 1.0), Unavailable("timed out", 1.0), RICH]
    budget, ledger = Budget(), Ledger(db, "r1")
    await stacked(ledger, ScriptedModel("m", script), budget=budget, clock=clock).ask(asking())
    assert budget.used.calls == 3
    assert budget.used.completion_tokens == 50 + 3
    resumed = Ledger(db, "r1")
    assert resumed.charged == ledger.charged == budget.used
    assert resumed.totals == ledger.totals
    with pytest.raises(BudgetExhausted):
        await stacked(resumed, ScriptedModel("m", []), budget=Budget(calls=3, used=resumed.charged)).ask(asking("more"))


async def test_a_stop_before_anything_was_sent_leaves_no_row(db: Database, asking: Asking) -> None:
    stop = Stop()
    stop.set()
    with pytest.raises(Stopped):
        await stacked(Ledger(db, "r1"), ScriptedModel("m", []), stop=stop).ask(asking())
    with pytest.raises(BudgetExhausted):
        await stacked(Ledger(db, "r1"), ScriptedModel("m", []), budget=Budget(calls=0)).ask(asking())
    assert rows(db) == []


async def test_a_stop_while_waiting_for_a_place_sends_nothing_and_charges_nothing(db: Database, asking: Asking) -> None:
    stop, begun, ledger = Stop(), asyncio.Event(), Ledger(db, "r1")

    async def answer(_: Request) -> Reply:
        begun.set()
        await asyncio.sleep(0.02)
        return RICH

    model = ScriptedModel("m", answer)
    asked = stack(model, "student", ledger, Budget(), Limiter(2, 2), stop)
    tasks = [asyncio.create_task(asked.ask(asking(f"call {number}"))) for number in range(10)]
    await begun.wait()
    stop.set()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    sent = len(model.requests)
    assert 1 <= sent <= 2
    assert [type(end) for end in ends].count(Stopped) == 10 - sent
    assert ledger.charged.calls == ledger.totals["student"].calls == sent
    assert Ledger(db, "r1").totals == ledger.totals
    assert len(rows(db)) <= 3
    resumed = stack(ScriptedModel("m", lambda _: RICH), "student", Ledger(db, "r1"), Budget(), Limiter(), Stop())
    await asyncio.gather(*(resumed.ask(asking(f"call {number}")) for number in range(10)))
    assert [row.resent for row in rows(db)] == [0] * 10


async def test_after_a_stop_what_is_in_flight_finishes_and_what_is_known_is_told(db: Database, asking: Asking) -> None:
    stop, ledger = Stop(), Ledger(db, "r1")

    async def answer(_: Request) -> Reply:
        stop.set()
        return RICH

    asked = stacked(ledger, ScriptedModel("m", answer), stop=stop)
    assert await asked.ask(asking()) == RICH
    assert await asked.ask(asking()) == RICH
    with pytest.raises(Stopped):
        await asked.ask(asking("new"))


async def test_a_stop_while_backing_off_keeps_what_was_charged(db: Database, asking: Asking) -> None:
    stop = Stop()

    def answer(_: Request) -> Unavailable:
        stop.set()
        return Unavailable("timed out")

    with pytest.raises(Stopped):
        await stacked(Ledger(db, "r1"), ScriptedModel("m", answer), stop=stop).ask(asking())
    ledger = Ledger(db, "r1")
    assert ledger.charged.calls == 1
    assert ledger.charged.completion_tokens == 50
    await stacked(ledger, ScriptedModel("m", [RICH])).ask(asking())
    assert ledger.charged.calls == 2
    assert ledger.totals["student"].resent == 0


async def test_what_was_in_flight_is_charged_in_full_and_marked_when_sent_again(db: Database, asking: Asking) -> None:
    ledger = Ledger(db, "r1")
    await ledger.account("student", "m").sending(asking(), Amount(1, 40, 50, 7))
    resumed = Ledger(db, "r1")
    assert resumed.charged == Amount(1, 40, 50, 7)
    await stacked(resumed, ScriptedModel("m", [RICH])).ask(asking())
    [row] = rows(db)
    assert (row.state, row.attempts, row.resent) == ("done", 2, 1)
    assert (row.prompt_tokens, row.completion_tokens, row.cost_nano) == (51, 53, 7)
    assert resumed.totals["student"].resent == 1
    assert Ledger(db, "r1").charged == resumed.charged


WORKER = """
import asyncio, sys
from pathlib import Path
from preceptor.llm.budget import Budget
from preceptor.llm.ledger import Ledger
from preceptor.llm.limits import Limiter
from preceptor.llm.messages import Message, Reply, Request, Usage
from preceptor.llm.scripted import ScriptedModel
from preceptor.llm.stack import stack
from preceptor.llm.stopping import Stop
from preceptor.storage.database import Database

log = open(sys.argv[2], "a", buffering=1)
most = int(sys.argv[3])  # After so many it is silent, and waits to be killed.

async def answer(request):
    global most
    text = request.messages[0].content
    log.write(text + "\\n")
    most -= 1
    await asyncio.sleep(0.002 if most > 0 else 3600)
    return Reply(Message("assistant", text.upper()), Usage(1, 1))

async def main():
    with Database.open(sys.argv[1]) as db:
        asked = stack(ScriptedModel("m", answer), "student", Ledger(db, "r1"), Budget(), Limiter(8, 8), Stop())
        requests = [Request((Message("user", f"call {n}"),)) for n in range(200)]
        replies = await asyncio.gather(*(asked.ask(request) for request in requests))
        assert [reply.text for reply in replies] == [f"CALL {n}" for n in range(200)]

asyncio.run(main())
"""


def test_kill_and_resume_sends_only_what_was_in_flight(place: str, tmp_path: Path) -> None:
    log = tmp_path / "sent"
    log.touch()
    command = [sys.executable, "-c", WORKER, place, str(log)]
    finished: Counter[str] = Counter()
    for lines in (20, 60, 110):
        kill_after(lines, [*command, str(lines)], log)
        sent = Counter(log.read_text().splitlines())
        states = {asked_text(row): row.state for row in stored(place)}
        assert sent.keys() <= states.keys()
        assert finished.items() <= sent.items()
        finished = Counter({text: sent[text] for text, state in states.items() if state == "done"})
    subprocess.run([*command, "1000"], check=True)
    sent, ends = Counter(log.read_text().splitlines()), stored(place)
    assert finished.items() <= sent.items()
    assert len(finished) > 20
    assert len(sent) == len(ends) == 200
    assert {row.state for row in ends} == {"done"}
    assert all(1 <= sent[asked_text(row)] <= 1 + row.resent for row in ends)
    # No more than eight were in flight at any of the three kills, and four about to be.
    assert 1 <= sum(row.resent for row in ends) <= 3 * 12


def kill_after(lines: int, command: list[str], log: Path) -> None:
    with subprocess.Popen(command) as worker:
        try:
            while len(log.read_text().splitlines()) < lines:
                assert worker.poll() is None
                time.sleep(0.005)
        finally:
            worker.send_signal(signal.SIGKILL)


def stored(place: str) -> list[Any]:
    with Database.open(place) as db:
        return rows(db)


def asked_text(row: Any) -> str:
    return str(orjson.loads(row.request)["messages"][0]["content"])


class FailsAtTheEnd(Database):
    """Says that a write failed, after it was kept: a disk may."""

    failing = False

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        with super().begin() as connection:
            yield connection
        if self.failing:
            self.failing = False
            disk = sa.exc.OperationalError("COMMIT", None, sqlite3.OperationalError("disk I/O error"))
            raise UserError("The disk refused.") from disk


async def test_after_a_row_that_may_be_there_or_not_nothing_is_sent(tmp_path: Path, asking: Asking) -> None:
    model = ScriptedModel("m", lambda _: RICH)
    with FailsAtTheEnd.open(tmp_path / "p.db") as db:
        asked = stacked(Ledger(db, "r1"), model)
        assert isinstance(db, FailsAtTheEnd)
        db.failing = True
        for request in (asking(), asking(), asking(seed=1)):
            with pytest.raises(UserError, match="The disk refused"):
                await asked.ask(request)
    assert model.requests == []
    with Database.open(tmp_path / "p.db") as db:
        assert await stacked(Ledger(db, "r1"), model).ask(asking()) == RICH
        assert [(row.state, row.resent) for row in rows(db)] == [("done", 1)]
