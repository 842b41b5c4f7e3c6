"""`preceptor doctor`: do the settings hold?"""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from preceptor.cli.options import ProjectOption, SetOption, at

if TYPE_CHECKING:
    from preceptor.settings.checkup import Finding
    from preceptor.settings.project import Project


def doctor(project: ProjectOption = Path(), overrides: SetOption = None) -> None:
    """Check settings, keys and models.

    Asks each model a few short questions: does it answer, in a given form, with tool calls, as a stream? Says what
    to do about what is not fine. Exit code 1 when something is wrong.
    """
    import anyio

    from preceptor.cli import tables
    from preceptor.settings.project import Project

    findings = anyio.run(_all, Project.load(project, overrides or ()))
    tables.show(("", "", "", ""), [(_SIGNS[f.state], f.subject, f.what, f.found) for f in findings])
    for finding in findings:
        if finding.advice:
            typer.echo(f"{finding.subject}, {finding.what}: {finding.advice}")
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(1)
    typer.echo(f"Ready. Next: preceptor teach{at(project)}")


_SIGNS = {"fine": "ok", "note": "note", "wrong": "WRONG"}


async def _all(project: "Project") -> "list[Finding]":
    from preceptor.settings.checkup import examine

    return [finding async for finding in examine(project)]
