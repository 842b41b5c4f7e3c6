"""`preceptor worker`: take part in the runs of a database, from this machine or another."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from preceptor.cli.options import ProjectOption, SetOption

if TYPE_CHECKING:
    from preceptor.settings.worker import Worker


def worker(project: ProjectOption = Path(), overrides: SetOption = None) -> None:
    """Take part in teaching runs that were begun with --workers, on this machine or another.

    Takes customers and scenarios of whichever run of the project's PostgreSQL database is open. Needs the same
    preceptor.toml as who leads the run. Ctrl-C once finishes what is in flight and gives back the rest; twice ends at
    once, and others take over what was being done.
    """
    import asyncio

    from preceptor.settings.project import Project
    from preceptor.settings.teaching import crew_of
    from preceptor.settings.worker import Worker

    loaded = Project.load(project, overrides or ())
    with loaded.database(create=True) as db:
        asyncio.run(_work(Worker(loaded, db, crew_of, lambda told: typer.echo(told, err=True))))


async def _work(worker: "Worker") -> None:
    import asyncio
    import signal

    task, heard = asyncio.current_task(), 0
    assert task is not None

    def hear() -> None:
        nonlocal heard
        heard += 1
        if heard == 1:
            typer.echo("Finishing what is in flight; once more ends at once.", err=True)
            worker.leave()
        else:
            task.cancel()

    for one in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(one, hear)
    try:
        await worker.work()
    except asyncio.CancelledError:
        raise typer.Exit(130) from None
