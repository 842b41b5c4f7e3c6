"""Runs seen and stopped from outside the process that does them."""

from collections.abc import Mapping
from typing import Literal

from preceptor.errors import Conflict
from preceptor.settings import cases, evaluation, judges, measuring, series, teaching, transfer
from preceptor.storage.database import Database
from preceptor.storage.runs import Run, Runs, Status
from preceptor.storage.signals import Signals, Wanted

Standing = Status | Literal["broken off"]
"""A run that is running according to its record, and that nobody holds, was broken off: its process was killed."""
COACHING = "experiment"
GOES_ON: Mapping[str, str] = {
    teaching.KIND: "teach",
    evaluation.KIND: "evaluate",
    transfer.KIND: "transfer",
    judges.KIND: "judge check",
    measuring.KIND: "library measure",
    cases.KIND: "cases run",
    COACHING: "experiment coaching",
}
"""By kind of run: the command that goes on with it."""


def standing(runs: Runs, run: Run) -> Standing:
    """How a run stands, looking at whether anybody is at it."""
    if run.status != "running":
        return run.status
    return "running" if runs.held(run.id) else "broken off"


def ask(db: Database, prefix: str, what: Wanted, who: str) -> str:
    """Have a run stopped, for a while or for good; what comes of it, in a sentence.

    Raises:
        NotFound, Conflict: no such run, or it is not one that could be stopped so.
    """
    runs = Runs(db)
    run = runs.get(prefix)
    match standing(runs, run), what:
        case "running", _:
            Signals(db).wish(_at_work(runs, run), what, who)
            then = "it can be resumed then" if what == "pause" else "what it has found stays"
            return f"Run {run.id} stops when what is in flight is finished; {then}."
        case (("stopped" | "failed" | "broken off"), "cancel"):
            runs.finish(run.id, "cancelled", {"reason": f"Cancelled by {who}."})
            return f"Run {run.id} is cancelled; what it has found stays."
        case stands, _:
            raise Conflict(f"Run {run.id!r} is {stands}: there is nothing to {what}.")


def _at_work(runs: Runs, run: Run) -> str:
    """The run itself, or that part of it which is being done."""
    parts = [event.body["run"] for event in runs.events(run.id) if event.kind == series.PART]
    going = (part for part in reversed(parts) if standing(runs, runs.get(part)) == "running")
    return next(going, run.id)
