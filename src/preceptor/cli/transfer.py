"""`preceptor transfer`: is a library worth something to other students, in other domains, and release after release?"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from preceptor.cli.options import LimitOption, ProjectOption, SetOption, YesOption

if TYPE_CHECKING:
    from preceptor.evaluation.attribution import Attribution
    from preceptor.evaluation.report import Report
    from preceptor.evaluation.statistics import Interval
    from preceptor.evaluation.transfer import Carried, Cell, Matrix, Succession
    from preceptor.library.model import Guidance
    from preceptor.settings.attributing import AttributionRun
    from preceptor.settings.evaluation import EvaluationRun
    from preceptor.settings.project import Project
    from preceptor.settings.series import Series
    from preceptor.settings.transfer import Doing, Transferred, Wanted

SHOWN = 12
"""Strategies listed with what they do for each student."""


def transfer(
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Go on with a transfer that was stopped, by its id or the beginning of it."),
    ] = None,
    libraries: Annotated[
        str,
        typer.Option(
            metavar="LIBRARY,…",
            help="Which: live, newest, candidate, the beginning of a release's hash, exported files (.yaml, .jsonl), "
            "or folders of other projects.",
        ),
    ] = "newest",
    students: Annotated[
        str,
        typer.Option(
            metavar="NAME,…",
            help="To whom: names of [transfer.students], or models of a simulated student's world. The project's own "
            "student always comes first.",
        ),
    ] = "",
    domains: Annotated[
        str, typer.Option(metavar="DIR,…", help="Where else: folders of other projects, whose customers are met too.")
    ] = "",
    releases: Annotated[
        bool,
        typer.Option("--releases", help="All releases, oldest first: what each gained, and what the last forgot."),
    ] = False,
    strategies: Annotated[
        int,
        typer.Option(
            min=0, metavar="CONTEXTS", help="Leave each strategy out in so many contexts, to see which carry over."
        ),
    ] = 0,
    customers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="So many customers a column, as evaluation.customers.")
    ] = None,
    yes: YesOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Estimate, and stop there.")] = False,
    limit: LimitOption = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print events, a line of JSON each; the last has the figures.")
    ] = False,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Try libraries on other students and in other domains, each against that student alone on the same customers.

    Every column of the table is an evaluation of its own that `preceptor report` can show. Says first what it will
    take, and asks; can be stopped and resumed.
    """
    from preceptor.cli.running import confirm
    from preceptor.settings.project import Project
    from preceptor.settings.transfer import TransferRun, Wanted, taken

    bounds = [] if limit is None else [f"budget.calls={limit}"]
    bounds += [] if customers is None else [f"evaluation.customers={customers}"]
    loaded = Project.load(project, [*(overrides or ()), *bounds])
    places = [Path(name) for name in _names(domains)]
    wanted = Wanted(_names(libraries), _names(students), places, releases, strategies)
    with loaded.database() as db:
        if resume is None:
            _estimate(loaded, wanted, taken(loaded, db, wanted), quiet=json)
            if dry_run:
                return
            confirm(yes)
        task = TransferRun.resume(loaded, db, resume) if resume else TransferRun.begin(loaded, db, wanted)
        done = task.carry(doing("transfer", json=json, options=overrides or (), limit=limit))
    _tell(loaded, done, task.series, json=json)


def doing(command: str, *, json: bool, options: Sequence[str], limit: int | None) -> "Doing":
    """Do the parts of a series with a display around each; `command` goes on with the whole."""
    from preceptor.cli import evaluate, running
    from preceptor.cli.display import Board
    from preceptor.settings.transfer import Doing

    def serve(task: "EvaluationRun", series: "Series") -> "Report":
        providers = task.project.providers()
        return evaluate.run(
            task, providers, json=json, options=list(options), limit=limit, series=series, command=command
        )

    def leave_out(task: "AttributionRun", series: "Series") -> "Attribution":
        project, title = task.task.project, "Leaving strategies out"
        job = running.Job(project, task.db, task.run.id, command, title, "evaluation", Board(), task.attribute, series)
        return running.run(job, project.providers(), json=json, options=options, limit=limit)

    return Doing(serve, leave_out)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _estimate(project: "Project", wanted: "Wanted", libraries: "dict[str, Guidance]", *, quiet: bool) -> None:
    from preceptor.cli.running import show_estimate
    from preceptor.settings.transfer import columns, effort

    found = columns(project, wanted)
    if quiet:
        return
    size = project.settings.evaluation.customers
    typer.echo(f"{len(libraries)} × {len(found)}: {', '.join(libraries)} for {'; '.join(map(str, found))}.")
    notes = ["Leaving strategies out comes on top; a budget would bind it too."] if wanted.contexts else []
    show_estimate(project, effort(project, wanted, libraries), f"{size:,} customers a column.", *notes)


def _tell(project: "Project", done: "Transferred", series: "Series", *, json: bool) -> None:
    from preceptor.storage.canonical import canonical

    if json:
        body = {"event": "Transfer", "run": series.run.id, "parts": series.parts, **figures(done)}
        typer.echo(canonical(body).decode())
        return
    mark = " (simulated)" if project.simulated else ""
    show(done, mark)
    for name, run in series.parts.items():
        if name.startswith("evaluate "):
            typer.echo(f"{name.removeprefix('evaluate ')}: preceptor report {run}")
    if project.simulated:
        typer.echo("Simulated: these figures show how the method works, and nothing about real models.")


def show(done: "Transferred", mark: str = "") -> None:
    """The matrix, which strategies carry over, and what the last release forgot."""
    from preceptor.cli import tables

    matrix = done.matrix
    typer.echo(f"\nGains in satisfaction{mark}: with the library against that student alone [95 %]")
    rows = [
        (
            str(column),
            str(_alone(matrix, column)),
            *(_gain(matrix.cell(name, column)) for name in matrix.libraries),
        )
        for column in matrix.columns
    ]
    tables.show(("student, domain", "alone", *matrix.libraries), rows)
    for column in done.left_out:
        typer.echo(f"{column}: that domain's world has no such student, so it was left out.")
    typer.echo("")
    for cell in matrix.cells:
        typer.echo(f"{cell.column}: {cell.verdict}")
    if done.carried:
        _show_carried(done.carried)
    if done.succession:
        _show_succession(done.succession)


def _alone(matrix: "Matrix", column: Any) -> "Interval":
    return next(cell.alone for cell in matrix.cells if cell.column == column)


def _gain(cell: "Cell | None") -> str:
    if cell is None:
        return ""
    return f"{cell.gain.value:+.2f} [{cell.gain.low:.2f}, {cell.gain.high:.2f}] {cell.verdict.word}"


def _show_carried(carried: "Sequence[Carried]") -> None:
    from preceptor.cli import tables

    typer.echo("\nStrategies, each left out where it stood: win rate less loss rate of having it")
    rows = [
        (str(one.column), one.library, f"{len(one.judged)} of {len(one.strategies)}", _known(one.effect),
         f"{one.above.value:.0%} [{one.above.low:.0%}, {one.above.high:.0%}] of {one.above.n}" if one.above.n else "",
         one.counted("helps"), one.counted("hurts"))
        for one in carried
    ]  # fmt: skip
    tables.show(("student, domain", "library", "judged", "mean effect", "won more than lost", "helps", "hurts"), rows)
    decided = [one for one in carried[0].strategies if one.verdict == "helps"][:SHOWN]
    if decided and len(carried) > 1:
        others = [c for c in carried[1:] if c.library == carried[0].library]
        tables.show(
            ("what helps the student it was taught for", *(str(one.column) for one in others)),
            [(one.text, *(_verdict(other, one.id) for other in others)) for one in decided],
        )


def _verdict(carried: "Carried", id_: str) -> str:
    return next((one.verdict for one in carried.strategies if one.id == id_), "never stood there")


def _show_succession(found: "Succession") -> None:
    from preceptor.cli import tables

    typer.echo("\nReleases, oldest first, on the same customers: gain for those whom a release is the first to reach")
    rows = [(stage.release, stage.customers, *map(_known, stage.gains)) for stage in found.stages]
    tables.show(("first reached by", "customers", *found.releases), rows)
    typer.echo(f"Forward transfer (the release before a customer's own, against none): {_known(found.forward)}.")
    typer.echo(f"Backward transfer (the last release, against a customer's own): {_known(found.backward)}.")
    typer.echo("For the customers that an earlier release was the first to reach:")
    for verdict in found.forgotten:
        typer.echo(str(verdict))


def _known(found: "Interval") -> str:
    return str(found) if found.n else "nobody to tell by"


def figures(done: "Transferred") -> dict[str, object]:
    """For programs: every figure of `show`."""
    from preceptor.cli.results import parts

    return {
        "cells": [
            {
                "library": cell.library,
                "student": cell.column.student,
                "domain": cell.column.domain,
                "alone": parts(cell.alone),
                "gain": parts(cell.gain),
                "p_holm": cell.verdict.adjusted,
                "verdict": cell.verdict.word,
            }
            for cell in done.matrix.cells
        ],
        "strategies": [
            {
                "library": one.library,
                "student": one.column.student,
                "domain": one.column.domain,
                "judged": len(one.judged),
                "effect": parts(one.effect),
                "won_more": parts(one.above),
                "helps": one.counted("helps"),
                "hurts": one.counted("hurts"),
            }
            for one in done.carried
        ],
        "releases": _stages(done.succession) if done.succession else None,
    }


def _stages(found: "Succession") -> dict[str, object]:
    from preceptor.cli.results import parts

    return {
        "order": list(found.releases),
        "stages": [
            {"release": one.release, "customers": one.customers, "gains": [parts(gain) for gain in one.gains]}
            for one in found.stages
        ],
        "forward": parts(found.forward),
        "backward": parts(found.backward),
        "forgotten": [
            {"against": v.old, "difference": parts(v.difference), "p_holm": v.adjusted, "verdict": v.word}
            for v in found.forgotten
        ],
    }
