"""The limiter finds out how many calls an endpoint takes."""

import asyncio
from collections.abc import Callable

import pytest

from preceptor.errors import ProviderError, RateLimited, Unavailable
from preceptor.llm.limits import Limited, Limiter
from preceptor.llm.messages import Request
from preceptor.llm.scripted import ScriptedModel

pytestmark = pytest.mark.anyio
Outcome = type[ProviderError] | None


class Clock:
    time = 0.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


async def passing(limiter: Limiter, fault: Outcome = None) -> None:
    async with limiter:
        for _ in range(3):
            await asyncio.sleep(0)
        if fault:
            raise fault("no")


async def crowd(limiter: Limiter, count: int, fault: Outcome = None) -> None:
    await asyncio.gather(*(passing(limiter, fault) for _ in range(count)), return_exceptions=True)


async def test_no_more_than_the_limit_at_once_and_in_order() -> None:
    limiter, order, most = Limiter(3, 3), list[int](), 0

    async def one(number: int) -> None:
        nonlocal most
        async with limiter:
            order.append(number)
            most = max(most, limiter.traffic.active)
            await asyncio.sleep(0)

    await asyncio.gather(*(one(number) for number in range(10)))
    assert most == 3
    assert order == list(range(10))
    assert limiter.traffic.active == limiter.traffic.waiting == 0


async def test_it_doubles_each_clean_round_until_the_maximum() -> None:
    limiter = Limiter(2, 20)
    seen = []
    for _ in range(5):
        await crowd(limiter, limiter.traffic.limit)
        seen.append(limiter.traffic.limit)
    assert seen == [4, 8, 16, 20, 20]


async def test_after_a_429_it_grows_slowly() -> None:
    clock = Clock()
    limiter = Limiter(40, 100, clock=clock)
    await crowd(limiter, 1, RateLimited)
    assert limiter.traffic.limit == 32
    assert limiter.traffic.rate_limited == 1
    await crowd(limiter, 32)
    assert limiter.traffic.limit == 33


async def test_calls_that_fail_together_cut_once() -> None:
    clock = Clock()
    limiter = Limiter(40, 100, clock=clock)
    await crowd(limiter, 40, RateLimited)
    assert limiter.traffic.limit == 32
    clock.time = 14.9
    await crowd(limiter, 5, RateLimited)
    assert limiter.traffic.limit == 32
    clock.time = 15.0
    await crowd(limiter, 5, RateLimited)
    assert limiter.traffic.limit == 25


async def test_it_never_falls_below_one() -> None:
    clock = Clock()
    limiter = Limiter(2, 8, clock=clock)
    for _ in range(5):
        await crowd(limiter, 1, RateLimited)
        clock.time += 20
    assert limiter.traffic.limit == 1
    await crowd(limiter, 3)
    assert limiter.traffic.limit > 1


async def test_what_is_not_used_does_not_grow() -> None:
    limiter = Limiter(10, 100)
    for _ in range(30):
        await crowd(limiter, 7)
    assert limiter.traffic.limit == 10
    await crowd(limiter, 8)
    await crowd(limiter, 8)
    assert limiter.traffic.limit == 20


async def test_a_failing_server_pauses_growth_without_a_cut() -> None:
    limiter = Limiter(10, 100)
    for _ in range(5):
        await crowd(limiter, 9)
        await crowd(limiter, 1, Unavailable)
    assert limiter.traffic.limit == 10


async def test_requests_per_minute_are_spaced() -> None:
    clock = Clock()
    limiter = Limiter(8, 8, requests_per_minute=120, clock=clock)
    for _ in range(5):
        await passing(limiter)
    assert clock.time == pytest.approx(2.0)


async def test_giving_up_while_waiting_leaves_no_hole() -> None:
    limiter = Limiter(1, 1)
    running = asyncio.create_task(passing(limiter))
    waiting = [asyncio.create_task(passing(limiter)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await running
    # The second was let in by the first's end; giving up now must pass the place on.
    waiting[1].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert waiting[2].exception() is None
    assert limiter.traffic.active == 0
    await passing(limiter)


async def test_a_limited_model_reports_its_outcomes(asking: Callable[..., Request]) -> None:
    limiter = Limiter(10, 10)
    model = Limited(ScriptedModel("m", [RateLimited("slow down"), "ok"]), limiter)
    with pytest.raises(RateLimited):
        await model.ask(asking())
    assert limiter.traffic.limit == 8
    assert (await model.ask(asking())).text == "ok"
    assert model.name == "m"
