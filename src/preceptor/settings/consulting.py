"""Consultations: questions to the teacher outside of teaching, such as names for what logs hold. Each is a run of its
own, so that what is asked is in the ledger and under the budget.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from preceptor.errors import PreceptorError, Stopped
from preceptor.llm.ledger import Total
from preceptor.llm.model import Model
from preceptor.llm.stopping import Stop
from preceptor.settings.project import Project
from preceptor.storage.database import Database
from preceptor.storage.runs import Runs

T = TypeVar("T")
KIND = "consultation"


@dataclass(frozen=True)
class Done(Generic[T]):
    """What a consultation came to."""

    run: str
    result: T
    total: Total
    """What the teacher was asked."""


def run(
    project: Project,
    db: Database,
    what: str,
    ask: Callable[[Model], Awaitable[T]],
    listen: Callable[[Stop], None] = lambda _: None,
) -> Done[T]:
    """Consult the teacher. `what`: in a sentence, for the record. `ask`: is given the teacher, and goes on without what
    it cannot have. `listen`: is given the flag that ends it.

    Raises:
        NotFound, SettingsError: a model cannot be had.
        Stopped: it was ended at once.
        PreceptorError: from `ask`, or the database.
    """
    runs = Runs(db)
    consulted = runs.create(KIND, {"settings": project.resolved(), "what": what}, 0)

    async def work() -> tuple[T, Total]:
        stop = Stop()
        listen(stop)
        async with project.team(db, consulted.id, stop) as team:
            return await ask(team.models["teacher"]), team.totals.get("teacher", Total())

    try:
        result, total = asyncio.run(work())
    except PreceptorError as fault:
        runs.finish(consulted.id, "failed", {"reason": str(fault)})
        raise
    except asyncio.CancelledError:
        runs.finish(consulted.id, "cancelled", {"reason": f"{what} Broken off."})
        raise Stopped("Broken off; nothing was written.") from None
    runs.finish(consulted.id, "done", {"reason": what})
    return Done(consulted.id, result, total)
