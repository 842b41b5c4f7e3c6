"""The short forms of `make torture-faults`: a proxy breaks the wire between the client, or a whole run, and a world."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from desk import TINY
from fault_proxy import KINDS, Away, Bad, Kind, Proxy, proxying
from preceptor import Domain, Teaching, teach
from preceptor.errors import Garbled, ProviderError, RateLimited, Unavailable
from preceptor.llm.client import OpenAIModel
from preceptor.llm.leaving import Held, leaving
from preceptor.llm.limits import Limited, Limiter
from preceptor.llm.listening import listening
from preceptor.llm.messages import Message, Reply, Request
from preceptor.llm.model import Model
from preceptor.llm.retrying import Patience, Retrying
from preceptor.llm.scripted import ScriptedModel
from preceptor.simulated.model import models
from preceptor.simulated.world import World
from torture_faults import port, verdicts
from wiretap import early
from witness import serving

pytestmark = pytest.mark.anyio
WORLD = World.load(Path(__file__).parents[1] / "simulated" / "small.yaml")
RUN = Teaching(**{**TINY, "customers": 12, "min_contexts": 2, "looks": (4, 8)})
"""Some 240 calls; a strategy is accepted."""
TIMEOUT = 0.5
"""Seconds, where it is to run out."""
LONGEST = 120.0
"""Seconds after which what a test waits for counts as never coming, and for which a sound answer is waited for."""
RAISED: Mapping[Kind, tuple[type[ProviderError], ...]] = {
    "told": (RateLimited,),
    "busy": (RateLimited,),
    "500": (Unavailable,),
    "502": (Unavailable,),
    "503": (Unavailable,),
    "reset": (Unavailable,),
    "stall": (Unavailable,),
    "cut": (Unavailable, Garbled),
    "truncated": (Garbled,),
    "wrong": (Garbled,),
    "slow": (Unavailable,),
}
SILENT: tuple[Kind, ...] = ("stall", "slow")
WAITED_FOR: tuple[Kind, ...] = ("told", *SILENT)


ENDLESS = Patience(outage=1e9)
"""What is long by a fast clock is soon over."""


class Fast:
    """A clock of which ten minutes pass in six seconds."""

    def now(self) -> float:
        return 100 * time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 100)


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    with serving(WORLD) as served:
        yield port(served.url)


@asynccontextmanager
async def asking(proxy: Proxy, model: str = WORLD.roles["student"], wait: float = LONGEST) -> AsyncIterator[Model]:
    client = OpenAIModel(model, proxy.url, model, timeout=wait)
    try:
        yield client
    finally:
        await client.aclose()


def hello(text: str = "Hello?") -> Request:
    return Request((Message("system", "You answer customers of Crumb and Co."), Message("user", text)))


@pytest.mark.parametrize("aloud", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_of_fault_is_told_apart_and_the_next_attempt_is_whole(
    kind: Kind, aloud: bool, upstream: int
) -> None:
    with proxying(upstream, Bad(1.0, (kind,)), slow=3600.0) as broken, proxying(upstream) as sound:
        async with asking(sound) as other:
            with listening(lambda _: None) if aloud else nullcontext():
                for wait in (TIMEOUT, 10 * TIMEOUT, LONGEST) if kind in SILENT else (LONGEST,):
                    async with asking(broken, wait=wait) as model:
                        with pytest.raises(RAISED[kind]):
                            await model.ask(hello())
                    # On a busy machine the time may have run out before anything got there.
                    if broken.seen.done:
                        break
                assert (await other.ask(hello())).text
        assert broken.seen.done == {kind: broken.seen.done[kind] if kind in SILENT else 1}


async def test_nothing_is_sent_before_a_retry_after(upstream: int) -> None:
    """The same request or another; and what is sent too early is seen."""
    with proxying(upstream, Bad(0.5, ("told",), seed=2)) as proxy:
        async with asking(proxy) as model:
            # One at a time: of several some would be on their way when another is told to wait.
            limited = Limited(model, Limiter(1, 1))
            asked = Retrying(limited)
            await asyncio.gather(*(asked.ask(hello(f"Call {number}")) for number in range(4)))
            assert proxy.seen.done["told"] > 1
            assert proxy.seen.early_same == proxy.seen.came_meanwhile == 0
            impatient = Retrying(model, clock=Fast())
            async with asyncio.timeout(LONGEST):
                for number in count():
                    await impatient.ask(hello(f"Again {number}"))
                    if proxy.seen.early_same:
                        break


@dataclass
class Latched:
    """A limiter's word, by hand."""

    held: bool
    waits: list[float | None] = field(default_factory=list)

    def hold(self, seconds: float | None) -> None:
        self.waits.append(seconds)


async def test_what_had_its_turn_is_not_sent_when_the_server_has_just_said_later(upstream: int) -> None:
    with proxying(upstream, Bad(1.0, ("told",))) as proxy:
        async with asking(proxy) as model:
            with leaving(latched := Latched(held=True)):
                with pytest.raises(Held):
                    await model.ask(hello())
                assert not proxy.seen.arrivals
                latched.held = False
                with pytest.raises(RateLimited) as told:
                    await model.ask(hello())
                assert latched.waits == [pytest.approx(told.value.retry_after, abs=1.0)]


async def test_what_was_held_takes_another_turn() -> None:
    limiter = Limiter()
    assert (await Limited(ScriptedModel("m", [Held(), Held(), "Hello."]), limiter).ask(hello())).text == "Hello."
    assert (limiter.traffic.active, limiter.traffic.rate_limited) == (0, 0)


@dataclass
class Turning:
    """One model, and then another; counts attempts."""

    model: Model
    attempts: int = 0
    name: str = "turning"

    async def ask(self, request: Request) -> Reply:
        self.attempts += 1
        return await self.model.ask(request)


@pytest.mark.parametrize("how", ["refused", "failing", "silent"])
async def test_an_outage_is_waited_for(how: Away, upstream: int) -> None:
    """With fewer attempts than are made meanwhile."""
    patience = Patience(attempts=2, outage=1e9)
    with proxying(upstream) as proxy:
        async with asking(proxy) as patient, asking(proxy, wait=0.1) as hasty, asyncio.timeout(LONGEST):
            turning = Turning(patient)
            asked = Retrying(Limited(turning, Limiter(clock=Fast())), patience=patience, clock=Fast())
            await asked.ask(hello())
            # Nobody waits long for the silent one; but for the one who is back as long as it takes.
            proxy.away(how)
            turning.model, turning.attempts = hasty, 0
            calls = [asyncio.create_task(asked.ask(hello(f"Call {number}"))) for number in range(8)]
            while turning.attempts <= 3 * len(calls):
                assert not any(call.done() for call in calls)
                await asyncio.sleep(0.01)
            turning.model = patient
            proxy.away(None)
            assert all(reply.text for reply in await asyncio.gather(*calls))
        if how == "failing":
            assert proxy.seen.done[how] > 2 * len(calls)


async def test_a_run_over_a_bad_line_ends_with_the_same_library(upstream: int) -> None:
    bad = Bad(0.3, tuple(kind for kind in KINDS if kind not in WAITED_FOR), seed=1)
    with proxying(upstream, bad) as proxy:
        async with AsyncExitStack() as stack:
            there = {
                role: Retrying(await stack.enter_async_context(asking(proxy, model)), patience=ENDLESS, clock=Fast())
                for role, model in WORLD.roles.items()
            }
            over_it = await _taught(there)
    here = models(WORLD)
    assert over_it == await _taught({role: here[model] for role, model in WORLD.roles.items()})
    seen = proxy.seen
    assert seen.done["passed"] > 200
    assert all(seen.done[kind] for kind in bad.kinds)
    assert seen.arrivals.total() < 1.6 * seen.done["passed"]


async def _taught(cast: Mapping[str, Model]) -> str:
    taught = await teach(
        Domain.parse(WORLD.domain, WORLD.name),
        teacher=cast["teacher"],
        student=cast["student"],
        customer=cast["customer"],
        judge=cast["judge"],
        settings=RUN,
    )
    assert taught.guidance.strategies
    return taught.guidance.hash


async def test_the_proxy_keeps_to_a_rate(upstream: int) -> None:
    # A call in an hour, however long twelve take here.
    with proxying(upstream, rate=lambda _: 1 / 3600) as proxy:
        async with asking(proxy) as model:
            ends = await asyncio.gather(*(model.ask(hello(f"{n}")) for n in range(12)), return_exceptions=True)
    told = [end.retry_after for end in ends if isinstance(end, RateLimited)]
    assert len(told) == 11
    assert 3000 < min(filter(None, told)) <= 3600
    assert proxy.seen.done == {"passed": 1, "limited": 11}


def test_what_was_sent_too_early_is_told_from_what_was_on_its_way() -> None:
    log = ["0.0 sent", "0.1 sent", "0.2 read 1.2", "0.9 sent", "1.0 read 3.0", "1.3 sent", "3.0 sent"]
    assert [(round(sent.after, 3), round(sent.before, 3)) for sent in early(log)] == [(0.7, 0.3), (0.3, 1.7)]


def test_what_misses_its_target_is_said() -> None:
    told = verdicts("bad", {"other_hash": 1.0, "requests_ratio": 1.51, "step1_used": 0.84, "calls": 3.0})
    assert [verdict["ok"] for verdict in told.values()] == [False] * 3
    assert "requests_ratio" not in " ".join(verdicts("outage", {"requests_ratio": 9.0}))
