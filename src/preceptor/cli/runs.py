"""`preceptor runs`: what was done, and what it took."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.options import AuthorOption, ProjectOption, SetOption, at

if TYPE_CHECKING:
    from preceptor.settings.project import Project
    from preceptor.storage.runs import Run
    from preceptor.storage.signals import Wanted

app = typer.Typer(help="Teaching and evaluation runs: a list of them, or one in full.", invoke_without_command=True)

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the beginning of it.")]


@app.callback()
def listing(context: typer.Context, project: ProjectOption = Path(), overrides: SetOption = None) -> None:
    """List the runs, newest first; `runs show RUN` shows one in full."""
    if context.invoked_subcommand is not None:
        return
    from preceptor.cli import tables
    from preceptor.settings.control import standing
    from preceptor.settings.project import Project
    from preceptor.settings.words import came_of
    from preceptor.storage.runs import Runs

    loaded = Project.load(project, overrides or ())
    with loaded.database() as db:
        found = Runs(db).list()
        rows = [
            (run.id, run.kind, standing(Runs(db), run), _took(run.created, run.finished), run.seed, came_of(run))
            for run in found
        ]
    tables.show(("run", "kind", "status", "took", "seed", "what came of it"), rows)
    if not found:
        typer.echo(f"No runs yet. Next: preceptor teach{at(project)}")


@app.command()
def show(
    run: RunArgument,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Show a run: how it stands, what it used by role, what happened in it."""
    from preceptor.cli import tables
    from preceptor.llm.ledger import Ledger
    from preceptor.llm.prices import from_nano
    from preceptor.settings.control import GOES_ON, standing
    from preceptor.settings.project import Project
    from preceptor.settings.words import came_of, recorded
    from preceptor.storage.runs import Runs

    loaded = Project.load(project, overrides or ())
    with loaded.database() as db:
        found = Runs(db).get(run)
        events = Runs(db).events(found.id)
        totals = Ledger(db, found.id).totals
        status = standing(Runs(db), found)
    typer.echo(f"{found.id}: {found.kind}, {status}, begun {found.created}, seed {found.seed}")
    if came := came_of(found):
        typer.echo(came)
    used = [
        (
            role,
            f"{total.calls:,}",
            f"{total.charged.calls:,}",
            f"{total.charged.tokens:,}",
            from_nano(total.charged.nano),
        )
        for role, total in totals.items()
    ]
    tables.show(("role", "answers", "calls", "tokens", loaded.settings.project.currency), used)
    if found.kind == "evaluate":
        _show_arms(loaded, found)
    told = [(event.at[:19], words) for event in events if (words := recorded(found.kind, event))]
    tables.show(("at", "what happened"), told)
    if found.status in ("stopped", "failed", "running") and found.kind in GOES_ON:
        typer.echo(f"To go on with it: preceptor {GOES_ON[found.kind]} --resume {found.id}")


@app.command()
def pause(run: RunArgument, author: AuthorOption, project: ProjectOption = Path(), overrides: SetOption = None) -> None:
    """Stop a run that another terminal or machine is doing, as Ctrl-C there would; it can be resumed."""
    _wish(run, "pause", author, project, overrides)


@app.command()
def cancel(
    run: RunArgument, author: AuthorOption, project: ProjectOption = Path(), overrides: SetOption = None
) -> None:
    """End a run for good; what it has found so far stays."""
    _wish(run, "cancel", author, project, overrides)


def _wish(prefix: str, what: "Wanted", who: str, project: Path, overrides: list[str] | None) -> None:
    from preceptor.settings.control import ask
    from preceptor.settings.project import Project

    with Project.load(project, overrides or ()).database() as db:
        typer.echo(ask(db, prefix, what, who))


def _show_arms(project: "Project", run: "Run") -> None:
    from preceptor.cli.results import show_attribution, show_report
    from preceptor.errors import UserError
    from preceptor.settings.evaluation import attributed, reported

    with project.database() as db:
        try:
            report = reported(db, run)
        except UserError as none_yet:
            typer.echo(str(none_yet))
        else:
            show_report(report, project.settings.project.currency, "simulated" if project.simulated else "")
            if found := attributed(db, run):
                show_attribution(found)


def _took(created: str, finished: str | None) -> str:
    from preceptor.llm.progress import duration

    if finished is None:
        return ""
    return duration((datetime.fromisoformat(finished) - datetime.fromisoformat(created)).total_seconds())
