"""The whole stack around the HTTP client, against a server on a bad day."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import httpx2
import orjson
import pytest

from preceptor.errors import BudgetExhausted, Unavailable
from preceptor.llm.budget import Budget
from preceptor.llm.client import OpenAIModel
from preceptor.llm.ledger import Ledger
from preceptor.llm.limits import Limiter
from preceptor.llm.messages import Message, Reply, Request, Sampling, Usage
from preceptor.llm.prices import NOTHING, Price
from preceptor.llm.stack import Stacked, stack
from preceptor.llm.stopping import Stop
from preceptor.storage.database import Database

pytestmark = pytest.mark.anyio
Asking = Callable[..., Request]


class BadDay:
    """Refuses seeds, fails three calls in ten in some way, and counts what it was asked and what it used."""

    def __init__(self) -> None:
        self.random = Random(7)
        self.used = NOTHING
        self.answered = 0

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        body = orjson.loads(request.content)
        if "seed" in body:
            self.used += Price().amount(Usage())
            return httpx2.Response(400, json={"error": {"message": "no seed, please", "param": "seed"}})
        kind = self.random.random()
        if kind < 0.1:
            self.used += Price().amount(Usage())
            return httpx2.Response(429, headers={"retry-after": "2"}, json={})
        self.used += Price().amount(Usage(40, 10))
        if kind < 0.2:
            raise httpx2.ReadTimeout("too slow")
        if kind < 0.3:
            return httpx2.Response(200, content=b'{"choices": [')
        self.answered += 1
        text = body["messages"][-1]["content"].upper()
        usage = {"prompt_tokens": 40, "completion_tokens": 10}
        return httpx2.Response(200, json={"choices": [{"message": {"content": text}}], "usage": usage})


def around(server: BadDay, db: Database, clock: Any, budget: Budget) -> tuple[Stacked, Ledger]:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(server))
    model = OpenAIModel("small", "http://models.test/v1", "small-1", "", 5.0, http)
    ledger = Ledger(db, "r1")
    return stack(model, "student", ledger, budget, Limiter(8, 8, clock=clock), Stop(), clock=clock), ledger


def request(number: int) -> Request:
    return Request((Message("user", f"question {number}"),), Sampling(max_tokens=10, seed=number))


async def test_every_call_is_answered_once_and_every_attempt_is_booked(db: Database, clock: Any) -> None:
    server, budget = BadDay(), Budget()
    asked, ledger = around(server, db, clock, budget)
    replies = await asyncio.gather(*(asked.ask(request(number)) for number in range(100)))
    assert [reply.text for reply in replies] == [f"QUESTION {number}" for number in range(100)]
    assert all("seed" in reply.notes[0] for reply in replies)
    assert server.answered == 100
    assert budget.used.calls == server.used.calls > 130
    assert budget.used.tokens >= server.used.tokens
    assert ledger.charged == budget.used
    assert asked.retrying.state == ""
    assert asked.limiter.traffic.rate_limited > 0


async def test_a_budget_holds_on_a_bad_day_and_over_a_resume(db: Database, clock: Any) -> None:
    server = BadDay()
    for calls in (50, 77, 400):
        asked, _ = around(server, db, clock, Budget(calls=calls, used=Ledger(db, "r1").charged))
        ends = await asyncio.gather(*(asked.ask(request(n)) for n in range(100)), return_exceptions=True)
        assert {type(end) for end in ends} <= {Reply, BudgetExhausted}
        assert server.used.calls <= calls
        if calls < 100:
            assert server.used.calls == calls
            assert any(isinstance(end, BudgetExhausted) for end in ends)
    assert server.answered == 100


async def test_a_wrong_address_is_one_clear_sentence_soon(db: Database, clock: Any, asking: Asking) -> None:
    def refuse(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("Connection refused")

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(refuse))
    model = OpenAIModel("small", "http://nowhere.test/v1", "small-1", "", 5.0, http)
    asked = stack(model, "student", Ledger(db, "r1"), Budget(), Limiter(), Stop(), clock=clock)
    with pytest.raises(Unavailable, match="Connection refused"):
        await asked.ask(asking())
    assert clock.time < 10
