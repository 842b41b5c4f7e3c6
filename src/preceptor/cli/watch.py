"""`preceptor watch`: are customers still those the library was made for? What is new is taught; a person decides."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.options import ProjectOption, SetOption

if TYPE_CHECKING:
    from preceptor.settings.project import Project
    from preceptor.settings.watching import Lesson, Seen, Watch
    from preceptor.storage.database import Database

ALARM = 3
"""Exit code of a single look that found a drift."""


def watch(
    once: Annotated[
        bool, typer.Option("--once", help="One look, one lesson at most, and end: for cron. Exit code 3: an alarm.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option(metavar="DIR|FILE", help="Logs that grow; watch.folder if not given.")
    ] = None,
    no_teach: Annotated[bool, typer.Option("--no-teach", help="Look only.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print each look as a line of JSON.")] = False,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Hold new conversations against the library, and teach what is new.

    Takes what the gateway records, and a folder's logs, without customers' data; says how many moments are far from
    every scenario, and gives an alarm when these become more; and when enough far conversations wait, teaches from
    them, under the budget of a day. What that accepts waits for a decision. Nothing goes live by itself.
    """
    from preceptor.errors import NotFound
    from preceptor.settings.project import Project
    from preceptor.settings.watching import Watch

    if folder is not None and not folder.exists():
        raise NotFound(f"There is no folder or file {str(folder)!r} to watch.")
    loaded = Project.load(project, overrides or ())
    with loaded.database(create=True) as db:
        watcher = Watch(loaded, db)
        with watcher.held():
            while True:
                seen = watcher.look(folder and folder.absolute())
                _tell(seen, loaded.settings.watch.enough, json=json)
                if not no_teach and loaded.settings.watch.calls != 0:
                    _teach(watcher, loaded, db, json=json, once=once, options=overrides or [])
                if once:
                    raise typer.Exit(ALARM if seen.drift is not None and seen.drift.alarm else 0)
                _wait(loaded.settings.watch.every)


def _wait(minutes: float) -> None:
    """Raises: typer.Exit: Ctrl-C."""
    try:
        time.sleep(minutes * 60)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _teach(
    watcher: "Watch", project: "Project", db: "Database", *, json: bool, once: bool, options: "list[str]"
) -> None:
    """Teach what waits, if enough does. A fault of a provider ends a single look only: the next one goes on with it."""
    from preceptor.errors import BudgetExhausted, ProviderError

    lesson = watcher.lesson()
    if lesson is None:
        return
    try:
        _learn(lesson, project, db, json=json, options=options)
    except BudgetExhausted as fault:
        _say(f"Teaching stops for today: {fault} It goes on tomorrow, or with a larger budget ([watch]).", json=json)
    except ProviderError as fault:
        if once:
            raise
        _say(f"Teaching stopped, and is tried again at the next look: {fault}", json=json)


def _learn(lesson: "Lesson", project: "Project", db: "Database", *, json: bool, options: "list[str]") -> None:
    from preceptor.cli import running
    from preceptor.cli.display import Lessons
    from preceptor.storage.runs import Runs

    with lesson.today.held():
        job = running.Job(
            lesson.project, db, lesson.run.run.id, "watch", "Teaching what is new", "watch", Lessons(), lesson.teach,
            lesson.today, resumes=True,
        )  # fmt: skip
        taught = running.run(job, project.providers(), json=json, options=options)
        Runs(db).finish(lesson.today.run.id, "done")
    _say(
        f"Taught: {len(taught.scenarios)} scenarios, {len(taught.accepted)} strategies accepted in all, "
        f"{len(taught.refused)} refused. Next: decide what of it customers may meet, with preceptor review",
        json=json,
    )


def _say(sentence: str, *, json: bool) -> None:
    typer.echo(sentence, err=json)


def _tell(seen: "Seen", enough: int, *, json: bool) -> None:
    from dataclasses import asdict
    from datetime import UTC, datetime

    import orjson

    at = datetime.now(UTC).isoformat(timespec="seconds")
    if json:
        drift = asdict(seen.drift) | {"rise": seen.drift.rise} if seen.drift else None
        told = asdict(seen) | {"at": at, "drift": drift, "imported": sum(one.added for one in seen.imported)}
        typer.echo(orjson.dumps(told).decode())
        return
    rejected = sum(one.rejected for one in seen.imported)
    skipped = f" {rejected:,} rows could not be read (rejected/ tells which)." if rejected else ""
    new = sum(one.added for one in seen.imported)
    typer.echo(f"{at}: {new:,} conversations are new.{skipped}")
    for note in seen.notes:
        typer.echo(f"  {note}", err=True)
    if not seen.against:
        typer.echo("  There is no scenario yet to hold them against: preceptor teach")
        return
    if seen.contexts:
        typer.echo(
            f"  {seen.conversations:,} held against {seen.against}: {seen.far:,} of {seen.contexts:,} moments "
            f"({seen.far / seen.contexts:.0%}) are far from every scenario."
        )
    needed = f"; {enough:,} are enough for a lesson (watch.enough)" if 0 < seen.waiting < enough else ""
    typer.echo(f"  {seen.waiting:,} conversations wait to be taught from{needed}.")
    typer.echo(f"  {_drift(seen)}")


def _drift(seen: "Seen") -> str:
    drift = seen.drift
    if drift is None:
        return "Drift: too few conversations so far to tell."
    told = (
        f"{drift.now:.0%} far in the newest {drift.conversations}, {drift.first:.0%} at first "
        f"({drift.rise:+.0%}, at least {drift.low:+.0%})."
    )
    if drift.alarm:
        return f"ALARM, drift: {told} Customers come with what the library does not know."
    return f"Drift: none to speak of. {told}"
