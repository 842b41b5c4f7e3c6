"""`preceptor logs discover`: what customers come with, and how they write."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.options import LimitOption, ProjectOption, SetOption, at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from rich.progress import Progress

    from preceptor.logs.discovery import Discovery
    from preceptor.settings.proposals import Written


def discover(
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="[SOURCE]…", help="Sources of `preceptor logs`; all if not given.")
    ] = None,
    fewest: Annotated[int, typer.Option(min=1, help="No fewer subjects than this, if the logs allow it.")] = 1,
    most: Annotated[int | None, typer.Option(min=1, help="No more subjects than this.")] = None,
    seed: Annotated[int, typer.Option(help="Draws the sample that subjects are found in.")] = 0,
    write: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write topics and personas to a domain file; beside it, if there is one."),
    ] = None,
    name_with: Annotated[
        str,
        typer.Option(metavar="words|teacher", help="What names the subjects: customers' own words, or the teacher."),
    ] = "words",
    limit: LimitOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Find what customers come with in imported conversations, and how they write.

    Proposes topics and personas for domain.yaml, with how many conversations each stands for, so that simulated
    customers come as the real ones do. Nothing that is there is changed.
    """
    from preceptor.cli.running import listen
    from preceptor.errors import UserError
    from preceptor.logs.grouping import Bounds
    from preceptor.settings.discovering import look, name_subjects
    from preceptor.settings.project import Project
    from preceptor.settings.proposals import write as put

    if most is not None and most < fewest:
        raise UserError(f"--most {most} is less than --fewest {fewest}.")
    if name_with not in ("words", "teacher"):
        raise UserError(f"--name-with must be 'words' or 'teacher', not {name_with!r}.")
    bounds = [] if limit is None else [f"budget.calls={limit}"]
    loaded = Project.load(project, [*(overrides or ()), *bounds])
    with loaded.database() as db:
        with _progress() as bar:

            def tell(read: int, of: int) -> None:
                bar.update(bar.task_ids[0], completed=read, total=of, said=f"{read:,} of {of:,} conversations")

            found = look(loaded, db, sources or (), bounds=Bounds(fewest, most), seed=seed, tell=tell)
        if name_with == "teacher":
            found, notes = name_subjects(loaded, db, found, listen)
            for note in notes:
                typer.echo(note, err=True)
    written = put(found, write) if write is not None else None
    if json:
        _json(found, written)
        return
    _show(found)
    _next(written, at(project))


def _progress() -> "AbstractContextManager[Progress]":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    errors = Console(stderr=True)
    told = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"))
    bar = Progress(*told, console=errors, transient=True, disable=not errors.is_terminal)
    bar.add_task("reading", total=None, said="")
    return bar


def _json(found: "Discovery", written: "Written | None") -> None:
    from dataclasses import asdict

    import orjson

    topics = [topic.model_dump() for topic in found.topics()]
    personas = [persona.model_dump() for persona in found.personas()]
    told = {name: value for name, value in asdict(found).items() if name != "manners"}
    told |= {"topics": topics, "personas": personas, "written": str(written.path) if written else None}
    typer.echo(orjson.dumps(told).decode())


def _show(found: "Discovery") -> None:
    from preceptor.cli import tables

    for line in _about(found):
        typer.echo(line)
    rows = [
        (one.name, f"{one.conversations:,}", f"{one.share:.1%}", one.examples[0] if one.examples else "")
        for one in found.subjects
    ]
    tables.show(("what they come with", "conversations", "share", "such as"), rows, "\nTopics")
    everyone = max(1, sum(one.conversations for one in found.manners))
    kinds = [
        (one.id, f"{one.conversations:,}", f"{one.conversations / everyone:.1%}", one.description)
        for one in found.manners
    ]
    tables.show(("how they write", "conversations", "share", ""), kinds, "\nPersonas")


def _about(found: "Discovery") -> "Iterator[str]":
    from preceptor.logs.discovery import SAMPLE

    subjects = f"{len(found.subjects)} subjects" if len(found.subjects) != 1 else "1 subject"
    yield f"{found.conversations:,} conversations, {subjects}."
    if found.sampled < found.conversations - found.silent:
        yield (
            f"Found in {found.sampled:,} of them, no two of which say the same (of more than {SAMPLE:,} so many are "
            "drawn at random); the others were placed by likeness."
        )
    if found.silent:
        yield f"In {found.silent:,} no customer says anything."
    if found.unclear:
        yield f"{found.unclear:,} are like none of the subjects."
    if len(found.subjects) == 1:
        yield (
            "No groups stand out: in words these conversations are too much alike, or too little. --fewest N splits "
            "them all the same."
        )
        return
    yield f"With a fifth left out they come out the same to {found.stable:.2f} (adjusted Rand index; 1 is the same)."


def _next(written: "Written | None", where: str) -> None:
    if written is None:
        typer.echo(
            f"\nNext: preceptor logs discover --write domain.yaml{where} (beside it, if there is one), or --name-with "
            "teacher for better names"
        )
        return
    if not written.diff:
        typer.echo(f"\nWrote {written.path}: the topics and personas of a domain file. Correct them.")
        return
    typer.echo(f"\n{written.diff}")
    typer.echo(f"Wrote {written.path}, with the lines above; the file that was there is unchanged. Correct it, then")
    typer.echo("put it in the other's place: `preceptor teach` draws its customers by these weights.")
