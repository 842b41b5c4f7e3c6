"""Releases and roll-backs reach a gateway that is running, and a database that goes away is noticed."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import aiohttp
import orjson
import pytest

from preceptor.errors import PreceptorError
from preceptor.library.model import Release
from preceptor.library.store import Library
from preceptor.retrieval.embedding import Embedder, StaticEmbedder, Vectors
from preceptor.serving import releases
from preceptor.serving.guide import Finder
from preceptor.serving.releases import DatabaseSource, Releases
from preceptor.storage.database import Database

from .stage import ABOUT_BREAD, BREAD, LATE, LONGEST, POLITE, WORDS, Echo, behind, context, fill, gateway, plain

pytestmark = pytest.mark.anyio
BODY = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": ABOUT_BREAD}]})


async def released(session: aiohttp.ClientSession, url: str, name: str | None, state: str = "on") -> None:
    """Ask until the answer is by this release."""
    async with asyncio.timeout(LONGEST):
        while True:
            async with session.post(f"{url}/v1/chat/completions", data=BODY) as answer:
                assert answer.status == 200
                if (answer.headers.get("x-preceptor-release"), answer.headers["x-preceptor-teaching"]) == (name, state):
                    return
            await asyncio.sleep(0.02)


async def test_a_release_and_a_roll_back_reach_a_running_gateway(database: Path) -> None:
    library, echo = fill(database), Echo()
    polite = next(one.id for one in library.strategies() if one.text == POLITE)
    async with behind(echo, database) as (url, _), plain() as session:
        await released(session, url, None, "none")
        first = library.release("ann")
        await released(session, url, first.hash)
        assert POLITE in str(echo.seen[-1].json)
        library.decide(polite, "rejected", "ann")
        second = library.release("ann")
        await released(session, url, second.hash)
        assert LATE in str(echo.seen[-1].json)
        assert POLITE not in str(echo.seen[-1].json)
        library.rollback("ann")
        await released(session, url, first.hash)
        assert POLITE in str(echo.seen[-1].json)
    library.db.close()


def test_the_database_is_looked_at_more_than_twice_a_second() -> None:
    assert releases.EVERY < 0.5


class Counting(StaticEmbedder):
    """Counts the texts it reads."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        return WORDS.embed(texts)


async def test_a_release_that_is_no_longer_in_force_forgets_what_was_said(library: Library, database: Path) -> None:
    words, turns = Counting(), context("Has anybody seen the van?").turns
    followed = Releases(
        DatabaseSource(lambda: Database.open(database), database), ["default"], words=words, trusted=LONGEST
    )
    await followed.look()
    old = followed.current("default")
    assert old is not None
    for _ in range(2):
        old.retriever.matcher.match(turns)
    assert words.texts.count(turns[0].text) == 1
    library.put_scenario(replace(BREAD, description="The van is late."), "run-2")
    library.release("ann")
    await followed.look()
    kept = await followed.named("default", old.release)
    for _ in range(2):
        assert kept.retriever.matcher.match(turns) == old.retriever.matcher.match(turns)
    assert words.texts.count(turns[0].text) == 2


async def test_a_database_that_is_gone_or_replaced_is_noticed(library: Library, database: Path, tmp_path: Path) -> None:
    ours = gateway(database)
    await ours.releases.look()
    mine = ours.releases.current("default")
    assert mine is not None
    database.rename(tmp_path / "away.db")  # noqa: ASYNC240
    await ours.releases.look()
    shelf = ours.releases.shelves["default"]
    assert "There is no database" in shelf.fault
    assert ours.releases.current("default") is mine, "a moment's absence does not count"
    shelf.read -= LONGEST + 1
    with pytest.raises(PreceptorError, match="There is no database"):
        ours.releases.current("default")
    other = fill(database)
    polite = next(one.id for one in other.strategies() if one.text == POLITE)
    other.decide(polite, "rejected", "ann")
    live = other.release("ann")
    other.db.close()
    await ours.releases.look()
    new = ours.releases.current("default")
    assert new is not None
    assert new.release == live.hash != mine.release
    ours.finder.close()


class Fixed:
    """A source of one release."""

    def __init__(self, release: Release) -> None:
        self.only = release
        self.fault: PreceptorError | None = None

    def live(self, library: str) -> str | None:
        return self.only.hash

    def release(self, library: str, prefix: str) -> Release:
        if self.fault:
            raise self.fault
        return self.only


async def test_a_release_that_cannot_be_read_ends_the_one_before(library: Library) -> None:
    live = library.live()
    assert live is not None
    source = Fixed(live)
    following = Releases(source, ["default"], words=WORDS, trusted=LONGEST)
    await following.look()
    assert following.current("default") is not None
    library.decide(next(one.id for one in library.strategies() if one.text == POLITE), "rejected", "ann")
    source.only, source.fault = library.release("ann"), PreceptorError("altered")
    await following.look()
    with pytest.raises(PreceptorError, match="altered"):
        following.current("default")


class Dense:
    """Word vectors under another name, that can be late (until it is told that it may) or away."""

    id, dim = "dense", StaticEmbedder.dim

    def __init__(self) -> None:
        self.may, self.away = threading.Event(), False
        self.may.set()
        self.asked: list[list[str]] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked.append(list(texts))
        assert self.may.wait(LONGEST)
        if self.away:
            raise PreceptorError("away")
        return WORDS.embed(texts)


async def test_a_dense_embedder_that_is_late_or_away_is_stood_in_for(library: Library) -> None:
    live = library.live()
    assert live is not None
    dense = Dense()
    following = Releases(Fixed(live), ["default"], lambda: dense, WORDS, trusted=LONGEST)
    await following.look()
    at_first = following.current("default")
    assert at_first is not None
    assert at_first.degraded, "a release is in force before every example was embedded"
    await following.mend()
    guide = following.current("default")
    assert guide is not None
    finder, hasty = Finder(patience=LONGEST, limit=LONGEST), Finder(patience=0.2, limit=LONGEST)
    turns = BREAD.examples[0].turns
    assert not (await finder.find(guide, turns)).late
    dense.away = True
    away = await finder.find(guide, BREAD.examples[1].turns)
    dense.away = False
    dense.may.clear()
    late = await hasty.find(guide, BREAD.examples[2].turns)
    dense.may.set()
    for finding in (away, late):
        assert finding.late
        assert finding.embedder == StaticEmbedder.id
        assert LATE in [strategy.text for strategy in finding.found.strategies]
    assert (await finder.find(guide, turns)).remembered
    for one in (finder, hasty):
        one.close()


async def test_an_embedder_that_cannot_be_had_is_tried_again_later(library: Library) -> None:
    live = library.live()
    assert live is not None
    made: list[Embedder] = []

    def make() -> Embedder:
        if not made:
            raise PreceptorError("not there yet")
        return made[0]

    following = Releases(Fixed(live), ["default"], make, WORDS, trusted=LONGEST)
    await following.look()
    await following.mend()
    guide = following.current("default")
    assert guide is not None
    assert guide.degraded
    made.append(Dense())
    following.again = float("-inf")
    await following.mend()
    mended = following.current("default")
    assert mended is not None
    assert not mended.degraded
    assert mended.embedder is made[0]
