"""What commands that begin runs share: the estimate, the question, the display, Ctrl-C, and how to go on."""

import asyncio
import shlex
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import typer

if TYPE_CHECKING:
    from preceptor.cli.display import Board, View
    from preceptor.dialogue.outlay import Role, Share
    from preceptor.llm.stopping import Stop
    from preceptor.settings.lead import Lead
    from preceptor.settings.models import Providers
    from preceptor.settings.project import Project
    from preceptor.settings.series import Series
    from preceptor.settings.team import Team
    from preceptor.storage.database import Database

T = TypeVar("T")
SECONDS_A_CALL = 3.0
"""For the estimate only: a reply of some fifty tokens from a model with a name in the list of a provider."""


@dataclass(frozen=True)
class Job(Generic[T]):
    """A run to be done."""

    project: "Project"
    """Whose models, with the settings as they are now."""
    db: "Database"
    run: str
    command: str
    """Which goes on with it, such as ``teach`` or ``judge check``."""
    title: str
    keeps: str
    """The section of the settings that the run keeps and takes no changes to."""
    board: "Board"
    work: Callable[["Team", "View"], Awaitable[T]]
    series: "Series | None" = None
    """What the run is a part of: `command` goes on with that, and the budget is that of all its parts together."""
    lead: "Lead | None" = None
    """Lets workers take part in it."""
    resumes: bool = False
    """`command` goes on with it unasked."""


def run(job: Job[T], providers: "Providers", *, json: bool, options: Sequence[str] = (), limit: int | None = None) -> T:
    """Do a run with a display around it.

    `options`, `limit`: the --set and --limit it was called with, which the command to go on with repeats.

    Raises:
        typer.Exit: 130 after Ctrl-C; how to go on was said.
        PreceptorError: why it ended, with how to go on as a note.
    """
    from preceptor.errors import BudgetExhausted, PreceptorError
    from preceptor.storage.runs import Runs

    interrupts = Interrupts()
    try:
        return asyncio.run(_run(job, providers, interrupts, json=json))
    except (PreceptorError, asyncio.CancelledError) as fault:
        if interrupts.count:
            again = _again(job, options, limit)
            typer.echo(f"Stopped; what was finished is saved. Go on with it: {again}", err=True)
            raise typer.Exit(130) from None
        if isinstance(fault, BudgetExhausted):
            again = _again(job, [option for option in options if not option.startswith("budget.")], None)
            fault.add_note(f"With a larger one ([budget] in preceptor.toml, or --limit CALLS) it goes on: {again}")
        elif Runs(job.db).get(job.run).status != "cancelled":
            fault.add_note(f"Go on with it: {_again(job, options, limit)}")
        raise


def _again(job: Job[T], options: Sequence[str], limit: int | None) -> str:
    """The command that goes on with a run. What the run itself keeps is not repeated."""
    whole, folder = (job.series.run.id, job.series.folder) if job.series else (job.run, job.project.folder)
    kept = ("teaching.", "evaluation.") if job.series else (f"{job.keeps}.",)
    words = ["preceptor", *job.command.split(), *(() if job.resumes else ("--resume", whole))]
    if job.lead is not None:
        words.append("--workers")
    if folder != Path():
        words += ["--project", str(folder)]
    if limit is not None:
        words += ["--limit", str(limit)]
    for option in options:
        if not option.startswith(kept):
            words += ["--set", option]
    return shlex.join(words)


class Interrupts:
    """Ctrl-C: once stops the run cleanly, twice ends it."""

    def __init__(self) -> None:
        self.count = 0

    def listen(self, stop: "Stop", end: Callable[[], object]) -> None:
        """From now on, within the running event loop."""

        def hear() -> None:
            self.count += 1
            if self.count == 1:
                stop.set()
                typer.echo("Finishing what is in flight; Ctrl-C again ends at once.", err=True)
            else:
                end()

        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, hear)


def listen(stop: "Stop") -> None:
    """For what goes on without the answers it does not get: Ctrl-C once finishes what is in flight, twice ends it."""
    task = asyncio.current_task()
    assert task is not None
    Interrupts().listen(stop, task.cancel)


async def _run(job: Job[T], providers: "Providers", interrupts: Interrupts, *, json: bool) -> T:
    from preceptor.llm.prices import NOTHING
    from preceptor.llm.stopping import Stop

    stop = Stop()
    task = asyncio.current_task()
    assert task is not None
    interrupts.listen(stop, task.cancel)
    used = job.series.used(job.run) if job.series else NOTHING
    ledger = job.lead.ledger(used) if job.lead else None
    async with job.project.team(job.db, job.run, stop, providers, used, ledger) as team:
        with _view(job, team, json=json) as view:
            done = await job.work(team, view)
        if team.unusable and not json:
            typer.echo(f"Answers that could not be used, counted as failed measurements: {team.unusable}.")
        return done


def _view(job: Job[T], team: "Team", *, json: bool) -> "View":
    from preceptor.cli import display
    from preceptor.cli.tables import mark

    currency = job.project.settings.project.currency
    meter = display.Meter(lambda: team.totals, team.budget, currency, lambda: team.state)
    return display.view(f"{job.title}{mark(job.project.simulated)}, run {job.run}", meter, job.board, json=json)


def show_estimate(project: "Project", shares: "Mapping[Role, Share]", *notes: str) -> None:
    """The table by role, in all, and what binds it. `notes`: lines between the two."""
    from preceptor.cli import tables

    rows = [
        (role, project.settings.models.of(role).model, f"{s.calls:,}", f"{s.prompt_tokens + s.completion_tokens:,}",
         f"{_money(project, role, s):.2f}" if _priced(project, role) else "no price", _time(project, {role: s}))
        for role, s in shares.items()
    ]  # fmt: skip
    headings = ("role", "model", "calls", "tokens", project.settings.project.currency, "time")
    tables.show(headings, rows, f"Estimate{tables.mark(project.simulated)}: an order of magnitude")
    calls = sum(share.calls for share in shares.values())
    for note in notes:
        typer.echo(note)
    time = _time(project, shares) or "as long as this machine takes to simulate it"
    assumed = f" if a call takes {SECONDS_A_CALL:.0f} s" if _time(project, shares) else ""
    typer.echo(f"In all about {calls:,} calls, {_cost(project, shares)}, {time}{assumed}.")
    typer.echo(_bounds(project))


def _cost(project: "Project", shares: "Mapping[Role, Share]") -> str:
    """Nothing is said to cost nothing because nobody said what it costs."""
    without = [role for role in shares if not _priced(project, role)]
    if len(without) == len(shares):
        return "at a cost that is not known (no model has price_input and price_output)"
    money = sum(_money(project, role, share) for role, share in shares.items())
    left = f" (without {', '.join(without)}: no price is set)" if without else ""
    return f"{money:.2f} {project.settings.project.currency}{left}"


def _priced(project: "Project", role: "Role") -> bool:
    from preceptor.settings.schema import Simulated

    section = project.settings.models.of(role)
    return isinstance(section, Simulated) or bool(section.price_input or section.price_output)


def _money(project: "Project", role: "Role", share: "Share") -> Decimal:
    section = project.settings.models.of(role)
    cost = section.price_input * share.prompt_tokens + section.price_output * share.completion_tokens
    return cost / 1_000_000


def _time(project: "Project", shares: "Mapping[Role, Share]") -> str:
    """Empty for models that take none."""
    from preceptor.llm.progress import duration
    from preceptor.settings.schema import Simulated

    seconds = 0.0
    for role, share in shares.items():
        section = project.settings.models.of(role)
        a_call = section.latency if isinstance(section, Simulated) else SECONDS_A_CALL
        seconds += share.calls * a_call / section.concurrency
    return duration(seconds) if seconds else ""


def _bounds(project: "Project") -> str:
    budget = project.settings.budget
    bounds = {"calls": budget.calls, "tokens": budget.tokens, project.settings.project.currency: budget.money}
    told = [f"{bound:,} {unit}" for unit, bound in bounds.items() if bound is not None]
    if not told:
        return "No budget is set; [budget] in preceptor.toml, or --limit CALLS, would bind it."
    return f"The budget binds: the run stops at {' or '.join(told)} at the latest, and can be resumed with more."


def confirm(yes: bool) -> None:
    """Ask whether to go ahead.

    Raises:
        UserError: there is nobody to ask.
        typer.Abort: the answer was no.
    """
    from preceptor.errors import UserError

    if yes:
        return
    if not sys.stdin.isatty():
        raise UserError("There is nobody to ask here. Pass --yes to go ahead, or --dry-run to see the estimate only.")
    typer.confirm("Go ahead?", abort=True)
