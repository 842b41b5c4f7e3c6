"""`preceptor init`: a new project."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.options import SetOption

if TYPE_CHECKING:
    from preceptor.settings.drafts import Drafted

WORDY = 4_000
"""Tokens of a policy from which on it is worth a word: it is sent with every call of the agent."""


def init(
    name: Annotated[Path, typer.Argument(help="The folder to make.")],
    template: Annotated[
        str, typer.Option(help="Which example to start from: broadband, airline or parcels (with tools).")
    ] = "broadband",
    from_docs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR", help="Draft domain.yaml from guidelines: Markdown, text or JSON, a file or a folder."
        ),
    ] = None,
    overrides: SetOption = None,
) -> None:
    """Start a project.

    Writes a commented preceptor.toml and domain.yaml that run as they are, on simulated models. Files that are there
    already are never overwritten.

    With --from-docs, domain.yaml is a draft from guidelines for you to correct, with where each line comes from. A
    real teacher drafts it (in the preceptor.toml that is there, or by --set models.teacher=…); without one it is
    put together by headings and lists.
    """
    from preceptor.settings import templates

    if from_docs is not None:
        from preceptor.cli.running import listen
        from preceptor.settings import drafts

        _tell(drafts.begin(name, from_docs, template, overrides or (), listen), name)
        return
    if overrides:
        from preceptor.errors import UserError

        raise UserError("--set goes with --from-docs; settings of a new project stand in its preceptor.toml.")
    for path in templates.write(name, template):
        typer.echo(f"Wrote {path}")
    typer.echo(f"Its models are simulated. Next: preceptor doctor --project {name}")


def _tell(drafted: "Drafted", name: Path) -> None:
    for note in drafted.notes:
        typer.echo(note, err=True)
    made = drafted.domain
    for path in drafted.written:
        typer.echo(f"Wrote {path}")
    typer.echo(
        f"A draft: {len(made.lines):,} statements of policy, {len(made.topics)} topics, {len(made.rules)} rules. "
        "Each says where it comes from; correct it before you teach."
    )
    if (tokens := len(made.policy) // 4) > WORDY:
        typer.echo(f"The policy takes about {tokens:,} tokens in every call of the agent: shorten it to what it needs.")
    typer.echo(f"Next: preceptor doctor --project {name}")
