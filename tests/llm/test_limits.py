"""The limiter finds out how many calls an endpoint takes."""

import asyncio
from collections.abc import Callable

import pytest

from preceptor.errors import ProviderError, RateLimited, Stopped, Unavailable
from preceptor.llm.limits import Limited, Limiter
from preceptor.llm.messages import Request
from preceptor.llm.scripted import ScriptedModel
from preceptor.llm.stopping import Stop

pytestmark = pytest.mark.anyio
Outcome = type[ProviderError] | None


class Clock:
    time = 0.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


async def passing(limiter: Limiter, fault: Outcome = None, wait: float | None = None) -> None:
    async with limiter.place():
        for _ in range(3):
            await asyncio.sleep(0)
        if fault:
            raise RateLimited("no", wait) if wait else fault("no")


async def crowd(limiter: Limiter, count: int, fault: Outcome = None) -> None:
    await asyncio.gather(*(passing(limiter, fault) for _ in range(count)), return_exceptions=True)


async def test_no_more_than_the_limit_at_once_and_in_order() -> None:
    limiter, order, most = Limiter(3, 3), list[int](), 0

    async def one(number: int) -> None:
        nonlocal most
        async with limiter.place():
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
    limiter = Limiter(40, 100, clock=Clock())
    await crowd(limiter, 1, RateLimited)
    assert limiter.traffic.rate_limited == 1
    assert limiter.traffic.pace
    await crowd(limiter, 40)
    assert limiter.traffic.limit == 42


async def test_what_is_not_used_does_not_grow() -> None:
    limiter = Limiter(10, 100)
    for _ in range(30):
        await crowd(limiter, 7)
    assert limiter.traffic.limit == 10
    await crowd(limiter, 8)
    await crowd(limiter, 8)
    assert limiter.traffic.limit == 20


async def test_what_fails_neither_grows_nor_cuts() -> None:
    limiter = Limiter(10, 100)
    for _ in range(5):
        await crowd(limiter, 10, Unavailable)
    assert limiter.traffic.limit == 10
    assert limiter.traffic.pace is None


@pytest.mark.parametrize("fault", [RateLimited("slow", 5.0), Unavailable("maintenance", 5.0)])
async def test_nothing_goes_out_before_the_server_said(fault: ProviderError) -> None:
    clock, went = Clock(), list[float]()
    limiter = Limiter(4, 4, clock=clock)

    async def one() -> None:
        async with limiter.place():
            went.append(clock.now())
            if len(went) == 1:
                raise fault

    await asyncio.gather(one(), return_exceptions=True)
    await asyncio.gather(*(one() for _ in range(3)))
    assert went[0] == 0.0
    assert min(went[1:]) == 5.0


async def test_a_stop_ends_the_waits_for_a_turn() -> None:
    stop = Stop()
    for limiter in (Limiter(stop=stop), Limiter(requests_per_minute=0.001, stop=stop)):
        await asyncio.gather(passing(limiter, RateLimited, 3600.0), return_exceptions=True)
        waiting = [asyncio.create_task(passing(limiter)) for _ in range(3)]
        await asyncio.sleep(0)
        stop.set()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(end) for end in ends] == [Stopped] * 3
        assert limiter.traffic.active == 0


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
    assert limiter.traffic.rate_limited == 1
    assert (await model.ask(asking())).text == "ok"
    assert model.name == "m"
