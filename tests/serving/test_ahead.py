"""Texts read ahead of matching by an embedder that is slow, and how many of them when there are too many."""

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from preceptor.retrieval.embedding import Vectors
from preceptor.serving.ahead import THREADS, WAITING, Ahead

from .stage import LONGEST

pytestmark = pytest.mark.anyio


class Slow:
    """Reads nothing until it may, and keeps what it was given, call by call."""

    id = "slow"
    dim = 2

    def __init__(self) -> None:
        self.may = threading.Event()
        self.calls: list[list[str]] = []
        self.busy = threading.Semaphore(0)

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.busy.release()
        assert self.may.wait(LONGEST)
        self.calls.append(list(texts))
        return np.zeros((len(texts), 2), np.float32)


async def occupied(ahead: Ahead, slow: Slow) -> None:
    """Every thread has something to read."""
    for number in range(THREADS):
        assert not await ahead.read(slow, [f"busy {number}"])
        assert await asyncio.to_thread(slow.busy.acquire, timeout=LONGEST)


async def test_the_newest_are_read_first_and_what_is_too_much_is_dropped() -> None:
    slow, ahead = Slow(), Ahead(0.001)
    await occupied(ahead, slow)
    late = [await ahead.read(slow, [f"text {number}"]) for number in range(WAITING + 10)]
    assert not any(late)
    slow.may.set()
    async with asyncio.timeout(LONGEST):
        while len(slow.calls) < THREADS + WAITING:  # noqa: ASYNC110 - counted by threads
            await asyncio.sleep(0.001)
    read = [int(call[0].split()[1]) for call in slow.calls if call[0].startswith("text")]
    assert sorted(read) == list(range(10, WAITING + 10)), "the ten that waited longest are not read"
    # What is newer and not told yet, though it was taken before, is with another thread, which holds one at a time.
    assert all(sum(later > told for later in read[place:]) < THREADS for place, told in enumerate(read))
    ahead.close()


async def test_a_server_is_asked_for_several_at_once() -> None:
    slow, ahead = Slow(), Ahead(30.0, together=3)
    ahead.patience = 0.001
    await occupied(ahead, slow)
    ahead.patience = 30.0
    reading = asyncio.gather(*(ahead.read(slow, [f"text {number}", "hello"]) for number in range(4)))
    await asyncio.sleep(0)
    slow.may.set()
    assert await reading == [True] * 4
    several = sorted(call for call in slow.calls if not call[0].startswith("busy"))
    assert several == [["text 0", "hello"], ["text 3", "hello", "text 2", "text 1"]]
    ahead.close()


async def test_an_embedder_that_fails_is_away() -> None:
    class Away(Slow):
        def embed(self, texts: Sequence[str]) -> Vectors:
            raise OSError("no route")

    ahead = Ahead(30.0)
    assert not await ahead.read(Away(), ["hello"])
    ahead.close()
