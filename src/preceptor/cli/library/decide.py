"""`preceptor library approve`, `reject`, `edit`, `release` and `rollback`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.options import AuthorOption, NoteOption, ProjectOption, SetOption, at

if TYPE_CHECKING:
    from preceptor.library.model import Decision, Release
    from preceptor.library.store import Library
    from preceptor.settings.project import Project
    from preceptor.storage.database import Database

SHOWN = 10
"""Strategies that are lost and named."""
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
    from preceptor.library.lint import lint_text

    with opened(project, overrides) as (_, library):
        chosen = list(ids or ())
        if accepted:
            undecided = library.strategies(measured="accepted", decision="pending")
            # What lint has learned since a strategy was stored counts, too.
            flagged = [strategy.id for strategy in undecided if strategy.flags or lint_text(strategy.text)]
            chosen += [strategy.id for strategy in undecided if strategy.id not in flagged]
            if flagged:
                typer.echo(f"Left for you to look at, because something was flagged: {', '.join(flagged)}")
            if not chosen:
                typer.echo("Nothing else is waiting for a decision.")
                return
        _decide(library, chosen, "approved", author, note)
    typer.echo(f"Next: preceptor library release{at(project)}")


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
    from preceptor.library.disguise import visible

    if not ids:
        raise UserError("No strategy was named. `preceptor library list` shows their ids.")
    # All are looked up before any is decided, so that a mistyped id changes nothing.
    for strategy in [library.strategy(prefix) for prefix in ids]:
        library.decide(strategy.id, decision, author, note)
        typer.echo(f"{decision}: {strategy.id}  {visible(strategy.text)}")


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
    author: AuthorOption,
    note: NoteOption = "",
    check: Annotated[
        bool, typer.Option("--check", help="Only say what would be lost against the live release; release nothing.")
    ] = False,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Freeze what is approved, and make it live.

    A release is named by its content and never changes. Where the live release gave strategies that the new one would
    not give, it warns; no model is asked for that.
    """
    from preceptor.settings.project import Project

    loaded = Project.load(project, overrides or ())
    with loaded.database() as db:
        library, before = loaded.library(db), loaded.library(db).live()
        if loaded.settings.library.approve_by_rule and not check:
            approved = library.approve_accepted(author, "library.approve_by_rule")
            typer.echo(f"{len(approved)} strategies approved by rule, as the settings say.")
        made = None if check else library.release(author, note)
        if before:
            _warn(loaded, db, before, made)
    if made:
        count = len(made.guidance.strategies)
        typer.echo(f"Release {made.hash[:12]} is live: {count} strategies.")
        typer.echo(f"Next: preceptor chat{at(project)}, or preceptor serve{at(project)}")
    elif not before:
        typer.echo("No release is live, so nothing can be lost.")


def _warn(project: "Project", db: "Database", before: "Release", made: "Release | None") -> None:
    """Say what the release that was live gave and the new one (or what is approved now) does not, and what a stored
    evaluation of both found."""
    from preceptor.evaluation.replay import replay
    from preceptor.settings.releases import held_against

    new = made.guidance if made else project.library(db).guidance("approved")
    if new.hash == before.hash:
        typer.echo("Nothing changed since the live release.")
        return
    limit = project.settings.teaching.slot_limit
    found = replay(before.guidance, new, project.embedder(db), limit=limit)
    if not found.poorer:
        typer.echo(f"Nothing is lost in the {found.contexts:,} kept contexts where {before.hash[:12]} gave strategies.")
    else:
        typer.echo(
            f"Warning: in {found.poorer:,} of {found.contexts:,} kept contexts where {before.hash[:12]} gave "
            f"strategies, some are not given any more; in {found.bare:,}, none is.",
            err=True,
        )
        for one in found.lost[:SHOWN]:
            why = "in it, but not found there" if one.held else "not in it"
            typer.echo(f"  {one.contexts:>5,} × {one.strategy.id} ({why}): {one.strategy.text}", err=True)
        if len(found.lost) > SHOWN:
            typer.echo(f"  … and {len(found.lost) - SHOWN:,} more strategies", err=True)
    for sentence in held_against(db, new, before.guidance):
        typer.echo(sentence, err=bool(found.poorer))
    if found.poorer and made:
        typer.echo("`preceptor library rollback` goes back to the release before.", err=True)


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
