"""The gateway as real processes: several of them on one port, and killed while customers are being served."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import orjson
import pytest

from preceptor.cli.main import run
from preceptor.library.store import Library
from preceptor.serving.keys import Key, Keys

from .stage import ABOUT_BREAD, BREAD, LONGEST, Echo, fill, serving, strategy

pytestmark = pytest.mark.anyio
PROGRAM = "import sys; from preceptor.cli.main import run; sys.exit(run(sys.argv[1:]))"
BODY = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": ABOUT_BREAD}]})
SERVED = re.compile(r'preceptor_requests_total{worker="(\d+)",route="chat",status="200"} (\d+)')


@dataclass
class Shop:
    """A project with a released library and a key, and whoever asks its gateway."""

    folder: Path
    library: Library
    key: str
    url: str = ""
    statuses: Counter[int] = field(default_factory=Counter)
    dropped: int = 0
    """Connections that ended before the answer did."""

    async def ask(self, session: aiohttp.ClientSession) -> str:
        """The release that taught the answer; empty when the connection was dropped."""
        headers = {"authorization": f"Bearer {self.key}"}
        try:
            async with session.post(f"{self.url}/chat/completions", data=BODY, headers=headers) as answer:
                await answer.read()
        except aiohttp.ClientError:
            self.dropped += 1
            return ""
        self.statuses[answer.status] += 1
        return answer.headers["x-preceptor-release"]

    async def asked(self, session: aiohttp.ClientSession, times: int) -> Sequence[str]:
        return await asyncio.gather(*(self.ask(session) for _ in range(times)))

    async def metrics(self, session: aiohttp.ClientSession) -> dict[str, int]:
        """Chats answered, by worker."""
        async with session.get(f"{self.url.removesuffix('/v1')}/metrics") as answer:
            return {worker: int(count) for worker, count in SERVED.findall(await answer.text())}

    @property
    def booked(self) -> int:
        """Answers the database knows to have been paid for."""
        (spent,) = Keys(self.library.db).spent(datetime.now(UTC)).values()
        return spent["ever"].calls

    @contextlib.asynccontextmanager
    async def served(self, upstream: str, *more: str, port: int = 0) -> AsyncIterator[asyncio.subprocess.Process]:
        """By a process group of its own, told to end at the end."""
        there = f'serving.upstreams.up={{base_url="{upstream}/v1"}}'
        arguments = ["serve", "--project", str(self.folder), "--port", str(port), "--set", there, *more]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, *arguments, stdout=asyncio.subprocess.PIPE, start_new_session=True
        )
        try:
            assert process.stdout is not None
            self.url = (await process.stdout.readline()).decode().split()[4].rstrip(".")
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    assert run(["init", str(tmp_path)]) == 0
    library = fill(tmp_path / "preceptor.db")
    library.release("ann")
    secret, _ = Keys(library.db).add(Key("", "app", "default", "default", tokens=10**9))
    return Shop(tmp_path, library, secret)


def unkept() -> aiohttp.ClientSession:
    """A connection for each request, so that any worker may get it."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))


def workers(parent: int) -> Sequence[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="tells workers by /proc")
async def test_workers_share_a_port_and_one_that_is_killed_is_replaced(shop: Shop) -> None:
    async with serving(Echo()) as (upstream, _), shop.served(upstream, "--workers", "2") as parent, unkept() as session:
        async with asyncio.timeout(3 * LONGEST):
            while len(before := await shop.metrics(session)) < 2:
                await shop.asked(session, 8)
        assert sum(before.values()) == sum(shop.statuses.values()), "whoever is asked knows what all have served"

        first, second = workers(parent.pid)
        os.kill(first, signal.SIGKILL)
        assert len(set(await shop.asked(session, 10))) == 1
        assert shop.dropped == 0, "nothing was under way at the one that was killed"
        one = strategy("Offer the morning's bread for free.", BREAD, 0.5)
        shop.library.put_strategy(one, "run-2")
        shop.library.decide(one.id, "approved", "ann")
        name = shop.library.release("ann").hash
        async with asyncio.timeout(3 * LONGEST):
            # Workers are told by what they have served, so both are asked until both have served the new release.
            while set(await shop.asked(session, 12)) != {name} or len(await shop.metrics(session)) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert second in workers(parent.pid)
        assert first not in workers(parent.pid)
        assert set(shop.statuses) == {200}
        assert shop.dropped == 0
        parent.terminate()
        assert await parent.wait() == 0
    assert shop.booked == sum(shop.statuses.values())


async def test_a_gateway_killed_under_load_loses_no_more_than_what_was_in_flight(shop: Shop) -> None:
    upstream, customers, done = Echo(), 6, asyncio.Event()

    async def customer(session: aiohttp.ClientSession) -> None:
        while not done.is_set():
            if not await shop.ask(session):
                await asyncio.sleep(0.02)

    async def answered(count: int) -> None:
        while shop.statuses[200] < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async with (
        asyncio.timeout(3 * LONGEST),
        serving(upstream) as (url, _),
        aiohttp.ClientSession() as session,
        shop.served(url, "--workers", "2") as process,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(customers):
            group.create_task(customer(session))
        await answered(100)
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        known, port = shop.statuses[200], int(shop.url.split(":")[2].split("/")[0])
        async with shop.served(url, port=port):
            await answered(known + 100)
            done.set()
            # What they have asked is answered before the gateway ends.
    assert set(shop.statuses) == {200}, "a dropped connection is all that customers see"
    assert shop.statuses[200] <= shop.booked
    assert len(upstream.seen) - shop.booked <= customers
