"""`preceptor evaluate`: is the student better, by how much, at what cost?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.options import LimitOption, ProjectOption, SetOption, YesOption, at

if TYPE_CHECKING:
    from preceptor.dialogue.outlay import Role, Share
    from preceptor.evaluation.attribution import Attribution
    from preceptor.evaluation.report import Report
    from preceptor.settings.evaluation import EvaluationRun
    from preceptor.settings.models import Providers
    from preceptor.settings.project import Project
    from preceptor.settings.series import Series

SIZES = (20, 60, 100, 300, 1000)
"""Numbers of customers for which it is said what can be seen, beside the number planned."""
SPREAD = 1.0
"""How differences between two arms vary from customer to customer, on the scale of 1 to 5, until a run has shown it."""


def evaluate(
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Go on with a run that was stopped, by its id or the beginning of it."),
    ] = None,
    arms: Annotated[
        str | None,
        typer.Option(metavar="NAME,…", help="Only these arms, in this order: of the settings, or kinds by their name."),
    ] = None,
    customers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="So many customers, as evaluation.customers.")
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="So many conversations of each customer with each arm, as evaluation.trials."
        ),
    ] = None,
    attribute: Annotated[
        bool,
        typer.Option(
            "--attribute",
            help="After the arms, measure what each strategy does by leaving it out, in as many contexts as "
            "evaluation.attribution says.",
        ),
    ] = False,
    yes: YesOption = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take and could show, and stop there.")
    ] = False,
    limit: LimitOption = None,
    live: Annotated[
        bool,
        typer.Option("--live", help="Ask no model: say what the gateway's trials in production have shown so far."),
    ] = False,
    since: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="With --live: only conversations that began at or after, such as 2026-11-21."
        ),
    ] = "",
    json: Annotated[
        bool, typer.Option("--json", help="Print events, a line of JSON each; the last has the figures.")
    ] = False,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Let several arms serve the same customers, judge them, and say which is better.

    Says first what it will take and what so many customers can show, and asks. Ctrl-C once finishes what is in flight,
    saves, and says how to go on; twice ends at once, and what was finished is still there.
    """
    from preceptor.cli.live import show as show_live
    from preceptor.cli.running import confirm
    from preceptor.settings.evaluation import EvaluationRun, attributed, with_arms, with_attribution, with_null
    from preceptor.settings.project import Project

    bounds = [] if limit is None else [f"budget.calls={limit}"]
    bounds += [] if customers is None else [f"evaluation.customers={customers}"]
    bounds += [] if trials is None else [f"evaluation.trials={trials}"]
    loaded = Project.load(project, [*(overrides or ()), *bounds])
    if live:
        show_live(loaded, since, json=json)
        return
    if attribute:
        loaded = with_attribution(loaded)
    if arms is not None:
        loaded = with_arms(loaded, [name.strip() for name in arms.split(",") if name.strip()])
    loaded = with_null(loaded)
    if resume is None:
        if not json:
            _plan(loaded)
        if dry_run:
            return
        confirm(yes)
    providers = loaded.providers()
    with loaded.database(create=True) as db:
        task = EvaluationRun.resume(loaded, db, resume) if resume else EvaluationRun.begin(loaded, db)
        report = run(task, providers, json=json, options=overrides or (), limit=limit)
        found = attributed(db, task.run)
    _tell(report, found, task, json=json)


def run(
    task: "EvaluationRun",
    providers: "Providers",
    *,
    json: bool,
    options: "list[str] | tuple[str, ...]" = (),
    limit: int | None = None,
    series: "Series | None" = None,
    command: str = "evaluate",
) -> "Report":
    """Do an evaluation run with a display around it. Options and exceptions as for `running.run`.

    `series`: what it is a part of, which `command` goes on with.
    """
    from preceptor.cli import running
    from preceptor.cli.display import Arms

    job = running.Job(
        task.cast, task.db, task.run.id, command, "Evaluating", "evaluation", Arms(), task.evaluate, series
    )
    return running.run(job, providers, json=json, options=options, limit=limit)


def _plan(project: "Project") -> None:
    from preceptor.cli.running import show_estimate
    from preceptor.evaluation.estimate import FIRING
    from preceptor.settings.evaluation import attributed_arm, with_customers

    section = project.settings.evaluation
    listed = ", ".join(f"{name} ({arm.kind})" if name != arm.kind else name for name, arm in section.arms.items())
    typer.echo(f"{section.customers:,} customers, each served by {len(section.arms)} arms: {listed}.")
    notes = []
    if section.attribution:
        notes.append(
            f"In it, each strategy of arm {attributed_arm(section)!r} is left out in {section.attribution} contexts at "
            f"most, if it stands in {FIRING:.0%} of the turns."
        )
    show_estimate(with_customers(project, section), _outlay(project), *notes)
    if len(section.arms) > 1:
        _power(project)


def _outlay(project: "Project") -> "dict[Role, Share]":
    from preceptor.settings.evaluation import outlay

    if not project.settings.evaluation.attribution:
        return outlay(project)
    with project.database() as db:
        return outlay(project, db)


def _power(project: "Project") -> None:
    from preceptor.cli import tables
    from preceptor.errors import NotFound
    from preceptor.evaluation import power
    from preceptor.settings.evaluation import spread

    planned = project.settings.evaluation.customers
    try:
        with project.database() as db:
            seen = spread(db)
    except NotFound:
        seen = None
    known = f"{seen:.2f}, as in the newest run" if seen else f"{SPREAD:.2f}, which is assumed; a run will tell"
    rows = power.table(seen or SPREAD, sorted({*SIZES, planned}))
    typer.echo(f"What so many can show (4 times in 5, if differences vary by {known}):")
    tables.show(
        ("customers", "difference in satisfaction"),
        [
            (f"{row.customers:,}", f"{row.detectable:.2f}{' ← planned' if row.customers == planned else ''}")
            for row in rows
        ],
    )
    typer.echo(str(next(row for row in rows if row.customers == planned)))


def _tell(report: "Report", found: "Attribution | None", task: "EvaluationRun", *, json: bool) -> None:
    from dataclasses import asdict

    from preceptor.cli.results import figures, show_attribution, show_report
    from preceptor.storage.canonical import canonical

    if json:
        told = {"event": "Report", "run": task.run.id, **figures(report)}
        typer.echo(canonical(told | ({"attribution": asdict(found)} if found else {})).decode())
        return
    project = task.project
    show_report(report, project.settings.project.currency, "simulated" if project.simulated else "")
    if found:
        show_attribution(found)
    if project.simulated:
        typer.echo("Simulated: these figures show how the method works, and nothing about real models.")
    typer.echo(f"Next: preceptor report {task.run.id}{at(project.folder)}")
