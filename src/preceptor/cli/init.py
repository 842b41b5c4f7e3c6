"""`preceptor init`: a new project."""

from pathlib import Path
from typing import Annotated

import typer


def init(
    name: Annotated[Path, typer.Argument(help="The folder to make.")],
    template: Annotated[str, typer.Option(help="Which example to start from: broadband or airline.")] = "broadband",
) -> None:
    """Start a project.

    Writes a commented preceptor.toml and domain.yaml that run as they are, on simulated models. Files that are there
    already are never overwritten.
    """
    from preceptor.settings import templates

    for path in templates.write(name, template):
        typer.echo(f"Wrote {path}")
    typer.echo(f"Its models are simulated. Next: preceptor doctor --project {name}")
