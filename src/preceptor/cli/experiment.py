"""`preceptor experiment`: the paper's questions, from teaching to a report, in one command."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.options import LimitOption, SetOption, YesOption

if TYPE_CHECKING:
    from preceptor.evaluation.report import Report
    from preceptor.experiments.coaching import Coaching, Doing, Found
    from preceptor.settings.evaluation import EvaluationRun
    from preceptor.settings.project import Project
    from preceptor.settings.series import Series
    from preceptor.settings.teaching import TeachingRun
    from preceptor.settings.transfer import Wanted

app = typer.Typer(help="Whole experiments: a plan written down first, then everything it needs, then one report.")
COMMAND = "experiment coaching"
QUICK = {"customers": 100, "iterations": 2, "unseen": 100, "others": 60}
WHOLE = {"customers": 250, "iterations": 5, "unseen": 300, "others": 150}
"""Sizes; the whole is what `make bench-evaluation` uses."""
ELSEWHERE = "elsewhere"
"""Folder of the other domain's project within the experiment's."""


@app.callback()
def _group() -> None:
    """Whole experiments: a plan written down first, then everything it needs, then one report."""


@app.command()
def coaching(
    project: Annotated[
        Path | None,
        typer.Option(
            "--project", metavar="DIR", help="A project with its models; not given: one is made, on a simulated world."
        ),
    ] = None,
    world: Annotated[str, typer.Option(help="Without a project: which simulated desk to learn on.")] = "broadband",
    folder: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Without a project: where to make one; a number is added if it is there."),
    ] = Path("experiment"),
    students: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help="Other students, as for `preceptor transfer`; on a simulated world its others by default.",
        ),
    ] = None,
    domains: Annotated[
        str | None,
        typer.Option(
            metavar="DIR,…", help="Projects of other domains; without a project of one's own, the other simulated desk."
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A smaller form, in minutes.")] = False,
    customers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Customers taught with, per iteration: 250, quick 100.")
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Iterations of teaching at most: 5, quick 2.")
    ] = None,
    unseen: Annotated[
        int | None, typer.Option(min=2, metavar="N", help="Customers whom all arms serve: 300, quick 100.")
    ] = None,
    others: Annotated[
        int | None, typer.Option(min=2, metavar="N", help="Customers of each transfer: 150, quick 60.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of teaching and of the evaluations.")] = 0,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Go on with an experiment that was stopped; takes its --project."),
    ] = None,
    yes: YesOption = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is asked and what it takes; stop there.")
    ] = False,
    limit: LimitOption = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print events, a line of JSON each; the last is the report.")
    ] = False,
    overrides: SetOption = None,
) -> None:
    """Teach, let every arm serve, carry the library elsewhere, take the loop apart, and answer in one report.

    Asks whether teaching strategies beats showing responses, strategies in context beat global ones, the library
    carries over to other students and domains, policy is kept, at what cost, and what annealing, retry rounds, the
    gate and abstention are worth. The plan is written down first, and its hash stands in the report.
    """
    from preceptor.cli.demo import free
    from preceptor.cli.running import confirm
    from preceptor.errors import UserError
    from preceptor.experiments.coaching import Coaching

    if resume is not None:
        if project is None:
            raise UserError("Say with --project in which folder the experiment is.")
        with (loaded := _load(project, overrides, limit)).database() as db:
            _carry(Coaching.resume(loaded, db, resume), json=json, options=overrides or (), limit=limit)
        return
    given = {"customers": customers, "iterations": iterations, "unseen": unseen, "others": others}
    sizes = {**(QUICK if quick else WHOLE), **{name: size for name, size in given.items() if size is not None}}
    options = [*_settings(sizes, seed), *(overrides or ())]
    with tempfile.TemporaryDirectory() as draft:
        tried = project or _made(Path(draft) / "draft", world)
        loaded = _load(tried, options, limit)
        wanted = _wanted(loaded, students, domains, made=project is None)
        if not json:
            _plan(loaded, wanted, sizes["others"])
    if dry_run:
        return
    confirm(yes)
    place = project or _made(free(folder), world)
    loaded = _load(place, options, limit)
    wanted = _wanted(loaded, students, domains, made=project is None)
    with loaded.database(create=True) as db:
        task = Coaching.begin(loaded, db, wanted, sizes["others"])
        _carry(task, json=json, options=overrides or (), limit=limit)


def _load(folder: Path, options: Sequence[str] | None, limit: int | None) -> "Project":
    from preceptor.settings.project import Project

    return Project.load(folder, [*(options or ()), *([] if limit is None else [f"budget.calls={limit}"])])


def _settings(sizes: dict[str, int], seed: int) -> list[str]:
    return [
        f"teaching.customers={sizes['customers']}",
        f"teaching.iterations={sizes['iterations']}",
        f"teaching.seed={seed}",
        f"evaluation.customers={sizes['unseen']}",
        f"evaluation.seed={seed}",
    ]


def _made(place: Path, world: str) -> Path:
    """A project on a simulated world, and beside it one of the other world."""
    from preceptor.settings import templates

    templates.write(place, world)
    for other in templates.names():
        if other != world:
            templates.write(place / ELSEWHERE / other, other)
    return place


def _wanted(project: "Project", students: str | None, domains: str | None, *, made: bool) -> "Wanted":
    from preceptor.settings.transfer import Wanted

    elsewhere = project.folder / ELSEWHERE
    places = sorted(elsewhere.iterdir()) if made and domains is None else [Path(name) for name in _names(domains)]
    named = _others(project) if students is None else _names(students)
    return Wanted((), named, places)


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _others(project: "Project") -> list[str]:
    """The students of the settings; on a simulated world without any, its other students."""
    from preceptor.settings.models import world
    from preceptor.settings.schema import Simulated

    named = list(project.settings.transfer.students)
    own = project.settings.models.student
    if named or not isinstance(own, Simulated):
        return named
    loaded = world(own.world, project.folder)
    known = (name for name, profile in loaded.models.items() if profile.kind == "agent" and name.startswith("student"))
    return [name for name in known if name != own.model]


def _plan(project: "Project", wanted: "Wanted", others: int) -> None:
    from preceptor.cli.running import show_estimate
    from preceptor.experiments.coaching import effort
    from preceptor.experiments.plan import Plan

    plan = Plan.of(project, wanted, others)
    typer.echo(f"{plan.title}{' (simulated)' if project.simulated else ''}. It asks:")
    for question in plan.questions:
        typer.echo(f"  {question.text}")
    typer.echo(f"Carried to: {'; '.join(map(str, plan.columns)) or 'nobody else'}.")
    typer.echo(f"{plan.unseen:,} customers served by every arm, {plan.others:,} in each transfer.")
    show_estimate(project, effort(project, wanted, others))


def _carry(task: "Coaching", *, json: bool, options: Sequence[str], limit: int | None) -> None:
    out = task.project.folder / f"experiment-{task.series.run.id}"
    _register(task, out)
    if not json:
        typer.echo(f"The plan is in {out / 'plan.json'}; its hash is {task.plan.hash}.")
    found = task.carry(_doing(json=json, options=options, limit=limit))
    _write(task, found, out, json=json)


def _register(task: "Coaching", out: Path) -> None:
    """Write the plan down, or see that it is still what was written down.

    Raises:
        Conflict: somebody has changed it.
    """
    from preceptor.errors import Conflict
    from preceptor.storage.canonical import canonical

    path, text = out / "plan.json", canonical({"hash": task.plan.hash, **task.plan.plain()}).decode() + "\n"
    out.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Whole or not at all: half a plan would be taken for a changed one.
        part = path.with_suffix(".part")
        part.write_text(text, "utf-8")
        part.replace(path)
    elif path.read_text("utf-8") != text:
        raise Conflict(f"{path} is not the plan this experiment was begun with. Put it back, or begin another.")


def _doing(*, json: bool, options: Sequence[str], limit: int | None) -> "Doing":
    from preceptor.cli import evaluate, teach
    from preceptor.experiments.coaching import Doing

    def learn(lessons: "TeachingRun", series: "Series") -> object:
        return teach.run(
            lessons, lessons.project.providers(), json=json, options=options, limit=limit, series=series,
            command=COMMAND,
        )  # fmt: skip

    def serve(run: "EvaluationRun", series: "Series") -> "Report":
        return evaluate.run(
            run, run.project.providers(), json=json, options=list(options), limit=limit, series=series,
            command=COMMAND,
        )  # fmt: skip

    return Doing(learn, serve)


def _write(task: "Coaching", found: "Found", out: Path, *, json: bool) -> None:
    """The report in its forms, and the figures on screen."""
    from preceptor.evaluation.rendering import figures, page
    from preceptor.experiments import report
    from preceptor.experiments.coaching import ARMS
    from preceptor.settings.judges import checks
    from preceptor.settings.provenance import provenance
    from preceptor.storage.runs import Runs

    simulated, currency = task.project.simulated, task.project.settings.project.currency
    text = report.markdown(found, simulated=simulated, currency=currency)
    body = report.document(found, simulated=simulated)
    (out / "report.md").write_text(text, "utf-8")
    (out / "report.json").write_text(body, "utf-8")
    run = Runs(task.series.db).get(found.parts[ARMS])
    page.render(figures.compute(found.arms, provenance(run, checks(task.series.db))), stem="arms").write(
        out / "arms.html"
    )
    if json:
        import orjson

        typer.echo(orjson.dumps({"event": "Experiment", **orjson.loads(body)}).decode())
        return
    _tell(found, simulated=simulated)
    typer.echo(f"Written to {out}: report.md, report.json, arms.html (all arms, with transcripts), plan.json.")


def _tell(found: "Found", *, simulated: bool) -> None:
    from preceptor.experiments import report

    typer.echo(f"\nAnswers{' (simulated)' if simulated else ''}, by the plan {found.plan.hash[:12]}")
    for answer in found.answers:
        typer.echo(f"\n{answer.question.text} {answer.word.capitalize()}.")
        rows = zip(answer.question.comparisons, answer.verdicts, answer.words, strict=True)
        for comparison, verdict, word in rows:
            where = f"{comparison.where}: " if comparison.where else ""
            typer.echo(f"  {where}{report.sentence(verdict, word)}")
        if answer.note:
            typer.echo(f"  {answer.note}")
    typer.echo("")
