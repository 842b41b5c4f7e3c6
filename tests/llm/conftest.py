"""What tests of models share: a clock that need not be waited for, and requests."""

import asyncio
from collections.abc import Callable

import pytest

from preceptor.llm.messages import Message, Request, Sampling


class FakeClock:
    """Sleeping moves the time on at once."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def asking() -> Callable[..., Request]:
    """Builds a request of one user message."""

    def build(text: str = "hello", max_tokens: int = 50, seed: int | None = None) -> Request:
        return Request((Message("user", text),), Sampling(max_tokens=max_tokens, seed=seed))

    return build
