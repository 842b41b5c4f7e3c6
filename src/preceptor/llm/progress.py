"""How far a piece of work is, for whoever watches."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """`done` of `total` pieces of a phase; a phase begins with 0 done."""

    phase: str
    done: int
    total: int


def counted(
    phase: str, jobs: Sequence[Callable[[], Awaitable[T]]], tell: Callable[[Progress], object]
) -> list[Callable[[], Awaitable[T]]]:
    """The jobs of a phase, each of which tells when it is done."""
    done = 0
    tell(Progress(phase, 0, len(jobs)))

    async def run(job: Callable[[], Awaitable[T]]) -> T:
        nonlocal done
        result = await job()
        done += 1
        tell(Progress(phase, done, len(jobs)))
        return result

    return [partial(run, job) for job in jobs]


def duration(seconds: float) -> str:
    """Such as ``45 s`` or ``3 min``."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
