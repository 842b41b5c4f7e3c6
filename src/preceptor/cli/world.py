"""`preceptor world`: check a world file."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Simulated worlds: check a world file, or put its models behind the OpenAI protocol.")

WorldArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="A world file, or the name of one that comes with the package.")
]


@app.command()
def check(file: WorldArgument) -> None:
    """Check a world file.

    Looks for references that lead nowhere, situations nobody gets into, and wordings that the world's own reader takes
    for something else. Exit code 1 when there are errors; warnings are fine.
    """
    from preceptor.simulated import check as checking
    from preceptor.simulated.world import World, shipped_names

    shipped = file in shipped_names() and not Path(file).exists()
    report = checking.inspect(World.shipped(file)) if shipped else checking.check(Path(file))
    for line in report.lines():
        typer.echo(line)
    if not report.ok:
        raise typer.Exit(1)
