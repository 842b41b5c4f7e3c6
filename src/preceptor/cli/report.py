"""`preceptor report`: what an evaluation found, for people, pull requests, programs and CI."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.options import ProjectOption, SetOption

if TYPE_CHECKING:
    from preceptor.evaluation.rendering.bounds import Held
    from preceptor.evaluation.rendering.figures import Figures
    from preceptor.settings.project import Project
    from preceptor.storage.database import Database


class Format(StrEnum):
    html = "html"
    md = "md"
    json = "json"
    csv = "csv"
    junit = "junit"


def report(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]", help="An evaluation's id, or the beginning of it; the newest one when not given."
        ),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="For whom.")] = Format.html,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Where to; - is standard output. Not given: report-RUN.html for html, standard output for the others.",
        ),
    ] = None,
    redact: Annotated[
        bool, typer.Option("--redact", help="Leave out transcripts and all that may quote a customer.")
    ] = False,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MEASURE=VALUE",
            help="Exit with code 1 if the second arm's mean is below; MEASURE.low is the low end of its interval, gain "
            "the difference from the first arm, ARM:MEASURE another arm. May be given several times.",
        ),
    ] = None,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Make a report of an evaluation, from what the run kept; no model is asked."""
    from preceptor.evaluation.rendering.bounds import Bound, check
    from preceptor.settings.project import Project

    bounds = [Bound.parse(text) for text in fail_under or ()]
    found = _figures(Project.load(project, overrides or ()), run)
    held = check(found, bounds)
    if form is Format.html:
        _page(found, out or Path(f"report-{found.provenance.run}.html"), redact=redact)
    else:
        _put(_text(found, form, held, redact=redact), out)
    for one in held:
        typer.echo(one.sentence, err=True)
    if not all(one.ok for one in held):
        raise typer.Exit(1)


def _figures(project: "Project", prefix: str | None) -> "Figures":
    from preceptor.evaluation.rendering import figures
    from preceptor.settings.evaluation import attributed, find, reported
    from preceptor.settings.judges import checks
    from preceptor.settings.provenance import provenance

    with project.database() as db:
        run = find(db, _newest(db) if prefix is None else prefix)
        return figures.compute(reported(db, run), provenance(run, checks(db)), attributed(db, run))


def _newest(db: "Database") -> str:
    from preceptor.errors import NotFound
    from preceptor.settings.evaluation import KIND
    from preceptor.storage.runs import Runs

    for run in Runs(db).list():
        if run.kind == KIND:
            return run.id
    raise NotFound("There is no evaluation yet. `preceptor evaluate` makes one.")


def _page(found: "Figures", out: Path, *, redact: bool) -> None:
    from preceptor.evaluation.rendering import page

    if str(out) == "-":
        typer.echo(page.render(found, redact=redact, pages=False).report, nl=False)
        return
    site = page.render(found, stem=out.stem, redact=redact)
    site.write(out)
    beside = f", and {len(site.sheets)} pages of transcripts in {page.folder_of(out.stem)}" if site.sheets else ""
    typer.echo(f"Written to {out}{beside}. Open {out.absolute().as_uri()}")


def _text(found: "Figures", form: Format, held: Sequence["Held"], *, redact: bool) -> str:
    from preceptor.evaluation.rendering import document, junit, markdown, rows

    match form:
        case Format.md:
            return markdown.render(found, redact=redact)
        case Format.json:
            return document.render(found, redact=redact)
        case Format.csv:
            return rows.render(found, redact=redact)
        case _:
            return junit.render(found, held)


def _put(text: str, out: Path | None) -> None:
    if out is None or str(out) == "-":
        typer.echo(text, nl=False)
    else:
        out.write_text(text, "utf-8")
        typer.echo(f"Written to {out}.")
