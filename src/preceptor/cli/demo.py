"""`preceptor demo`: the main job on a simulated world, from an empty folder to a before/after table."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from preceptor.cli.options import SetOption

if TYPE_CHECKING:
    from preceptor.evaluation.report import Report
    from preceptor.settings.project import Project
    from preceptor.storage.database import Database
    from preceptor.teaching.teach import Taught

Kind = Literal["simulated", "local"]
"""What the student is: one of the world's, or SmolLM2 on this machine (`cli.local`)."""
REAL: dict[Kind, str] = {"simulated": "simulated", "local": "real student, all others simulated"}
TAUGHT = "student with library"
SHOWN = 12
"""Strategies printed: about a screen."""


def demo(
    template: Annotated[
        str, typer.Option(help="Which simulated desk: broadband, airline or parcels (with tools).")
    ] = "broadband",
    customers: Annotated[int, typer.Option(min=20, help="Unseen customers of the before/after table.")] = 100,
    folder: Annotated[Path, typer.Option(help="Where to; a number is added when it is there already.")] = Path("demo"),
    student: Annotated[
        Kind, typer.Option(help="The world's student, or SmolLM2 on this machine (extra `local`; takes half an hour).")
    ] = "simulated",
    overrides: SetOption = None,
) -> None:
    """Show the main job in a few minutes: teach a simulated student, print what was learned and what it is worth.

    No key and no network are needed: every model is simulated, and every figure says so. With `--student local` the
    student is a real and very weak one, so expect it to learn little.
    """
    from preceptor.cli import local
    from preceptor.settings import templates

    cast: AbstractContextManager[templates.Sections] = local.student() if student == "local" else nullcontext({})
    with cast as sections:
        place = free(folder)
        templates.write(place, template, sections, local.TOPICS if sections else None)
        _run(place, overrides or (), customers, student)
    if sections:
        typer.echo(f"The student's server has ended; before you chat, start it again:\n  {local.again(sections)}")


def _run(place: Path, overrides: Sequence[str], customers: int, student: Kind) -> None:
    """Teach, measure, and say what to do next."""
    from preceptor.cli.teach import run
    from preceptor.settings.project import Project
    from preceptor.settings.teaching import TeachingRun

    project = Project.load(place, overrides)
    typer.echo(f"A new project in {place}: {project.domain().name} ({REAL[student]}).\n")
    with project.database(create=True) as db:
        taught = run(TeachingRun.begin(project, db), project.providers(), json=False, options=overrides)
        _show(taught, REAL[student])
        if not taught.accepted:
            typer.echo("With no strategies there is nothing to compare.")
            return
        typer.echo(f"\nServing {customers} unseen customers, each by every arm…")
        report, run_id = _measure(project, db, customers)
        _table(report, REAL[student], project.settings.project.currency)
    typer.echo("Nothing reaches a customer before a person has approved it. Next:")
    typer.echo(f"  preceptor report {run_id} --project {place}")
    typer.echo(f"  preceptor review --project {place}")
    typer.echo(f"  preceptor library list --project {place}")
    typer.echo(f"  preceptor library approve --accepted --project {place}")
    typer.echo(f"  preceptor library release --project {place}")
    typer.echo(f"  preceptor chat --project {place}")
    typer.echo(f"  preceptor serve --project {place}")


def free(folder: Path) -> Path:
    """The folder, or the first of folder-2, folder-3… that is not there: nobody's earlier demo is written over."""
    if not folder.exists():
        return folder
    numbered = (folder.with_name(f"{folder.name}-{n}") for n in count(2))
    return next(place for place in numbered if not place.exists())


def _show(taught: "Taught", mark: str) -> None:
    from preceptor.cli import tables

    names = {scenario.id: scenario.description for scenario in taught.scenarios}
    best = sorted(taught.accepted, key=lambda strategy: (-strategy.value, strategy.id))
    rows = [(f"{s.value:+.2f}", names.get(s.scenario or "", "Always."), s.text) for s in best[:SHOWN]]
    if rows:
        tables.show(("value", "when", "strategy"), rows, f"\nWhat was learned ({mark})")
    learned = (
        f"{len(taught.accepted)} strategies for {len(taught.scenarios)} scenarios; {len(taught.refused)} were refused"
    )
    typer.echo(f"{learned}, because they did not measurably help. It stopped because {taught.reason}.")


def _measure(project: "Project", db: "Database", customers: int) -> "tuple[Report, str]":
    """The student alone, taught, and its teacher, on customers whose wordings none of them has met; and the run."""
    from preceptor.cli.evaluate import run
    from preceptor.settings.evaluation import EvaluationRun
    from preceptor.settings.schema import ArmSection, EvaluationSection, LibraryArm, StudentArm, TeacherArm

    arms: dict[str, ArmSection] = {
        "student": StudentArm(kind="student"),
        TAUGHT: LibraryArm(kind="library", release="candidate"),
        "teacher": TeacherArm(kind="teacher"),
    }
    section = EvaluationSection(customers=customers, duels=0, arms=arms)
    settings = project.settings.model_copy(update={"evaluation": section})
    task = EvaluationRun.begin(replace(project, settings=settings), db)
    return run(task, project.providers(), json=False), task.run.id


def _table(report: "Report", mark: str, currency: str) -> None:
    from preceptor.cli.results import show_report
    from preceptor.evaluation.measures import PASSED, RESOLVED, SATISFACTION

    shown = [measure for measure in (SATISFACTION, PASSED, RESOLVED) if measure in report.measured]
    show_report(report, currency, mark, title="Before and after", measures=shown)
    typer.echo(f"Share of the distance to the teacher closed: {report.gap_closed(TAUGHT, 'student', 'teacher')}.")
    typer.echo(f"It shows the method, not your models: {mark}.\n")
