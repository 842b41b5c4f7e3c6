"""`preceptor cases`: moments kept with an answer that is good enough, and whether the student still is."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.options import LimitOption, ProjectOption, SetOption, YesOption

if TYPE_CHECKING:
    from preceptor.evaluation.cases import Held

app = typer.Typer(help="Moments kept with a good answer: is the student still as good there?", no_args_is_help=True)


@app.command("list")
def list_(project: ProjectOption = Path(), overrides: SetOption = None) -> None:
    """List the cases. They are kept in the review's playground."""
    from preceptor.cli import tables
    from preceptor.cli.library.opened import opened
    from preceptor.library.cases import Cases

    with opened(project, overrides) as (_, library):
        found = Cases(library.db, library.name).list()
    rows = [(case.id, case.note, case.context.turns[-1].text, case.answer, case.who, case.at[:10]) for case in found]
    tables.show(("case", "about", "the customer's last words", "good enough", "kept by", "on"), rows)
    if not found:
        typer.echo("No case is kept yet. Keep one in the review's playground: preceptor review")


@app.command()
def remove(
    id_: Annotated[str, typer.Argument(metavar="ID", help="A case's id.")],
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Remove a case."""
    from preceptor.cli.library.opened import opened
    from preceptor.library.cases import Cases

    with opened(project, overrides) as (_, library):
        Cases(library.db, library.name).remove(id_)
    typer.echo(f"Removed: {id_}")


@app.command()
def run(
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Go on with a run that was stopped, by its id or the beginning of it."),
    ] = None,
    yes: YesOption = False,
    limit: LimitOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print events, a line of JSON each.")] = False,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Have the student answer every case again, with the live release.

    A judge compares three answers with the one that was kept, blind and in both orders. Exit code 1 if one has become
    worse.
    """
    from preceptor.cli import running
    from preceptor.cli.display import Board
    from preceptor.settings.cases import CasesRun
    from preceptor.settings.project import Project

    bounds = [] if limit is None else [f"budget.calls={limit}"]
    loaded = Project.load(project, [*(overrides or ()), *bounds])
    providers = loaded.providers()
    running.confirm(yes or resume is not None)
    with loaded.database() as db:
        task = CasesRun.resume(loaded, db, resume) if resume else CasesRun.begin(loaded, db)
        job = running.Job(
            task.project, task.db, task.run.id, "cases run", "Answering cases", "cases", Board(), task.answer
        )
        found = running.run(job, providers, json=json, options=overrides or (), limit=limit)
    if not json:
        _tell(found, task.kept.library)
    if any(one.standing == "worse" for one in found):
        raise typer.Exit(1)


def _tell(found: "Sequence[Held]", library: str) -> None:
    from preceptor.cli import tables

    worse = [one for one in found if one.standing == "worse"]
    for one in worse:
        typer.echo(f"\nWorse: {one.case.id}  {one.case.note}\n  kept: {one.case.answer}\n  now:  {one.answers[0]}")
    standings = [one.standing for one in found]
    rows = [(name, standings.count(name)) for name in dict.fromkeys(standings)]
    tables.show(("against the kept answer", "cases"), rows, f"With {library}")
