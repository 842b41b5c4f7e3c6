"""`preceptor library forget`."""

from pathlib import Path
from typing import Annotated

import typer

from preceptor.cli.options import AuthorOption, NoteOption, ProjectOption, SetOption


def forget(
    author: AuthorOption,
    source: Annotated[str | None, typer.Option("--source", help="A log, by its name.", show_default=False)] = None,
    customer: Annotated[str | None, typer.Option("--customer", help="A customer's key.", show_default=False)] = None,
    run: Annotated[str | None, typer.Option("--run", help="A teaching run.", show_default=False)] = None,
    note: NoteOption = "",
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Take a source, and what rests on it alone, out of use.

    In one step: its contexts leave the examples, strategies written from nothing else are withdrawn, what then rests on
    a single customer is flagged and undecided again, and where something live is concerned, a release without it
    goes live. Rows stay as the trail's evidence; nothing is erased from disk.
    """
    from preceptor.cli.library.opened import opened
    from preceptor.library.provenance import Source

    with opened(project, overrides) as (_, library):
        found = library.forget(Source(source, customer, run), author, note)
    typer.echo(
        f"Forgotten: {found.contexts} contexts, {len(found.scenarios)} scenarios, {len(found.strategies)} strategies"
        f"{': ' if found.strategies else ''}{', '.join(found.strategies)}."
    )
    if found.doubtful:
        typer.echo(f"To be looked at, because one customer alone speaks for them now: {', '.join(found.doubtful)}")
    if found.release is None:
        typer.echo("What is live does not change.")
    else:
        typer.echo(f"Release {found.release[:12]} is live." if found.release else "Nothing is live any more.")
