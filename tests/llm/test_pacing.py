"""The pace finds a server's rate: in virtual time, against servers that count in different ways."""

import asyncio
from dataclasses import dataclass, field
from math import ceil
from random import Random
from typing import Literal

import pytest

from bench_overhead import virtually
from preceptor.errors import RateLimited
from preceptor.llm.limits import Limited, Limiter, Traffic
from preceptor.llm.messages import Message, Reply, Request
from preceptor.llm.retrying import Patience, Retrying

STEPS = {0.0: 100.0, 50.0: 20.0, 100.0: 100.0}
"""Calls a second, from when on."""
LATENCY, REFUSAL = 0.05, 0.002
Told = Literal["in whole seconds", "exactly", "not at all"]


class LoopClock:
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class Bucket:
    """Takes what was saved up, which is a second's worth at most."""

    saved: float = 100.0
    at: float = 0.0

    def wait(self, now: float, rate: float) -> float:
        """0: it takes a call; else seconds until it would."""
        self.saved, self.at = min(rate, self.saved + (now - self.at) * rate), now
        if self.saved < 1:
            return (1 - self.saved) / rate
        self.saved -= 1
        return 0.0


@dataclass
class Second:
    """Counts anew with each second of the clock."""

    running: int = 0
    taken: int = 0

    def wait(self, now: float, rate: float) -> float:
        """As a bucket's."""
        if int(now) != self.running:
            self.running, self.taken = int(now), 0
        if self.taken >= rate:
            return self.running + 1 - now
        self.taken += 1
        return 0.0


@dataclass
class Server:
    count: Bucket | Second | None
    """None: no limit."""
    told: Told = "not at all"
    chance: float = 0.0
    """Share of calls refused whatever the rate."""
    random: Random = field(default_factory=lambda: Random(1))
    log: list[tuple[float, bool]] = field(default_factory=list)
    name: str = "m"

    async def ask(self, request: Request) -> Reply:
        now = asyncio.get_running_loop().time()
        rate = STEPS[max(begun for begun in STEPS if begun <= now)]
        wait = self.count.wait(now, rate) if self.count else float(self.random.random() < self.chance)
        self.log.append((now, not wait))
        if wait:
            await asyncio.sleep(REFUSAL)
            raise RateLimited("slow", _words(wait, self.told))
        await asyncio.sleep(LATENCY)
        return Reply(Message("assistant", "ok"))

    def seen(self, begin: float, end: float) -> tuple[float, float]:
        """Share of the limit used, and share of calls refused."""
        taken = [good for at, good in self.log if begin <= at < end]
        limit = STEPS[max(at for at in STEPS if at <= begin)]
        return sum(taken) / (end - begin) / limit, 1 - sum(taken) / len(taken)


def _words(wait: float, told: Told) -> float | None:
    """What Retry-After says."""
    match told:
        case "in whole seconds":
            return float(ceil(wait))
        case "exactly":
            return wait
        case "not at all":
            return None


def press(server: Server, seconds: float, calls: float = float("inf"), callers: int = 80) -> tuple[Traffic, float]:
    """Ask without a pause; what the limiter says, and when it was over. There are 32 places."""

    async def main() -> Traffic:
        clock = LoopClock()
        limiter = Limiter(maximum=32, clock=clock)
        model = Retrying(Limited(server, limiter), patience=Patience(attempts=10**6), clock=clock)
        left = calls

        async def caller() -> None:
            nonlocal left
            while clock.now() < seconds and (left := left - 1) >= 0:
                await model.ask(Request((Message("user", "hello"),)))

        await asyncio.gather(*(caller() for _ in range(callers)))
        return limiter.traffic

    return virtually(main())


@pytest.mark.parametrize("told", ["in whole seconds", "exactly", "not at all"])
@pytest.mark.parametrize("count", [Bucket, Second])
def test_a_rate_that_falls_and_rises_is_found_and_used(count: type[Bucket | Second], told: Told) -> None:
    server = Server(count(), told)
    press(server, 170.0)
    for begin, end in ((15, 50), (65, 100), (140, 170)):
        used, refused = server.seen(begin, end)
        assert used >= 0.85, (begin, used)
        assert refused <= 0.02, (begin, refused)


def test_a_server_without_a_limit_is_not_slowed() -> None:
    server = Server(None)
    traffic, seconds = press(server, 1e9, calls=3200)
    assert traffic.pace is None
    # Ten rounds at most before there are 32 at a time.
    assert seconds < (3200 / 32 + 10) * LATENCY


@pytest.mark.parametrize(
    ("chance", "told", "at_least"),
    [
        (0.02, "not at all", 20.0),
        (0.055, "not at all", 14.0),
        (0.055, "in whole seconds", 8.0),
        (0.15, "not at all", 6.0),
        (0.15, "in whole seconds", 3.0),
    ],
)
def test_refusals_by_chance_are_not_taken_for_a_rate(chance: float, told: Told, at_least: float) -> None:
    """By a server that would take any number, and is asked by two callers, 40 times a second if nothing were refused.
    Each refusal is waited for; by both, for a second, where the server says so."""
    server = Server(None, told, chance)
    press(server, 300.0, callers=2)
    assert sum(good for at, good in server.log if at >= 150) / 150 > at_least


@pytest.mark.parametrize(("told", "at_least"), [("not at all", 30.0), ("in whole seconds", 10.0)])
def test_many_callers_refused_by_chance_are_not_slowed(told: Told, at_least: float) -> None:
    """With a wait of a second for each, one in twenty-five means rounds of at most 32 calls a second."""
    server = Server(None, told, chance=0.04)
    _, seconds = press(server, 1e9, calls=6000)
    assert 6000 / seconds > at_least
