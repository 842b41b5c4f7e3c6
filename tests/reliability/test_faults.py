"""The short forms of `make torture-faults`: a proxy breaks the wire between the client, or a whole run, and a world."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from pathlib import Path

import pytest

from desk import TINY
from fault_proxy import KINDS, Away, Bad, Kind, Proxy, proxying
from preceptor import Domain, Teaching, teach
from preceptor.errors import Garbled, ProviderError, RateLimited, Unavailable
from preceptor.llm.client import OpenAIModel
from preceptor.llm.limits import Limited, Limiter
from preceptor.llm.listening import listening
from preceptor.llm.messages import Message, Request
from preceptor.llm.model import Model
from preceptor.llm.retrying import Patience, Retrying
from preceptor.simulated.model import models
from preceptor.simulated.world import World
from torture_faults import port, verdicts
from witness import serving

pytestmark = pytest.mark.anyio
WORLD = World.load(Path(__file__).parents[1] / "simulated" / "small.yaml")
RUN = Teaching(**{**TINY, "customers": 12, "min_contexts": 2, "looks": (4, 8)})
"""Some 240 calls; a strategy is accepted."""
TIMEOUT = 0.5
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
WAITED_FOR: tuple[Kind, ...] = ("told", "stall", "slow")


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
async def asking(proxy: Proxy, model: str = WORLD.roles["student"], wait: float = TIMEOUT) -> AsyncIterator[Model]:
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
    with proxying(upstream, Bad(1.0, (kind,)), slow=20.0) as broken, proxying(upstream) as sound:
        async with asking(broken) as model, asking(sound) as other:
            with listening(lambda _: None) if aloud else nullcontext():
                with pytest.raises(RAISED[kind]):
                    await model.ask(hello())
                assert (await other.ask(hello())).text
        assert broken.seen.done == {kind: 1}


async def test_nothing_is_sent_before_a_retry_after(upstream: int) -> None:
    """The same request or another; and what is sent too early is seen."""
    with proxying(upstream, Bad(0.5, ("told",), seed=2)) as proxy:
        async with asking(proxy) as model:
            limited = Limited(model, Limiter())
            asked = Retrying(limited)
            await asyncio.gather(*(asked.ask(hello(f"Call {number}")) for number in range(4)))
            assert proxy.seen.done["told"] > 1
            assert proxy.seen.early_same == proxy.seen.early_others == 0
            impatient = Retrying(model, clock=Fast())
            await asyncio.gather(*(impatient.ask(hello(f"Again {number}")) for number in range(4)))
            assert proxy.seen.early_same


@pytest.mark.parametrize("how", ["refused", "failing", "silent"])
async def test_an_outage_is_waited_for(how: Away, upstream: int) -> None:
    """A minute of it, with fewer attempts than are made meanwhile."""
    with proxying(upstream) as proxy:
        async with asking(proxy, wait=0.1) as model:
            asked = Retrying(Limited(model, Limiter(clock=Fast())), patience=Patience(attempts=2), clock=Fast())
            await asked.ask(hello())
            proxy.away(how)
            calls = [asyncio.create_task(asked.ask(hello(f"Call {number}"))) for number in range(8)]
            await asyncio.sleep(0.6)
            assert not any(call.done() for call in calls)
            proxy.away(None)
            assert all(reply.text for reply in await asyncio.gather(*calls))
        if how != "refused":
            assert proxy.seen.done[how] > 2 * len(calls)


async def test_a_run_over_a_bad_line_ends_with_the_same_library(upstream: int) -> None:
    bad = Bad(0.3, tuple(kind for kind in KINDS if kind not in WAITED_FOR), seed=1)
    with proxying(upstream, bad) as proxy:
        async with AsyncExitStack() as stack:
            there = {
                role: Retrying(await stack.enter_async_context(asking(proxy, model, wait=10.0)), clock=Fast())
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
    # A call in a minute.
    with proxying(upstream, rate=lambda _: 1 / 60) as proxy:
        async with asking(proxy, wait=10.0) as model:
            ends = await asyncio.gather(*(model.ask(hello(f"{n}")) for n in range(12)), return_exceptions=True)
    told = [end.retry_after for end in ends if isinstance(end, RateLimited)]
    assert len(told) == 11
    assert 50 < min(filter(None, told)) <= 60
    assert proxy.seen.done == {"passed": 1, "limited": 11}


def test_what_misses_its_target_is_said() -> None:
    told = verdicts("bad", {"other_hash": 1.0, "requests_ratio": 1.51, "step1_used": 0.84, "calls": 3.0})
    assert [verdict["ok"] for verdict in told.values()] == [False] * 3
    assert "requests_ratio" not in " ".join(verdicts("outage", {"requests_ratio": 9.0}))
