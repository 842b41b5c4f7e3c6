"""Budgets bind: whatever the calls use, however many run at once, nothing is overshot by one unit."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from random import Random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preceptor.errors import (
    Adjusted,
    BadReply,
    BudgetExhausted,
    Denied,
    Garbled,
    RateLimited,
    Rejected,
    Unavailable,
)
from preceptor.llm.budget import Budget, Budgeted
from preceptor.llm.messages import Message, Reply, Request, Sampling, Tool, Usage
from preceptor.llm.prices import FREE, NOTHING, Amount, Price, from_nano, to_nano
from preceptor.llm.scripted import ScriptedModel
from preceptor.llm.wire import render_request

PRICE = Price(Decimal("0.15"), Decimal("0.6"))


class Memory:
    """A book kept in memory."""

    def __init__(self) -> None:
        self.open = 0
        self.used: list[Amount] = []

    async def sending(self, request: Request, worst: Amount) -> None:
        await asyncio.sleep(0)
        self.open += 1

    def settled(self, request: Request, worst: Amount, used: Amount) -> None:
        self.open -= 1
        self.used.append(used)


class Server:
    """Counts what was really used: any usage up to the bound, and some failures that used as much unseen."""

    def __init__(self, seed: int, price: Price) -> None:
        self.random = Random(seed)
        self.price = price
        self.used = NOTHING

    async def __call__(self, request: Request) -> Reply | Exception:
        worst = self.price.worst(request)
        usage = Usage(self.random.randint(1, worst.prompt_tokens), self.random.randint(1, worst.completion_tokens))
        await asyncio.sleep(0)
        kind = self.random.random()
        if kind < 0.15:
            self.used += Amount(calls=1)
            return RateLimited("slow down")
        self.used += self.price.amount(usage)
        await asyncio.sleep(0)
        if kind < 0.3:
            return Unavailable("timed out")
        return Reply(Message("assistant", "ok"), Usage() if kind < 0.4 else usage)


def budgets() -> st.SearchStrategy[Budget]:
    return st.builds(
        Budget,
        calls=st.none() | st.integers(0, 60),
        tokens=st.none() | st.integers(0, 60_000),
        money=st.none() | st.decimals("0", "0.02", places=9),
    )


@settings(max_examples=200, deadline=None)
@given(limits=budgets(), seed=st.integers(0, 2**20))
def test_nothing_is_overshot_by_one_unit(limits: Budget, seed: int) -> None:
    asyncio.run(spend(Budget(limits.calls, limits.tokens, limits.money), seed))


async def spend(budget: Budget, seed: int) -> None:
    """32 customers at once go on asking until the budget or their patience is used up."""
    server, book = Server(seed, PRICE), Memory()
    asked = Budgeted(ScriptedModel("m", server), budget, PRICE, book)
    sizes = Random(seed)

    async def customer() -> None:
        for _ in range(4):
            request = Request(
                (Message("user", "x" * sizes.randint(1, 900)),), Sampling(max_tokens=sizes.randint(1, 500))
            )
            try:
                await asked.ask(request)
            except (RateLimited, Unavailable):
                continue
            except BudgetExhausted:
                return

    await asyncio.gather(*(customer() for _ in range(32)))
    for used in (server.used, budget.used):
        assert budget.calls is None or used.calls <= budget.calls
        assert budget.tokens is None or used.tokens <= budget.tokens
        assert budget.money is None or used.nano <= to_nano(budget.money)
    assert server.used.calls == budget.used.calls
    assert server.used.tokens <= budget.used.tokens
    assert budget.reserved == NOTHING
    assert book.open == 0
    assert sum(book.used, NOTHING) == budget.used


async def run_out(budget: Budget, reply: Reply, request: Request, price: Price = FREE) -> tuple[int, str]:
    asked = ScriptedModel("m", lambda _: reply)
    budgeted = Budgeted(asked, budget, price, Memory())
    while True:
        try:
            await budgeted.ask(request)
        except BudgetExhausted as end:
            return len(asked.requests), str(end)


@pytest.mark.anyio
async def test_all_of_a_budget_can_be_used(asking: Callable[..., Request]) -> None:
    request = asking()
    worst = PRICE.worst(request)
    full = Reply(Message("assistant", "ok"), Usage(worst.prompt_tokens, worst.completion_tokens))
    assert (await run_out(Budget(calls=7), full, request))[0] == 7
    assert (await run_out(Budget(tokens=5 * worst.tokens), full, request))[0] == 5
    assert (await run_out(Budget(tokens=5 * worst.tokens - 1), full, request))[0] == 4
    money = from_nano(3 * worst.nano)
    assert (await run_out(Budget(money=money), full, request, PRICE))[0] == 3
    _, words = await run_out(Budget(money=money), full, request, PRICE)
    assert "money" in words


@pytest.mark.anyio
async def test_a_call_waits_for_what_others_may_give_back(asking: Callable[..., Request]) -> None:
    request = asking()
    worst = FREE.worst(request)
    small = Reply(Message("assistant", "ok"), Usage(1, 1))
    go = asyncio.Event()

    async def answer(_: Request) -> Reply:
        await go.wait()
        return small

    asked = ScriptedModel("m", answer)
    budgeted = Budgeted(asked, Budget(tokens=worst.tokens + 2), FREE, Memory())
    both = [asyncio.create_task(budgeted.ask(request)) for _ in range(2)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(asked.requests) == 1
    go.set()
    assert await asyncio.gather(*both) == [small, small]
    with pytest.raises(BudgetExhausted):
        await budgeted.ask(request)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fault", "charged"),
    [
        (RateLimited("slow down"), "call"),
        (Rejected("no"), "call"),
        (Denied("no"), "call"),
        (Adjusted("no"), "call"),
        (Unavailable("not there", reached=False), "call"),
        (Unavailable("timed out"), "worst"),
        (Garbled("cut off"), "worst"),
        (BadReply("empty"), "worst"),
    ],
)
async def test_what_a_failed_attempt_costs(fault: Exception, charged: str, asking: Callable[..., Request]) -> None:
    budget = Budget()
    with pytest.raises(type(fault)):
        await Budgeted(ScriptedModel("m", [fault]), budget, PRICE, Memory()).ask(asking())
    assert budget.used == (PRICE.worst(asking()) if charged == "worst" else Amount(calls=1))


@pytest.mark.anyio
async def test_what_could_not_be_written_down_is_not_sent(asking: Callable[..., Request]) -> None:
    class Full(Memory):
        async def sending(self, request: Request, worst: Amount) -> None:
            raise OSError("disk full")

    asked, budget = ScriptedModel("m", []), Budget(calls=1)
    with pytest.raises(OSError, match="disk full"):
        await Budgeted(asked, budget, FREE, Full()).ask(asking())
    assert asked.requests == []
    assert budget.used == budget.reserved == NOTHING


@pytest.mark.anyio
async def test_what_was_used_before_counts(asking: Callable[..., Request]) -> None:
    reply = Reply(Message("assistant", "ok"), Usage(1, 1))
    assert (await run_out(Budget(calls=7, used=Amount(calls=5)), reply, asking()))[0] == 2


@given(text=st.text(max_size=300), tokens=st.integers(1, 9))
def test_the_bound_covers_every_byte(text: str, tokens: int) -> None:
    request = Request(
        (Message("system", text), Message("user", text)), Sampling(max_tokens=tokens), (Tool("t", text, {}),)
    )
    worst = PRICE.worst(request)
    assert worst.prompt_tokens > 3 * len(text.encode())
    assert worst.completion_tokens == tokens


CALLING = """

# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{tools}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call>"""
"""What the template of a common family (Qwen 2.5) adds when there are tools."""


@given(said=st.lists(st.text(max_size=30), min_size=1, max_size=6))
def test_the_bound_covers_a_chat_template_even_at_a_token_a_byte(said: list[str]) -> None:
    tool = Tool("t", "Looks.", {"type": "object"})
    request = Request(tuple(Message("user", text) for text in said), tools=(tool,))
    rendered = render_request(request, "m")
    system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
    tools = CALLING.replace("{tools}", "\n".join(orjson.dumps(one).decode() for one in rendered["tools"]))
    turns = [("system", system + tools), *(("user", text) for text in said)]
    prompt = "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns) + "<|im_start|>assistant\n"
    assert FREE.worst(request).prompt_tokens >= len(prompt.encode())


def test_money_is_exact_and_rounded_up() -> None:
    assert PRICE.amount(Usage(1_000_000, 1_000_000)).nano == 750_000_000
    assert Price(Decimal("0.0001")).amount(Usage(1, 0)).nano == 1
    assert to_nano(Decimal("0.0000000019")) == 1
    assert from_nano(to_nano(Decimal("1.25"))) == Decimal("1.25")
