"""`preceptor demo`: the main job on a simulated world, from an empty folder to a before/after table."""

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.options import SetOption

if TYPE_CHECKING:
    from preceptor.evaluation.report import Report
    from preceptor.library.model import Guidance
    from preceptor.settings.project import Project
    from preceptor.teaching.teach import Taught

SHOWN = 12
"""Strategies printed: about a screen."""


def demo(
    template: Annotated[str, typer.Option(help="Which simulated desk: broadband or airline.")] = "broadband",
    customers: Annotated[int, typer.Option(min=20, help="Unseen customers of the before/after table.")] = 100,
    folder: Annotated[Path, typer.Option(help="Where to; a number is added when it is there already.")] = Path("demo"),
    overrides: SetOption = None,
) -> None:
    """Show the main job in a few minutes: teach a simulated student, print what was learned and what it is worth.

    No key and no network are needed: every model is simulated, and every figure says so.
    """
    import anyio

    from preceptor.cli.teach import run
    from preceptor.settings import templates
    from preceptor.settings.project import Project
    from preceptor.settings.teaching import TeachingRun

    place = _free(folder)
    templates.write(place, template)
    project = Project.load(place, overrides or ())
    typer.echo(f"A new project in {place}: {project.domain().name}. All its models are simulated.\n")
    with project.database(create=True) as db:
        taught = run(TeachingRun.begin(project, db), project.providers(), json=False)
    _show(taught)
    typer.echo(f"\nServing {customers} unseen customers three times…")
    _table(anyio.run(_measure, project, taught.guidance, customers))
    typer.echo("Nothing reaches a customer before a person has approved it. Next:")
    typer.echo(f"  preceptor library list --project {place}")
    typer.echo(f"  preceptor library approve --accepted --project {place}")
    typer.echo(f"  preceptor library release --project {place}")
    typer.echo(f"  preceptor chat --project {place}")


def _free(folder: Path) -> Path:
    """The folder, or the first of folder-2, folder-3… that is not there: nobody's earlier demo is written over."""
    if not folder.exists():
        return folder
    numbered = (folder.with_name(f"{folder.name}-{n}") for n in count(2))
    return next(place for place in numbered if not place.exists())


def _show(taught: "Taught") -> None:
    from preceptor.cli import tables

    names = {scenario.id: scenario.description for scenario in taught.scenarios}
    best = sorted(taught.accepted, key=lambda strategy: (-strategy.value, strategy.id))
    rows = [(f"{s.value:+.2f}", names.get(s.scenario or "", "Always."), s.text) for s in best[:SHOWN]]
    tables.show(("value", "when", "strategy"), rows, "\nWhat was learned (simulated)")
    learned = (
        f"{len(taught.accepted)} strategies for {len(taught.scenarios)} scenarios; {len(taught.refused)} were refused"
    )
    typer.echo(f"{learned}, because they did not measurably help. It stopped because {taught.reason}.")


async def _measure(project: "Project", guidance: "Guidance", customers: int) -> "Report":
    """The student alone, taught, and its teacher, on customers whose wordings none of them has met."""
    from preceptor.dialogue.agent import Agent
    from preceptor.dialogue.agents import ModelAgent
    from preceptor.dialogue.crowd import Customers
    from preceptor.evaluation.evaluate import evaluate
    from preceptor.judging.judge import Judge
    from preceptor.settings.models import world
    from preceptor.settings.schema import Simulated
    from preceptor.student.student import Student

    domain, providers, models = project.domain(), project.providers(), project.settings.models
    section = models.customer
    assert isinstance(section, Simulated)
    unseen = Simulated(
        kind="simulated", world=section.world, model=world(section.world, project.folder).roles["unseen"]
    )
    student = Student(providers.model(models.student), domain)
    limit = project.settings.teaching.slot_limit
    arms: list[Agent] = [
        student,
        student.using(guidance, project.embedder(), limit=limit),
        ModelAgent(providers.model(models.teacher), domain, name="teacher"),
    ]
    crowd = Customers.draw(domain, providers.model(unseen), customers, seed=project.settings.teaching.seed + 1)
    return await evaluate(arms, crowd, Judge(providers.model(models.judge), domain))


def _table(report: "Report") -> None:
    from preceptor.cli import tables

    alone, taught, teacher = (arm.name for arm in report.arms)
    rows = [(arm.name, report.satisfaction(arm.name), _resolved(report, arm.name), arm.unscored) for arm in report.arms]
    headings = ("", "satisfaction, 1 to 5 [95 %]", "resolved", "unscored")
    tables.show(headings, rows, "\nBefore and after (simulated)")
    difference, gap = report.difference(taught, alone), report.gap_closed(taught, alone, teacher)
    typer.echo(f"With the library against without, paired: {difference} ({difference.verdict}).")
    typer.echo(
        f"Share of the distance to the teacher closed: {gap}. Simulated: it shows the method, not your models.\n"
    )


def _resolved(report: "Report", arm: str) -> str:
    conversations = report.arm(arm).conversations
    return f"{sum(c.ending == 'resolved' for c in conversations) / len(conversations):.0%}"
