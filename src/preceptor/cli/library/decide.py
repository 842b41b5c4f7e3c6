"""`preceptor library approve`, `reject`, `edit`, `release` and `rollback`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.options import AuthorOption, NoteOption, ProjectOption, SetOption

if TYPE_CHECKING:
    from preceptor.library.model import Decision
    from preceptor.library.store import Library

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Strategies, by id or the beginning of it.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="A strategy's id, or the beginning of it.")]


def approve(
    author: AuthorOption,
    ids: Ids = None,
    accepted: Annotated[
        bool, typer.Option("--accepted", help="All that passed the measured gate, are undecided and have no flag.")
    ] = False,
    note: NoteOption = "",
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Approve strategies.

    Only approved ones can be released.
    """
    from preceptor.cli.library.opened import opened

    with opened(project, overrides) as (_, library):
        chosen = list(ids or ())
        if accepted:
            undecided = library.strategies(measured="accepted", decision="pending")
            chosen += [strategy.id for strategy in undecided if not strategy.flags]
            if flagged := [strategy.id for strategy in undecided if strategy.flags]:
                typer.echo(f"Left for you to look at, because something was flagged: {', '.join(flagged)}")
            if not chosen:
                typer.echo("Nothing else is waiting for a decision.")
                return
        _decide(library, chosen, "approved", author, note)
    typer.echo("Next: preceptor library release")


def reject(
    author: AuthorOption,
    ids: Ids = None,
    note: NoteOption = "",
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Reject strategies.

    They enter no further release. What is live stays as it is until the next.
    """
    from preceptor.cli.library.opened import opened

    with opened(project, overrides) as (_, library):
        _decide(library, ids or [], "rejected", author, note)


def _decide(library: "Library", ids: list[str], decision: "Decision", author: str, note: str) -> None:
    from preceptor.errors import UserError

    if not ids:
        raise UserError("No strategy was named. `preceptor library list` shows their ids.")
    # All are looked up before any is decided, so that a mistyped id changes nothing.
    for strategy in [library.strategy(prefix) for prefix in ids]:
        library.decide(strategy.id, decision, author, note)
        typer.echo(f"{decision}: {strategy.id}  {strategy.text}")


def edit(
    id_: Id,
    text: Annotated[str, typer.Argument(help="The new wording; - reads it from standard input.")],
    author: AuthorOption,
    note: NoteOption = "",
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Reword a strategy. The new version is undecided; what is live stays as it is."""
    from preceptor.cli.library.opened import opened

    wording = sys.stdin.read() if text == "-" else text
    with opened(project, overrides) as (_, library):
        strategy = library.edit(id_, wording, author, note)
    flags = f" Look at: {', '.join(strategy.flags)}." if strategy.flags else ""
    typer.echo(f"{strategy.id} is now version {strategy.version}, and {strategy.decision}.{flags}")


def release(
    author: AuthorOption, note: NoteOption = "", project: ProjectOption = Path(), overrides: SetOption = None
) -> None:
    """Freeze what is approved, and make it live.

    A release is named by its content and never changes.
    """
    from preceptor.cli.library.opened import opened

    with opened(project, overrides) as (loaded, library):
        if loaded.settings.library.approve_by_rule:
            approved = library.approve_accepted(author, "library.approve_by_rule")
            typer.echo(f"{len(approved)} strategies approved by rule, as the settings say.")
        made = library.release(author, note)
    typer.echo(f"Release {made.hash[:12]} is live: {len(made.guidance.strategies)} strategies. Next: preceptor chat")


def rollback(
    author: AuthorOption,
    to: Annotated[
        str | None, typer.Argument(metavar="[RELEASE]", help="The one before when not given.", show_default=False)
    ] = None,
    note: NoteOption = "",
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Make an earlier release live again. It was approved once, so it needs no second approval."""
    from preceptor.cli.library.opened import opened

    with opened(project, overrides) as (_, library):
        back = library.rollback(author, to, note)
    typer.echo(f"Release {back.hash[:12]} of {back.created} is live again.")
