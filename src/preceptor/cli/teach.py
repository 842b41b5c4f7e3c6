"""`preceptor teach`: let the teacher teach."""

import asyncio
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.options import ProjectOption, SetOption

if TYPE_CHECKING:
    from preceptor.cli.display import View
    from preceptor.dialogue.outlay import Share
    from preceptor.llm.stopping import Stop
    from preceptor.settings.models import Providers
    from preceptor.settings.project import Project
    from preceptor.settings.schema import Role
    from preceptor.settings.teaching import TeachingRun
    from preceptor.settings.team import Team
    from preceptor.teaching.teach import Taught

SECONDS_A_CALL = 3.0
"""For the estimate only: a reply of some fifty tokens from a model with a name in the list of a provider."""


def teach(
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Go on with a run that was stopped, by its id or the beginning of it."),
    ] = None,
    logs: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Conversations to learn from beside simulated ones: OpenAI-messages or STAR JSONL."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Estimate, and stop there.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=0, metavar="CALLS", help="At most so many calls, as budget.calls.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print events, a line of JSON each.")] = False,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Let the teacher teach the student, within the budget.

    Says first what it will take, and asks. Ctrl-C once finishes what is in flight, saves, and says how to go on; twice
    ends at once, and what was finished is still there.
    """
    from preceptor.settings.project import Project
    from preceptor.settings.teaching import TeachingRun

    bounds = [] if limit is None else [f"budget.calls={limit}"]
    loaded = Project.load(project, [*(overrides or ()), *bounds])
    if resume is None:
        _estimate(loaded, logs or [], quiet=json)
        if dry_run:
            return
        _confirm(yes)
    providers = loaded.providers()  # before there is a run, so that a wrong name or a missing key leaves none behind
    with loaded.database(create=True) as db:
        lessons = TeachingRun.resume(loaded, db, resume) if resume else TeachingRun.begin(loaded, db, logs or ())
        taught = run(lessons, providers, json=json, options=overrides or (), limit=limit)
    if not json:
        _tell(taught)


def run(
    lessons: "TeachingRun",
    providers: "Providers",
    *,
    json: bool,
    options: Sequence[str] = (),
    limit: int | None = None,
) -> "Taught":
    """Do a teaching run with a display around it.

    `options`, `limit`: the --set and --limit it was called with, which the command to go on with repeats.

    Raises:
        typer.Exit: 130 after Ctrl-C; how to go on was said.
        PreceptorError: why it ended, with how to go on as a note.
    """
    from preceptor.errors import BudgetExhausted, PreceptorError

    interrupts = Interrupts()
    try:
        return asyncio.run(_run(lessons, providers, interrupts, json=json))
    except (PreceptorError, asyncio.CancelledError) as fault:
        if interrupts.count:
            again = _again(lessons, options, limit)
            typer.echo(f"Stopped; what was finished is saved. Go on with it: {again}", err=True)
            raise typer.Exit(130) from None
        if isinstance(fault, BudgetExhausted):
            again = _again(lessons, [option for option in options if not option.startswith("budget.")], None)
            fault.add_note(f"With a larger one ([budget] in preceptor.toml, or --limit CALLS) it goes on: {again}")
        else:
            fault.add_note(f"Go on with it: {_again(lessons, options, limit)}")
        raise


def _again(lessons: "TeachingRun", options: Sequence[str], limit: int | None) -> str:
    """The command that goes on with a run. What the run itself keeps (the teaching settings) is not repeated."""
    words = ["preceptor", "teach", "--resume", lessons.run.id]
    if lessons.project.folder != Path():
        words += ["--project", str(lessons.project.folder)]
    if limit is not None:
        words += ["--limit", str(limit)]
    for option in options:
        if not option.startswith("teaching."):
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


async def _run(lessons: "TeachingRun", providers: "Providers", interrupts: Interrupts, *, json: bool) -> "Taught":
    from preceptor.llm.stopping import Stop

    stop = Stop()
    task = asyncio.current_task()
    assert task is not None
    interrupts.listen(stop, task.cancel)
    async with lessons.project.team(lessons.db, lessons.run.id, stop, providers) as team:
        with _view(lessons, team, json=json) as view:
            taught = await lessons.teach(team, view)
        if team.unusable and not json:
            typer.echo(f"Answers that could not be used, counted as failed measurements: {team.unusable}.")
        return taught


def _view(lessons: "TeachingRun", team: "Team", *, json: bool) -> "View":
    from preceptor.cli import display
    from preceptor.cli.tables import mark

    currency = lessons.project.settings.project.currency
    meter = display.Meter(lambda: team.totals, team.budget, currency, lambda: team.state)
    return display.view(f"Teaching{mark(lessons.project.simulated)}, run {lessons.run.id}", meter, json=json)


def _estimate(project: "Project", logs: list[Path], *, quiet: bool) -> None:
    from preceptor.cli import tables
    from preceptor.settings.teaching import logged
    from preceptor.teaching.estimate import estimate
    from preceptor.teaching.moments import draw_logged, occasions

    settings, faults = project.settings.teaching, list[str]()
    drawn = draw_logged(logged(logs, faults.append), settings.logged_conversations, settings.seed)
    moments = sum(1 for conversation in drawn for _ in occasions(conversation))
    shares = estimate(project.domain(), settings, moments)
    if quiet:
        return
    for fault in faults:
        typer.echo(fault, err=True)
    rows = [
        (role, project.settings.models.of(role).model, f"{s.calls:,}", f"{s.prompt_tokens + s.completion_tokens:,}",
         f"{_money(project, role, s):.2f}")
        for role, s in shares.items()
    ]  # fmt: skip
    headings = ("role", "model", "calls", "tokens", project.settings.project.currency)
    tables.show(headings, rows, f"Estimate{tables.mark(project.simulated)}: an order of magnitude")
    money = sum(_money(project, role, share) for role, share in shares.items())
    calls = sum(share.calls for share in shares.values())
    if logs:
        typer.echo(f"Logs: {len(drawn):,} conversations, {moments:,} answers to compare.")
    typer.echo(
        f"In all about {calls:,} calls, {money:.2f} {project.settings.project.currency}, {_time(project, shares)}."
    )
    typer.echo(_bounds(project))


def _money(project: "Project", role: "Role", share: "Share") -> Decimal:
    section = project.settings.models.of(role)
    cost = section.price_input * share.prompt_tokens + section.price_output * share.completion_tokens
    return cost / 1_000_000


def _time(project: "Project", shares: "Mapping[Role, Share]") -> str:
    from preceptor.cli.tables import duration
    from preceptor.settings.schema import Simulated

    seconds = 0.0
    for role, share in shares.items():
        section = project.settings.models.of(role)
        a_call = section.latency if isinstance(section, Simulated) else SECONDS_A_CALL
        seconds += share.calls * a_call / section.concurrency
    if not seconds:
        return "as long as this machine takes to simulate it"
    return f"{duration(seconds)} if a call takes {SECONDS_A_CALL:.0f} s"


def _bounds(project: "Project") -> str:
    budget = project.settings.budget
    bounds = {"calls": budget.calls, "tokens": budget.tokens, project.settings.project.currency: budget.money}
    told = [f"{bound:,} {unit}" for unit, bound in bounds.items() if bound is not None]
    if not told:
        return "No budget is set; [budget] in preceptor.toml, or --limit CALLS, would bind it."
    return f"The budget binds: the run stops at {' or '.join(told)} at the latest, and can be resumed with more."


def _confirm(yes: bool) -> None:
    from preceptor.errors import UserError

    if yes:
        return
    if not sys.stdin.isatty():
        raise UserError("There is nobody to ask here. Pass --yes to go ahead, or --dry-run to see the estimate only.")
    typer.confirm("Go ahead?", abort=True)


def _tell(taught: "Taught") -> None:
    typer.echo(
        f"Done: {taught.reason}. {len(taught.scenarios)} scenarios, {len(taught.accepted)} strategies accepted, "
        f"{len(taught.refused)} refused. Library {taught.guidance.hash[:12]}."
    )
    typer.echo("Next: preceptor library list, then approve --accepted (or ID…), then release")
