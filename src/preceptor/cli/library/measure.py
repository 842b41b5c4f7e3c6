"""`preceptor library measure`: one strategy through the gate again, or a wording tried."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from preceptor.cli.options import LimitOption, ProjectOption, SetOption, YesOption

if TYPE_CHECKING:
    from preceptor.cli.display import View
    from preceptor.cli.running import Job
    from preceptor.settings.measuring import MeasuringRun
    from preceptor.settings.team import Team
    from preceptor.teaching.acceptance import Trial
    from preceptor.teaching.trying import Compared

T = TypeVar("T")


def measure(
    id_: Annotated[
        str | None, typer.Argument(metavar="ID", help="A strategy's id, or the beginning of it.", show_default=False)
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="Try this wording on a few contexts and show the replies; nothing is kept.")
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Go on with a run that was stopped, by its id or the beginning of it."),
    ] = None,
    yes: YesOption = False,
    limit: LimitOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print events, a line of JSON each.")] = False,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Measure a strategy again, as after an edit, or try a wording of it.

    What the gate says becomes its evidence; a decision on it stays while the verdict does. With --text the student
    answers the turn it came from and ten others, without it and with it.
    """
    from preceptor.cli import running
    from preceptor.errors import UserError
    from preceptor.settings.measuring import Kept, MeasuringRun, estimate
    from preceptor.settings.project import Project

    if (id_ is None) == (resume is None):
        raise UserError("Say which strategy to measure, or which run to --resume. `preceptor library list` shows ids.")
    bounds = [] if limit is None else [f"budget.calls={limit}"]
    loaded = Project.load(project, [*(overrides or ()), *bounds])
    providers = loaded.providers()
    with loaded.database() as db:
        if id_ is None:
            task = MeasuringRun.resume(loaded, db, resume or "")
        else:
            kept = Kept.plan(loaded, db, id_, text)
            if not json:
                running.show_estimate(loaded, estimate(kept))
            running.confirm(yes)
            task = MeasuringRun.begin(loaded, db, kept)
        begin = partial(running.run, providers=providers, json=json, options=overrides or (), limit=limit)
        if task.kept.trying:
            told = _shown(begin(_job(task, "Trying", task.try_out)))
        else:
            told = _said(begin(_job(task, "Measuring", task.measure)))
    if not json:
        told()


def _job(task: "MeasuringRun", title: str, work: "Callable[[Team, View], Awaitable[T]]") -> "Job[T]":
    from preceptor.cli.display import Board
    from preceptor.cli.running import Job

    return Job(task.project, task.db, task.run.id, "library measure", title, "teaching", Board(), work)


def _shown(compared: "Sequence[Compared]") -> Callable[[], None]:
    from preceptor.cli import tables

    words = {1: "better", -1: "worse", 0: "neither", None: "not measured"}
    rows = [(one.context.turns[-1].text, one.before, one.after, words[one.score]) for one in compared]
    return partial(tables.show, ("the customer's last words", "without it", "with it", "with it"), rows)


def _said(trial: "Trial") -> Callable[[], None]:
    effect = trial.effect
    measured = f" {effect.mean:+.2f} [{effect.low:+.2f}, {effect.high:+.2f}], n = {effect.n}." if effect else ""
    return partial(typer.echo, f"{trial.verdict.capitalize()}. {trial.reason}{measured}")
