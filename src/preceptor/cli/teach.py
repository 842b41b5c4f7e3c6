"""`preceptor teach`: let the teacher teach."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.options import LimitOption, ProjectOption, SetOption, YesOption, at

if TYPE_CHECKING:
    from preceptor.settings.lead import Lead
    from preceptor.settings.models import Providers
    from preceptor.settings.project import Project
    from preceptor.settings.series import Series
    from preceptor.settings.teaching import TeachingRun
    from preceptor.teaching.teach import Taught


def teach(
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Go on with a run that was stopped, by its id or the beginning of it."),
    ] = None,
    logs: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|SOURCE",
            help="Conversations to learn from beside simulated ones: a file, a source of `preceptor logs`, or "
            "`imported` for all of them; teaching.logs if not given.",
        ),
    ] = None,
    yes: YesOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Estimate, and stop there.")] = False,
    limit: LimitOption = None,
    workers: Annotated[
        bool,
        typer.Option(
            "--workers", help="Let every `preceptor worker` at the same database take part (docs/workers.md)."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print events, a line of JSON each.")] = False,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Let the teacher teach the student, within the budget.

    Says first what it will take, and asks. Ctrl-C once finishes what is in flight, saves, and says how to go on; twice
    ends at once, and what was finished is still there.
    """
    from preceptor.cli.running import confirm
    from preceptor.settings.project import Project
    from preceptor.settings.teaching import TeachingRun

    bounds = [] if limit is None else [f"budget.calls={limit}"]
    loaded = Project.load(project, [*(overrides or ()), *bounds])
    if resume is None:
        _estimate(loaded, logs, quiet=json)
        if dry_run:
            return
        confirm(yes)
    providers = loaded.providers()  # before there is a run, so that a wrong name or a missing key leaves none behind
    with loaded.database(create=True) as db:
        lessons = TeachingRun.resume(loaded, db, resume) if resume else TeachingRun.begin(loaded, db, logs)
        lead = _lead(lessons) if workers else None
        taught = run(lessons, providers, json=json, options=overrides or (), limit=limit, lead=lead)
    if not json:
        _tell(taught, lessons.run.id, at(project))


def run(
    lessons: "TeachingRun",
    providers: "Providers",
    *,
    json: bool,
    options: Sequence[str] = (),
    limit: int | None = None,
    series: "Series | None" = None,
    command: str = "teach",
    lead: "Lead | None" = None,
) -> "Taught":
    """Do a teaching run with a display around it. Options and exceptions as for `running.run`.

    `series`: what it is a part of, which `command` goes on with. `lead`: lets workers take part.
    """
    from functools import partial

    from preceptor.cli import running
    from preceptor.cli.display import Lessons

    work = partial(lessons.teach, lead=lead)
    job = running.Job(
        lessons.project, lessons.db, lessons.run.id, command, "Teaching", "teaching", Lessons(), work, series, lead
    )
    return running.run(job, providers, json=json, options=options, limit=limit)


def _lead(lessons: "TeachingRun") -> "Lead":
    from preceptor.settings.lead import Lead

    return Lead(lessons.project, lessons.db, lessons.run.id, lambda told: typer.echo(told, err=True))


def _estimate(project: "Project", logs: list[str] | None, *, quiet: bool) -> None:
    from contextlib import nullcontext

    from preceptor.cli.running import show_estimate
    from preceptor.settings.teaching import logged, named
    from preceptor.teaching.attempts import pair_up
    from preceptor.teaching.estimate import estimate
    from preceptor.teaching.moments import draw_logged, occasions

    settings, faults = project.settings.teaching, list[str]()
    wanted = settings.logs if logs is None else logs
    # An estimate leaves nothing behind, so the database is opened only for what must be in it.
    with nullcontext() if all(Path(log).exists() for log in wanted) else project.database(create=True) as db:
        drawn = draw_logged(logged(named(wanted, db), faults.append, db), settings.logged_conversations, settings.seed)
    moments = sum(1 for conversation in drawn for _ in occasions(conversation))
    pairs = pair_up(drawn, settings.contrasts)
    shares = estimate(project.domain(), settings, moments, len(pairs))
    if quiet:
        return
    for fault in faults:
        typer.echo(fault, err=True)
    notes = [f"Logs: {len(drawn):,} conversations, {moments:,} answers to compare."] if wanted else []
    if pairs:
        tasks = len({pair.failed.task for pair in pairs})
        notes.append(
            f"Of {tasks} tasks they hold attempts that failed and ones that did not: {len(pairs)} pairs to compare."
        )
    show_estimate(project, shares, *notes)


def _tell(taught: "Taught", run: str, where: str) -> None:
    """`where`: what goes behind a command."""
    typer.echo(
        f"Done: {taught.reason}. {len(taught.scenarios)} scenarios, {len(taught.accepted)} strategies accepted, "
        f"{len(taught.refused)} refused. Library {taught.guidance.hash[:12]}."
    )
    if taught.accepted:
        typer.echo(
            f"Next: preceptor review{where}; or preceptor library list{where}, then preceptor library approve "
            f"--accepted{where} (or ID…), then preceptor library release{where}"
        )
    else:
        typer.echo("Nothing was accepted, so there is nothing to decide.")
        typer.echo(f"What happened: preceptor runs show {run}{where}")
