"""Options that several commands share."""

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
