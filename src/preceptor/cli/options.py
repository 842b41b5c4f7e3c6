"""Options that several commands share."""

import shlex
from getpass import getuser
from pathlib import Path
from typing import Annotated

import typer

ProjectOption = Annotated[
    Path, typer.Option("--project", metavar="DIR", help="The project's folder: where preceptor.toml is.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Overrule a setting for this command; may be given several times."),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
LimitOption = Annotated[
    int | None, typer.Option(min=0, metavar="CALLS", help="At most so many calls, as budget.calls.")
]
AuthorOption = Annotated[
    str, typer.Option(default_factory=getuser, show_default="your user name", help="Who decides; kept in the trail.")
]
NoteOption = Annotated[str, typer.Option(help="Why; kept in the trail.")]


def at(project: Path) -> str:
    """What goes behind a command that is proposed, so that it works from where its reader is."""
    return "" if project == Path() else f" --project {shlex.quote(str(project))}"


def plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
