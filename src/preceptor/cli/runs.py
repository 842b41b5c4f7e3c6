"""`preceptor runs`: what was done, and what it took."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.options import ProjectOption, SetOption

if TYPE_CHECKING:
    from preceptor.settings.project import Project
    from preceptor.storage.runs import Event, Run, Runs

app = typer.Typer(help="Teaching and evaluation runs: a list of them, or one in full.", invoke_without_command=True)

GOES_ON = {
    "teach": "teach",
    "evaluate": "evaluate",
    "transfer": "transfer",
    "experiment": "experiment coaching",
    "judge-check": "judge check",
}
"""By kind of run: the command that goes on with it."""


@app.callback()
def listing(context: typer.Context, project: ProjectOption = Path(), overrides: SetOption = None) -> None:
    """List the runs, newest first; `runs show RUN` shows one in full."""
    if context.invoked_subcommand is not None:
        return
    from preceptor.cli import tables
    from preceptor.settings.project import Project
    from preceptor.storage.runs import Runs

    loaded = Project.load(project, overrides or ())
    with loaded.database() as db:
        found = Runs(db).list()
        rows = [
            (run.id, run.kind, _status(Runs(db), run), _took(run.created, run.finished), run.seed, _came_of(run))
            for run in found
        ]
    tables.show(("run", "kind", "status", "took", "seed", "what came of it"), rows)
    if not found:
        typer.echo("No runs yet. Next: preceptor teach")


@app.command()
def show(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the beginning of it.")],
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Show a run: how it stands, what it used by role, what happened in it."""
    from preceptor.cli import tables
    from preceptor.llm.ledger import Ledger
    from preceptor.llm.prices import from_nano
    from preceptor.settings.project import Project
    from preceptor.storage.runs import Runs

    loaded = Project.load(project, overrides or ())
    with loaded.database() as db:
        found = Runs(db).get(run)
        events = Runs(db).events(found.id)
        totals = Ledger(db, found.id).totals
        status = _status(Runs(db), found)
    typer.echo(f"{found.id}: {found.kind}, {status}, begun {found.created}, seed {found.seed}")
    if came := _came_of(found):
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
    told = [(event.at[:19], words) for event in events if (words := _words(found.kind, event))]
    tables.show(("at", "what happened"), told)
    if found.status in ("stopped", "failed", "running") and found.kind in GOES_ON:
        typer.echo(f"To go on with it: preceptor {GOES_ON[found.kind]} --resume {found.id}")


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


def _status(runs: "Runs", run: "Run") -> str:
    """A run that is running according to its record, and that nobody holds, was killed."""
    from preceptor.errors import Conflict

    if run.status != "running":
        return run.status
    try:
        with runs.lock(run.id):
            return "broken off"
    except Conflict:
        return "running"


def _came_of(run: "Run") -> str:
    """What was learned, or why it ended, in words."""
    result = run.result if isinstance(run.result, dict) else {}
    if run.status == "done" and "accepted" in result:
        return f"{result['accepted']} strategies accepted, {result['refused']} refused, {result['scenarios']} scenarios"
    if run.status == "done" and "answers" in result:
        return ", ".join(f"{question}: {word}" for question, word in result["answers"].items())
    if run.status == "done" and "cells" in result:
        return f"{len(result['cells'])} gains: `preceptor transfer --resume {run.id}` shows them"
    if run.status == "done" and result.get("figures"):
        first = result["figures"][0]
        return f"{first['label']}: {first['value']:.2f}"
    return str(result.get("reason", "")) if run.status in ("stopped", "failed") else ""


def _took(created: str, finished: str | None) -> str:
    from preceptor.cli.tables import duration

    if finished is None:
        return ""
    return duration((datetime.fromisoformat(finished) - datetime.fromisoformat(created)).total_seconds())


def _words(kind: str, event: "Event") -> str:
    from preceptor.cli.display import sentence
    from preceptor.errors import Conflict
    from preceptor.settings import evaluation, judges, series, teaching

    if event.kind == series.PART:
        return f"Begun: {event.body['name']}, run {event.body['run']}"
    try:
        if kind in (evaluation.KIND, judges.KIND):
            return sentence(evaluation.RECORDED.read(event.kind, event.body))
        return sentence(teaching.RECORDED.read(event.kind, event.body))
    except Conflict:
        return event.kind
