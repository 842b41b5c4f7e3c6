"""Who waits how long for what."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import pytest

from preceptor.errors import (
    Adjusted,
    BadReply,
    Denied,
    Garbled,
    ProviderError,
    RateLimited,
    Rejected,
    Stopped,
    Unavailable,
)
from preceptor.llm.messages import Message, Reply, Request
from preceptor.llm.retrying import Patience, Retrying
from preceptor.llm.scripted import ScriptedModel
from preceptor.llm.stopping import Stop

pytestmark = pytest.mark.anyio


class Clock(Protocol):
    time: float
    slept: list[float]

    def now(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


Asking = Callable[..., Request]


async def test_a_server_says_how_long(clock: Clock, asking: Asking) -> None:
    model = ScriptedModel("m", [RateLimited("slow", 7.0), Unavailable("busy", 3.0), "ok"])
    reply = await Retrying(model, clock=clock).ask(asking())
    assert reply.text == "ok"
    assert clock.slept == [7.0, 3.0]


async def test_else_back_off_doubles_up_to_a_minute_with_jitter(clock: Clock, asking: Asking) -> None:
    model = ScriptedModel("m", [*[Unavailable("500")] * 9, "ok"])
    await Retrying(model, clock=clock).ask(asking())
    full = [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert all(most / 2 <= wait <= most for wait, most in zip(clock.slept, full, strict=True))
    assert len(set(clock.slept)) == 9


async def test_twelve_attempts_then_the_fault(clock: Clock, asking: Asking) -> None:
    model = ScriptedModel("m", lambda _: Unavailable("500"))
    with pytest.raises(Unavailable):
        await Retrying(model, clock=clock).ask(asking())
    assert len(model.requests) == 12


@pytest.mark.parametrize("fault", [Rejected("no"), Denied("no"), BadReply("empty"), Stopped("stop")])
async def test_what_is_not_worth_a_retry(fault: Exception, clock: Clock, asking: Asking) -> None:
    model = ScriptedModel("m", [fault])
    with pytest.raises(type(fault)):
        await Retrying(model, clock=clock).ask(asking())
    assert clock.slept == []


async def test_a_broken_reply_is_worth_one_and_an_adjustment_no_wait(clock: Clock, asking: Asking) -> None:
    model = ScriptedModel("m", [Adjusted("no seed"), Garbled("cut"), "ok"])
    assert (await Retrying(model, clock=clock).ask(asking())).text == "ok"
    assert len(clock.slept) == 1


@pytest.mark.parametrize(
    "fault",
    [Unavailable("refused", reached=False), Unavailable("503"), RateLimited("429")],
    ids=str,
)
async def test_a_ten_minute_outage_is_a_pause_whatever_it_looks_like(
    fault: ProviderError, clock: Clock, asking: Asking
) -> None:
    model = Retrying(ScriptedModel("m", lambda _: fault if 5 < clock.time < 605 else "ok"), clock=clock)
    await model.ask(asking())
    clock.time = 6
    assert (await model.ask(asking())).text == "ok"
    assert 605 <= clock.time < 700


async def test_a_call_that_fails_while_others_are_answered_is_given_up(clock: Clock, asking: Asking) -> None:
    poison = asking("poison")
    retrying = Retrying(ScriptedModel("m", lambda asked: Unavailable("500") if asked == poison else "ok"), clock=clock)
    await retrying.ask(asking())
    failing = asyncio.create_task(retrying.ask(poison))
    while not failing.done():
        await retrying.ask(asking())
        await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await failing
    # The first may have come before any other was answered.
    assert len(clock.slept) in (11, 12)


async def test_after_an_outage_a_call_has_its_tries_before_it(clock: Clock, asking: Asking) -> None:
    script, over = [Garbled("cut")] * 3 + [Unavailable("503")] * 20, asyncio.Event()

    def answer(asked: Request) -> str | ProviderError:
        if asked != asking("late") or not script:
            return "ok"
        if len(script) == 4:
            over.set()
        return script.pop()

    retrying = Retrying(ScriptedModel("m", answer), patience=Patience(attempts=5), clock=clock)
    await retrying.ask(asking())
    late = asyncio.create_task(retrying.ask(asking("late")))
    await over.wait()
    while not late.done():
        await retrying.ask(asking())
        await asyncio.sleep(0)
    assert (await late).text == "ok"


@pytest.mark.parametrize("fault", [RateLimited("quota", 7200.0), Unavailable("maintenance", 7200.0)])
async def test_a_longer_wait_than_an_outage_ends_it_at_once(fault: ProviderError, clock: Clock, asking: Asking) -> None:
    retrying = Retrying(ScriptedModel("m", ["ok", fault]), clock=clock)
    await retrying.ask(asking())
    with pytest.raises(type(fault), match=r"asks to wait for 7,200 s; resume then\."):
        await retrying.ask(asking())
    assert clock.slept == []


async def test_a_long_wait_is_waited_for(clock: Clock, asking: Asking) -> None:
    await Retrying(ScriptedModel("m", [RateLimited("slow", 900.0), "ok"]), clock=clock).ask(asking())
    assert clock.slept == [900.0]


async def test_patience_with_an_outage_ends(clock: Clock, asking: Asking) -> None:
    script = iter([Reply(Message("assistant", "ok"))])
    model = ScriptedModel("m", lambda _: next(script, None) or Unavailable("refused", reached=False))
    retrying = Retrying(model, patience=Patience(outage=100), clock=clock)
    await retrying.ask(asking())
    with pytest.raises(Unavailable):
        await retrying.ask(asking())
    assert 100 <= clock.time < 200


async def test_a_server_that_never_answered_is_given_up_soon(clock: Clock, asking: Asking) -> None:
    model = ScriptedModel("m", lambda _: Unavailable("refused", reached=False))
    with pytest.raises(Unavailable):
        await Retrying(model, clock=clock).ask(asking())
    assert clock.time < 10


async def test_a_server_that_only_ever_sent_broken_replies_is_no_model(clock: Clock, asking: Asking) -> None:
    with pytest.raises(Denied, match=r"m sent 6 replies .* cut .* base_url"):
        await Retrying(ScriptedModel("m", lambda _: Garbled("cut")), clock=clock).ask(asking())
    assert clock.time < 60


@pytest.mark.parametrize("sound", ["ok", BadReply("empty"), Rejected("too rude")])
async def test_one_that_sent_a_sound_one_has_its_broken_ones_tried_to_the_end(
    sound: str | ProviderError, clock: Clock, asking: Asking
) -> None:
    model = ScriptedModel("m", [sound, *[Garbled("cut")] * 12])
    retrying = Retrying(model, clock=clock)
    if isinstance(sound, str):
        await retrying.ask(asking())
    else:
        with pytest.raises(type(sound)):
            await retrying.ask(asking())
    with pytest.raises(Garbled):
        await retrying.ask(asking())
    assert len(model.requests) == 13


async def test_what_is_waited_for_can_be_read(clock: Clock, asking: Asking) -> None:
    seen = []

    class Watched:
        def now(self) -> float:
            return clock.now()

        async def sleep(self, seconds: float) -> None:
            seen.append(retrying.state)
            await clock.sleep(seconds)

    retrying = Retrying(ScriptedModel("m", [RateLimited("slow", 8.0), "ok"]), clock=Watched())
    await retrying.ask(asking())
    assert seen == ["1 waiting, next in 8 s: rate limited"]
    assert retrying.state == ""


async def test_a_stop_ends_a_wait(asking: Asking) -> None:
    stop = Stop()

    def answer(_: Request) -> ProviderError:
        stop.set()
        return RateLimited("slow", 100.0)

    model = ScriptedModel("m", answer)
    with pytest.raises(Stopped):
        await Retrying(model, stop).ask(asking())
    assert len(model.requests) == 1


async def test_the_same_seed_waits_the_same(clock: Clock, asking: Asking) -> None:
    for _ in range(2):
        await Retrying(ScriptedModel("m", [Unavailable("500"), "ok"]), clock=clock, seed=4).ask(asking())
    assert clock.slept[0] == clock.slept[1]
