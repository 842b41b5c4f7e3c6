"""Two gateways on one PostgreSQL, as two machines have it: what one is told, both know; without it, both go on."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from cluster import Cluster
from preceptor.library.store import Library
from preceptor.serving.app import Gateway
from preceptor.serving.keyring import Keyring
from preceptor.serving.keys import Key, Keys
from preceptor.storage.database import Database

from .stage import ABOUT_BREAD, LATE, LONGEST, POLITE, Echo, behind, fill, plain, said, source

pytestmark = pytest.mark.anyio
BODY = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": ABOUT_BREAD}]})
REPLY = (
    b'{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"Hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}'
)


@pytest.fixture
def shared(cluster: Cluster) -> Iterator[str]:
    url = cluster.new("template")
    library = fill(url)
    library.release("ann")
    library.db.close()
    yield url
    cluster.drop(url)


@dataclass
class Machine:
    url: str
    gateway: Gateway
    echo: Echo
    session: aiohttp.ClientSession

    async def ask(self, key: str) -> tuple[int, dict[str, str]]:
        """Status and what the gateway says of its teaching."""
        self.echo.answers.append(said(REPLY))
        headers = {"authorization": f"Bearer {key}"}
        async with self.session.post(f"{self.url}/v1/chat/completions", data=BODY, headers=headers) as answer:
            await answer.read()
            about = {k.removeprefix("x-preceptor-"): v for k, v in answer.headers.items() if "preceptor" in k.lower()}
            return answer.status, {name.lower().removeprefix("x-preceptor-"): value for name, value in about.items()}

    async def until(self, key: str, status: int = 200, **wanted: str) -> None:
        async with asyncio.timeout(LONGEST):
            while True:
                answered, about = await self.ask(key)
                if answered == status and wanted.items() <= about.items():
                    return
                await asyncio.sleep(0.02)


@asynccontextmanager
async def machine(database: str, folder: Path) -> AsyncIterator[Machine]:
    access, echo = Keyring(source(database), folder, fresh=LONGEST), Echo()
    async with behind(echo, database, access=access) as (url, gateway), plain() as session:
        yield Machine(url, gateway, echo, session)


@asynccontextmanager
async def two(database: str, folder: Path) -> AsyncIterator[tuple[Machine, Machine]]:
    async with machine(database, folder / "1") as one, machine(database, folder / "2") as other:
        yield one, other


def make_key(db: Database, **bounds: Any) -> str:
    return Keys(db).add(Key("", "ann", "shop", "default", **bounds))[0]


async def test_a_release_and_a_roll_back_reach_both(shared: str, tmp_path: Path) -> None:
    with Database.open(shared) as db:
        key, library = make_key(db), Library(db)
        first = library.live_hash() or ""
        library.decide(next(one.id for one in library.strategies() if one.text == POLITE), "rejected", "ann")
        async with two(shared, tmp_path) as machines:
            for one in machines:
                await one.until(key, release=first, teaching="on")
            second = library.release("ann").hash
            for one in machines:
                await one.until(key, release=second)
                assert POLITE not in one.echo.seen[-1].body.decode()
            library.rollback("ann")
            for one in machines:
                await one.until(key, release=first)
                assert POLITE in one.echo.seen[-1].body.decode()


async def test_what_is_spent_at_one_is_spent_at_the_other(shared: str, tmp_path: Path) -> None:
    with Database.open(shared) as db:
        key = make_key(db, tokens=45)
        async with two(shared, tmp_path) as (one, other):
            for _ in range(3):
                assert (await one.ask(key))[0] == 200
            await other.until(key, status=429)
            assert (await one.ask(key))[0] == 429
            assert len(one.echo.seen) == 3
        (told,) = Keys(db).spent(datetime.now(UTC)).values()
        assert told["ever"].calls == 3 + len(other.echo.seen)


async def test_without_the_server_requests_go_through_untaught_and_are_counted(
    cluster: Cluster, shared: str, tmp_path: Path
) -> None:
    with Database.open(shared) as db:
        key = make_key(db)
        async with two(shared, tmp_path) as machines:
            for one in machines:
                await one.until(key, teaching="on")
            cluster.crash()
            try:
                states = [await one.ask(key) for _ in range(10) for one in machines]
                for one in machines:
                    one.gateway.releases.shelves["default"].read -= LONGEST
                    await one.until(key, teaching="unavailable")
                    assert LATE not in one.echo.seen[-1].body.decode()
                    assert (await one.ask("sk-pre-nobody"))[0] in (401, 503)
                assert {status for status, _ in states} == {200}
            finally:
                cluster.start()
            for one in machines:
                await one.until(key, teaching="on")
        asked = sum(len(one.echo.seen) for one in machines)
        (told,) = Keys(db).spent(datetime.now(UTC)).values()
        assert told["ever"].calls == asked
