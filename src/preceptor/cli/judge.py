"""`preceptor judge`: what the judge itself is worth."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.options import LimitOption, ProjectOption, SetOption, YesOption

if TYPE_CHECKING:
    from preceptor.evaluation.judges import Agreement, Held, Places, Row
    from preceptor.evaluation.statistics import Interval
    from preceptor.logs.rated import Ratings
    from preceptor.settings.judges import Check, JudgeRun, Material
    from preceptor.settings.project import Project

app = typer.Typer(help="What the judge itself is worth.", no_args_is_help=True, rich_markup_mode=None)
MATERIAL = 0.1
"""Partial correlation with length below which a lean is not worth a sentence: Cohen's least effect."""


@app.callback()
def _group() -> None:
    """What the judge itself is worth."""


@app.command()
def check(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="Conversations that people rated: our own JSONL, STC-3 or STAR; docs/judges.md shows them."
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Go on with a run that was stopped, by its id or the beginning of it."),
    ] = None,
    conversations: Annotated[
        int, typer.Option(min=2, metavar="N", help="At most so many of the file, drawn by the seed.")
    ] = 300,
    pairs: Annotated[
        int, typer.Option(min=0, metavar="N", help="Pairs of replies to compare in both orders, at most.")
    ] = 100,
    seed: Annotated[int, typer.Option(help="Draws conversations, pairs and resamples.")] = 0,
    yes: YesOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take, and stop there.")] = False,
    limit: LimitOption = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print events, a line of JSON each; the last has the figures.")
    ] = False,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Hold the project's judge against people: how well it goes along with them, beside what one person does and what
    counting words does, and whether length or the order of replies sways it. Reports of evaluations by this judge name
    the figures."""
    from preceptor.cli.running import confirm
    from preceptor.errors import UserError
    from preceptor.logs.rated import read
    from preceptor.settings.judges import JudgeRun, Material, Sample
    from preceptor.settings.project import Project

    if (file is None) == (resume is None):
        raise UserError("Give either a FILE with conversations that people rated, or --resume RUN.")
    bounds = [] if limit is None else [f"budget.calls={limit}"]
    loaded = Project.load(project, [*(overrides or ()), *bounds])
    material = Material(read(file), Sample(conversations, pairs, seed)) if file else None
    if material:
        if not json:
            _plan(loaded, material)
        if dry_run:
            return
        confirm(yes)
    with loaded.database(create=True) as db:
        if file and material:
            task = JudgeRun.begin(loaded, db, file, material)
        else:
            task = JudgeRun.resume(loaded, db, resume or "")
        found = _run(task, json=json, options=overrides or (), limit=limit)
    _tell(found, task, json=json)


def _run(task: "JudgeRun", *, json: bool, options: "list[str] | tuple[str, ...]", limit: int | None) -> "Check":
    from preceptor.cli import running
    from preceptor.cli.display import Board

    title = f"Checking the judge on {task.material.ratings.name}"
    job = running.Job(task.project, task.db, task.run.id, "judge check", title, "judge", Board(), task.check)
    return running.run(job, task.project.providers(), json=json, options=options, limit=limit)


def _plan(project: "Project", material: "Material") -> None:
    from preceptor.cli.running import show_estimate
    from preceptor.settings.judges import outlay

    ratings = material.ratings
    asked = ", ".join(f"{one.name} ({one.title})" for one in ratings.questions)
    typer.echo(
        f"{len(material.rated):,} of {len(ratings.rated):,} rated conversations of {ratings.name}, and "
        f"{len(material.pairs):,} pairs of replies in both orders. What people were asked: {asked}."
    )
    for line in _left_out(ratings):
        typer.echo(line)
    show_estimate(project, outlay(project, material))


def _left_out(ratings: "Ratings") -> Iterator[str]:
    if ratings.skipped_rows:
        reasons = {skipped.reason: skipped.line for skipped in reversed(ratings.skipped)}
        yield f"Rows left out: {ratings.skipped_rows:,}. Such as:"
        yield from (f"  {line}: {reason}" for reason, line in list(reasons.items())[-3:])


def _tell(found: "Check", task: "JudgeRun", *, json: bool) -> None:
    from dataclasses import asdict

    from preceptor.storage.canonical import canonical

    if json:
        typer.echo(canonical({"event": "Check", "run": task.run.id, **asdict(found)}).decode())
        return
    project = task.project
    for held in found.held:
        show(held, simulated=_simulated(project))
        for line in sentences(held):
            typer.echo(line)
    for line in _about_places(found.places):
        typer.echo(line)
    for line in _warnings(project):
        typer.echo(line)


def _simulated(project: "Project") -> bool:
    from preceptor.settings.schema import Simulated

    return isinstance(project.settings.models.judge, Simulated)


def _warnings(project: "Project") -> Iterator[str]:
    from preceptor.judging.family import kin

    models = project.settings.models
    if _simulated(project):
        yield (
            "Simulated: this judge knows the sentences of its own world and does not understand others. Its row shows "
            "that the command works, and nothing about a judge."
        )
    elif warning := kin(models.judge.model, models.teacher.model):
        yield f"Mind: {warning}"


def show(held: "Held", *, simulated: bool = False) -> None:
    """A table: judges, then what one person does."""
    from preceptor.cli import tables

    headings = ("", "Spearman", "less one person's", "exactly", "within 1", "kappa", "leans to length", "unscored")
    rows = [
        (row.name + ("" if place else tables.mark(simulated)), *_cells(row), row.unscored or "")
        for place, row in enumerate(held.rows)
    ]
    if held.person:
        rows.append(("one person", _short(held.person), "", *_agreed(held.agreement), "", ""))
    kept = [place for place, heading in enumerate(headings) if any(row[place] for row in rows) or not heading]
    people = f"{held.raters} people" if held.raters > 1 else "one person each"
    title = f"{held.question.title.capitalize()} ({held.question.name}): {held.conversations:,} conversations, {people}"
    tables.show([headings[n] for n in kept], [[row[n] for n in kept] for row in rows], f"\n{title} [95 %]")


def _cells(row: "Row") -> tuple[str, ...]:
    compared = _short(row.against_person, sign=True)
    return (_short(row.spearman), compared, *_agreed(row.agreement), _short(row.length, sign=True))


def _agreed(found: "Agreement | None") -> tuple[str, ...]:
    return (
        (_share(found.exact), _share(found.near), f"{round(found.kappa.value, 2) + 0.0:.2f}") if found else ("", "", "")
    )


def sentences(held: "Held") -> Iterator[str]:
    """What the table says of the judge, its first row, in plain words."""
    from preceptor.evaluation.judges import word

    row = held.rows[0]
    if row.unscored:
        yield f"Unscored: {row.unscored:,} of {held.conversations:,} conversations."
        yield from (f"  {count} × {reason}" for reason, count in row.reasons.items())
    if row.spearman is None:
        yield f"{row.name} says the same of every conversation, or nothing: it cannot tell good ones from bad ones."
        return
    level = f"Spearman {_short(row.spearman)} with what people say on average"
    if row.against_person and held.person:
        said = {
            "about as well": "agrees with people about as well as one person does",
            "better": "agrees with people better than one person does",
            "worse": "agrees with people less well than one person does",
            "not decided": "may agree with people as well as one person does, or not: too few conversations to decide",
        }[word(row.against_person)]
        beside = f"one person with the mean of the others {_short(held.person)}, the difference"
        yield f"{row.name} {said}: {level}; {beside} {_short(row.against_person, sign=True)}."
    else:
        yield f"{row.name}: {level}; with one rating each, nobody knows how well a person would do."
    if row.against_words:
        said = {
            "better": "It does better than counting words",
            "worse": "It does worse than counting words",
            "about as well": "It does no better than counting words",
            "not decided": "Whether it does better than counting words is not decided",
        }[word(row.against_words)]
        yield f"{said}: by {_short(row.against_words, sign=True)}."
    if row.length and (row.length.low > 0 or row.length.high < 0) and abs(row.length.value) >= MATERIAL:
        more, lean = "more" if row.length.value > 0 else "less", _short(row.length, sign=True)
        yield f"It favours agents that say {more}, among conversations people like as much: {lean}."


def _about_places(places: "Places") -> Iterator[str]:
    if places.unscored:
        yield f"Pairs of replies unscored: {places.unscored:,} of {places.pairs:,}."
    if places.changed and places.first:
        lean = places.first
        leans = "it leans to the first" if lean.low > 0 else "it leans to the second" if lean.high < 0 else ""
        leans = leans or "whether it leans to a place is not decided"
        yield (
            f"Order: of {places.changed.n:,} pairs of replies its verdict changed with their places in "
            f"{_share(places.changed)}; {leans} ({_short(lean, sign=True)} of -1 to 1)."
        )


def _short(found: "Interval | None", *, sign: bool = False) -> str:
    if found is None:
        return ""
    form = "+.2f" if sign else ".2f"
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        return f"{found.value:{form}}"
    return f"{found.value:{form}} [{found.low:{form}}, {found.high:{form}}]"


def _share(found: "Interval | None") -> str:
    return f"{found.value:.0%} [{found.low:.0%}, {found.high:.0%}]" if found else ""
