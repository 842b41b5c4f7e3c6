"""`preceptor evaluate --live`: what teaching does in production."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from preceptor.settings.live import Finding, Live
    from preceptor.settings.project import Project


def show(project: "Project", since: str = "", *, json: bool = False) -> None:
    """Say what the gateway's trials have shown so far.

    Raises:
        NotFound: there is no database yet.
    """
    from preceptor.cli import tables
    from preceptor.settings.live import live

    with project.database() as db:
        found = live(db, project.settings.project.library, since)
    if json:
        _print(found)
        return
    if not found.arms:
        typer.echo("No trial was on. Next: serving.holdout = 0.1 in preceptor.toml, then preceptor serve")
        return
    arms = [(arm, tally.conversations, tally.told) for arm, tally in found.arms.items()]
    tables.show(("arm", "conversations", "told of"), arms, f"Conversations{tables.mark(project.simulated)}")
    if not found.findings:
        typer.echo("Nothing was told of both arms yet. Applications do with POST /v1/feedback.")
        return
    headings = ("", "measure", "means", "conversations", "difference [95 %, at any time]", "")
    tables.show(headings, map(_row, found.findings))


def _row(finding: "Finding") -> tuple[object, ...]:
    effect = finding.effect
    means, counts = (
        " and ".join(texts) for texts in ((f"{mean:.2f}" for mean in effect.means), map(str, effect.counts))
    )
    held = f"{finding.arm} against {finding.against}"
    return (held, finding.measure, means, counts, str(effect.difference), finding.verdict)


def _print(found: "Live") -> None:
    from preceptor.storage.canonical import canonical

    rows = [{**vars(finding), "verdict": finding.verdict} for finding in found.findings]
    typer.echo(canonical({"arms": found.arms, "findings": rows}).decode())
