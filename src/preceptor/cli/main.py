"""The `preceptor` command: its sub-commands, and how failures end.

Exit codes: 0 done, 1 a failure told in one sentence, 2 wrong usage, 130 stopped by Ctrl-C.
"""

import errno
import inspect
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from preceptor.cli import (
    accounts,
    audit,
    backup,
    cases,
    chat,
    demo,
    doctor,
    evaluate,
    experiment,
    export,
    init,
    judge,
    keys,
    library,
    logs,
    report,
    review,
    runs,
    serve,
    teach,
    tools,
    transfer,
    watch,
    worker,
    world,
)
from preceptor.errors import PreceptorError
from preceptor.settings import threads

FULL = "Free some space, or name another place, then give the same command again; what was saved is safe."
app = typer.Typer(
    name="preceptor",
    help="A large model coaches a small one, without touching weights.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(demo.demo)
app.command()(init.init)
app.command()(doctor.doctor)
app.command()(teach.teach)
app.command()(worker.worker)
app.command()(evaluate.evaluate)
app.command()(report.report)
app.command()(transfer.transfer)
app.add_typer(judge.app, name="judge")
app.add_typer(experiment.app, name="experiment")
app.add_typer(runs.app, name="runs")
app.add_typer(logs.app, name="logs")
app.add_typer(tools.app, name="tools")
app.command()(watch.watch)
app.add_typer(library.app, name="library")
app.add_typer(audit.app, name="audit")
app.add_typer(cases.app, name="cases")
app.command()(review.review)
app.add_typer(accounts.app, name="accounts")
app.command()(chat.chat)
app.command()(serve.serve)
app.add_typer(keys.app, name="keys")
app.command()(export.export)
app.command()(backup.backup)
app.command()(backup.restore)
app.add_typer(world.app, name="world")


def _in_full(listed: typer.Typer) -> None:
    """Lists of commands show each one's first paragraph, not as much of it as a line holds."""
    for command in listed.registered_commands:
        command.short_help = " ".join((inspect.getdoc(command.callback) or "").partition("\n\n")[0].split())
    for group in listed.registered_groups:
        assert group.typer_instance is not None
        group.short_help = group.typer_instance.info.help
        _in_full(group.typer_instance)


_in_full(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"preceptor {version('preceptor')}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version and stop.")
    ] = False,
) -> None:
    """A large model coaches a small one, without touching weights."""


def main() -> None:
    """The console script."""
    threads.take_one()
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. Failures are told on standard error, never as a traceback."""
    try:
        app(list(arguments), prog_name="preceptor")
    except PreceptorError as fault:
        return _fail(str(fault), *getattr(fault, "__notes__", ()))
    except OSError as fault:
        where = f" ({fault.filename})" if fault.filename else ""
        onward = [FULL] if fault.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else []
        return _fail(f"The system refused: {fault.strerror or fault}{where}.", *onward)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def _fail(sentence: str, *notes: str) -> int:
    """`notes`: what to do now, a line each."""
    for line in (f"preceptor: {sentence}", *notes):
        typer.echo(line, err=True)
    return 1
