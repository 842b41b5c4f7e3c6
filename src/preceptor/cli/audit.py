"""`preceptor audit`: who did what to the library, and whether it is still what they left."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from preceptor.cli.options import ProjectOption, SetOption

if TYPE_CHECKING:
    from preceptor.library.trail import Entry, Wanted

app = typer.Typer(help="The library's trail: shown, exported, and held against the library.", no_args_is_help=True)

Format = Literal["csv", "jsonl"]
WhoOption = Annotated[str | None, typer.Option("--who", help="Only what this person, or run, did.")]
WhatOption = Annotated[
    str | None, typer.Option("--what", help="Only decide, edit, defer, comment, store, import, assemble, release, …")
]
SubjectOption = Annotated[
    str | None, typer.Option("--subject", metavar="ID", help="Only what was done to a strategy; or live, release, …")
]
SinceOption = Annotated[str | None, typer.Option("--since", metavar="DATE", help="From this day on (UTC).")]
UntilOption = Annotated[str | None, typer.Option("--until", metavar="DATE", help="Up to this day (UTC), not included.")]


@app.command()
def verify(
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="HASH", help="A head noted elsewhere before: the trail must still hold it."),
    ] = None,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Find what was altered behind the trail's back.

    Every line must follow the one before, every row be one that a line told of, and every strategy, release and the
    live pointer stand where the trail left them. Prints the head: note it where whoever may write to the database
    cannot, and give it with --head next time. Ends with 1 if anything is not as it was.
    """
    from preceptor.cli.library.opened import opened
    from preceptor.library.desk import Desk

    with opened(project, overrides) as (_, library):
        report = Desk(library).verify(head)
    for problem in report.problems:
        typer.echo(f"{problem.where}: {problem.told}", err=True)
    if not report.sound:
        raise typer.Exit(1)
    typer.echo(f"Nothing was altered: {report.entries:,} lines, and all they tell of.")
    if report.head:
        typer.echo(f"Head: {report.head}")


@app.command()
def show(
    who: WhoOption = None,
    what: WhatOption = None,
    subject: SubjectOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option(min=1, metavar="LINES", help="At most so many, the newest.")] = 50,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Show who did what, the newest line last."""
    from preceptor.cli import tables
    from preceptor.cli.library.opened import opened
    from preceptor.library.desk import Desk

    with opened(project, overrides) as (_, library):
        found = Desk(library).trail(_wanted(who, what, subject, since, until), limit=limit)
    rows = [(entry.n, entry.at[:19], entry.who, entry.what, entry.subject, _told(entry)) for entry in reversed(found)]
    tables.show(("", "at (UTC)", "who", "what", "subject", "from → to; why"), rows)
    if not found:
        typer.echo("No such lines.")


@app.command()
def export(
    form: Annotated[
        Format, typer.Option("--format", help="csv (for spreadsheets) or jsonl (with all digests).")
    ] = "csv",
    file: Annotated[Path, typer.Option("--file", metavar="FILE", help="Where to; - for standard output.")] = Path("-"),
    who: WhoOption = None,
    what: WhatOption = None,
    subject: SubjectOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Write the trail to a file, oldest line first.

    In CSV, a cell that a spreadsheet would take for a formula begins with an apostrophe.
    """
    from preceptor.cli.library.opened import opened
    from preceptor.library import trail
    from preceptor.library.desk import Desk

    write = {"csv": trail.to_csv, "jsonl": trail.to_jsonl}[form]
    with opened(project, overrides) as (_, library):
        lines = write(Desk(library).lines(_wanted(who, what, subject, since, until)))
        if str(file) == "-":
            for line in lines:
                typer.echo(line, nl=False)
            return
        with file.open("w", encoding="utf-8", newline="") as out:
            out.writelines(lines)
    typer.echo(f"Wrote {file}")


def _wanted(who: str | None, what: str | None, subject: str | None, since: str | None, until: str | None) -> "Wanted":
    from preceptor.library.trail import Wanted

    return Wanted(who, what, subject, _day(since), _day(until))


def _day(text: str | None) -> str | None:
    from preceptor.errors import UserError

    try:
        return None if text is None else date.fromisoformat(text).isoformat()
    except ValueError:
        raise UserError(f"{text!r} is no date. Write it as 2026-11-21.") from None


def _told(entry: "Entry") -> str:
    """From what to what, in one line."""
    before, after = (" ".join((text or "").split()) for text in (entry.before, entry.after))
    moved = f"{before} → {after}" if before or after else ""
    return "; ".join(filter(None, (moved, entry.note)))
