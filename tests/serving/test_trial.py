"""Holdouts and splits: who is drawn, who is taught, and what is told afterwards."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest

from preceptor.library.store import Library
from preceptor.serving.outcomes import Outcomes, outcomes, tallies
from preceptor.serving.trial import Trial, name_of
from preceptor.storage.database import Database

from .stage import ABOUT_BREAD, LATE, Echo, Place, behind, plain, source

pytestmark = pytest.mark.anyio
TURNS: list[Any] = [
    {"role": "user", "content": ABOUT_BREAD},
    {"role": "assistant", "content": "Which shop?"},
    {"role": "user", "content": "The bread for mine, the van never came."},
]


@pytest.fixture
def database(either: Place) -> Place:
    return either


def named(trial: Trial, arm: str, tenant: str = "default") -> str:
    """An application's name for a conversation that is drawn into an arm."""
    return next(f"c-{n}" for n in range(1000) if trial.arm(name_of(tenant, f"c-{n}")) == arm)


def kept(database: Place, trial: Trial) -> dict[str, Any]:
    return {"trial": trial, "outcomes": Outcomes(source(database), trial)}


@asynccontextmanager
async def asking(echo: Echo, database: Place, trial: Trial) -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        behind(echo, database, **kept(database, trial)) as (url, _),
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as client,
    ):
        yield client


def test_shares_are_kept_and_grow_without_moving_anyone() -> None:
    names = [name_of("t", str(n)) for n in range(4000)]
    small, large = Trial(0.1, "abc", 0.5), Trial(0.3, "abc", 0.5)
    counts = Counter(map(small.arm, names))
    for arm in ("live", "untaught", "other"):
        assert counts[arm] / 4000 == pytest.approx(small.chance(arm), abs=0.03)
    assert {name for name in names if small.arm(name) == "untaught"} < {
        name for name in names if large.arm(name) == "untaught"
    }
    assert all(small.arm(name) == large.arm(name) for name in names if large.arm(name) != "untaught")


async def test_the_holdout_goes_out_as_it_came_at_every_turn(library: Library, database: Place) -> None:
    trial, echo = Trial(0.5), Echo()
    async with asking(echo, database, trial) as client:
        for arm, said in (("untaught", "held-out"), ("live", "on")):
            for turns in (TURNS[:1], TURNS):
                answer = await client.chat.completions.with_raw_response.create(
                    model="m", messages=turns, extra_headers={"x-preceptor-conversation": named(trial, arm)}
                )
                assert answer.headers["x-preceptor-teaching"] == said
                assert answer.headers["x-preceptor-conversation"] == name_of("default", named(trial, arm))
                assert (LATE in echo.seen[-1].body.decode()) is (arm == "live")
    with Database.open(database) as db:
        assert {arm: tally.conversations for arm, tally in tallies(db, "default").items()} == {"untaught": 1, "live": 1}


async def test_the_opening_names_a_conversation(library: Library, database: Place) -> None:
    echo = Echo()
    async with asking(echo, database, Trial(0.5)) as client:
        found = set()
        for turns in (TURNS[:1], TURNS, [{"role": "system", "content": "At noon."}, *TURNS]):
            answer = await client.chat.completions.with_raw_response.create(model="m", messages=turns)
            found.add(answer.headers["x-preceptor-conversation"])
    assert len(found) == 1


async def test_a_split_between_two_releases(library: Library, database: Place) -> None:
    first = library.releases()[0].hash
    for strategy in library.strategies():
        if strategy.text == LATE:
            library.decide(strategy.id, "rejected", "ann")
    library.release("ann")
    trial, echo = Trial(other=first[:12]), Echo()
    async with asking(echo, database, trial) as client:
        for arm in ("live", "other"):
            await client.chat.completions.create(
                model="m", messages=TURNS, extra_headers={"x-preceptor-conversation": named(trial, arm)}
            )
            assert (LATE in echo.seen[-1].body.decode()) is (arm == "other")


async def test_what_is_told_of_a_conversation_stays(library: Library, database: Place) -> None:
    trial = Trial(0.5)
    async with behind(Echo(), database, **kept(database, trial)) as (url, _), plain() as session:
        body = {"model": "m", "messages": TURNS[:1], "preceptor": {"conversation": named(trial, "live")}}
        async with session.post(f"{url}/v1/chat/completions", json=body) as answer:
            theirs = (await answer.json())["id"]
            ours = answer.headers["x-preceptor-conversation"]

        async def tell(**told: Any) -> tuple[int, Any]:
            async with session.post(f"{url}/v1/feedback", json=told) as answer:
                return answer.status, await answer.json()

        assert await tell(response=theirs, rating=4) == (200, {"conversation": ours, "kept": ["rating"]})
        assert (await tell(conversation=ours, rating=1, resolved=True))[0] == 200
        assert (await tell(conversation=named(trial, "live"), handed_over=False))[1]["conversation"] == ours
        for wrong in ({"conversation": ours}, {"rating": 3}, {"conversation": ours, "rating": 6}, {"said": "x"}):
            assert (await tell(**wrong))[0] == 400
        assert (await tell(response="chatcmpl-nobody", rating=3))[0] == 404
    with Database.open(database) as db:
        told = outcomes(db, "default")
        assert {one.measure: one.value for one in told} == {"rating": 4, "resolved": 1, "handed_over": 0}
        assert {(one.arm, one.found, one.chance) for one in told} == {("live", True, 0.5)}
        assert outcomes(db, "default", "2999-01-01") == []
        assert tallies(db, "default")["live"].told == 1
