"""`preceptor library export` and `import`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from preceptor.cli.options import AuthorOption, NoteOption, ProjectOption, SetOption

Format = Literal["yaml", "jsonl", "markdown"]

_SHOWN = 20
"""Flagged strategies told one by one; with more, the rest is for `preceptor library lint`."""
_BY_SUFFIX: dict[str, Format] = {".yaml": "yaml", ".yml": "yaml", ".jsonl": "jsonl", ".md": "markdown"}


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; - for standard output.")],
    form: Annotated[
        Format | None,
        typer.Option(
            "--format", help="yaml (for git; reads back), jsonl (for machines; reads back), markdown (for people)."
        ),
    ] = None,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Write the library to a file. The format follows from the file's name when not given."""
    from preceptor.cli.library.opened import opened
    from preceptor.library import exchange
    from preceptor.library.report import to_markdown

    write = {"yaml": exchange.to_yaml, "jsonl": exchange.to_jsonl, "markdown": to_markdown}
    with opened(project, overrides) as (_, library):
        text = write[form or _BY_SUFFIX.get(file.suffix, "yaml")](library.snapshot())
    if str(file) == "-":
        typer.echo(text, nl=False)
        return
    file.write_text(text, "utf-8")
    typer.echo(f"Wrote {file}")


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An exported library: YAML or JSON lines.")],
    author: AuthorOption,
    note: NoteOption = "",
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Take an exported library in.

    All of it or nothing, and no harm if it is here already.

    Decisions made here stay. What differs becomes the next version, undecided, and so does what the file calls approved
    where lint flags it.
    """
    from preceptor.cli import tables
    from preceptor.cli.library.opened import opened
    from preceptor.library import exchange
    from preceptor.library.snapshot import screened

    snapshot, flagged = screened(exchange.load(file))
    with opened(project, overrides, create=True) as (_, library):
        typer.echo(str(library.merge(snapshot, author, note)))
        undecided = {strategy.id for strategy in library.strategies(decision="pending")}
    waiting = [strategy for strategy in flagged if strategy.id in undecided]
    if waiting:
        typer.echo(f"Look at {len(waiting)} of them before you approve any (`preceptor library show ID`):")
        tables.show(("", "look at", "strategy"), [(s.id, ", ".join(s.flags), s.text) for s in waiting[:_SHOWN]])
        if len(waiting) > _SHOWN:
            typer.echo(f"… and {len(waiting) - _SHOWN} more: preceptor library lint")
