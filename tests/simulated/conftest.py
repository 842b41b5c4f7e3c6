"""The test world (small.yaml), and ways to talk to its models."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from preceptor.llm.messages import Message, Request, Sampling, Schema
from preceptor.simulated.model import SimulatedModel, models
from preceptor.simulated.reading import Reader
from preceptor.simulated.world import World

SMALL = Path(__file__).with_name("small.yaml")
Ask = Callable[..., Request]


@pytest.fixture(scope="session")
def world() -> World:
    return World.load(SMALL)


@pytest.fixture(scope="session")
def reader(world: World) -> Reader:
    return Reader(world)


@pytest.fixture(scope="session")
def cast(world: World) -> Mapping[str, SimulatedModel]:
    return models(world)


@pytest.fixture(scope="session", params=["airline", "broadband"])
def shipped(request: pytest.FixtureRequest) -> World:
    return World.shipped(request.param)


@pytest.fixture(scope="session")
def shipped_reader(shipped: World) -> Reader:
    return Reader(shipped)


def varied(world: World, **parts: object) -> World:
    """The world with some parts changed; made anew, because a copy would keep what the old one had looked up."""
    return World.model_validate({**world.model_dump(by_alias=True), **parts})


def chat(*texts: str, system: str | None = "You answer customers.", seed: int = 0) -> Request:
    """A chat of alternating user and assistant texts."""
    turns = [Message("user" if place % 2 == 0 else "assistant", text) for place, text in enumerate(texts)]
    opening = [Message("system", system)] if system else []
    return Request((*opening, *turns), Sampling(seed=seed))


def task(name: str, system: str = "", seed: int = 0, **blocks: str) -> Request:
    """A structured request with its data in blocks."""
    data = "\n".join(f"<{block}>\n{text}\n</{block}>" for block, text in blocks.items())
    messages = (Message("system", system or "Do the task."), Message("user", data))
    return Request(messages, Sampling(seed=seed), schema=Schema(name, {"type": "object", "properties": {}}))


def answered(model: SimulatedModel, request: Request) -> dict[str, Any]:
    """A structured reply, parsed."""
    found = orjson.loads(model.answer(request).text)
    assert isinstance(found, dict)
    return found
