"""Many jobs at once, and how far they are."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from preceptor.llm.parallel import gather
from preceptor.llm.progress import Progress

T = TypeVar("T")


async def told(phase: str, jobs: Sequence[Callable[[], Awaitable[T]]], tell: Callable[[Progress], object]) -> list[T]:
    """`gather`, with a `Progress` as each job ends.

    Raises: what the jobs raise.
    """
    done = 0
    tell(Progress(phase, 0, len(jobs)))

    async def one(job: Callable[[], Awaitable[T]]) -> T:
        nonlocal done
        found = await job()
        done += 1
        tell(Progress(phase, done, len(jobs)))
        return found

    return await gather([partial(one, job) for job in jobs])
