"""Many questions at once, answers in the order asked; and computing beside them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar, cast

import anyio

from preceptor.errors import BadReply, Rejected, Stopped

T = TypeVar("T")
U = TypeVar("U")


async def gather(jobs: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """Run all jobs at once and give their results in order.

    A job that raises `Stopped` does not cancel the others: they finish what is in flight (and were it lost, it would
    have to be paid for again), then the first `Stopped` is raised. So it is with an answer that cannot be used or was
    refused, unless there was a stop. Any other failure cancels the rest and is raised.
    """
    pending = list(jobs)
    results: list[T | None] = [None] * len(pending)
    ends: dict[int, Stopped | BadReply | Rejected] = {}

    async def run(index: int, job: Callable[[], Awaitable[T]]) -> None:
        try:
            results[index] = await job()
        except (Stopped, BadReply, Rejected) as end:
            ends[index] = end

    try:
        async with anyio.create_task_group() as group:
            for index, job in enumerate(pending):
                group.start_soon(run, index, job)
    except BaseExceptionGroup as failures:
        raise _first(failures) from None
    if ends:
        raise ends[min(ends, key=lambda index: (not isinstance(ends[index], Stopped), index))]
    return cast(list[T], results)


async def both(one: Callable[[], Awaitable[T]], other: Callable[[], Awaitable[U]]) -> tuple[T, U]:
    """`gather` for two jobs of different kinds."""
    jobs: list[Callable[[], Awaitable[T | U]]] = [one, other]
    first, second = await gather(jobs)
    return cast(T, first), cast(U, second)


async def aside(work: Callable[[], T]) -> T:
    """Compute in a thread, so that meanwhile replies are read and questions asked."""
    return await asyncio.to_thread(work)


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    fault: BaseException = failures
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    return fault
