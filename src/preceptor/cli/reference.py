"""docs/reference/cli.md, from the commands themselves."""

from collections.abc import Iterator
from typing import Any

import typer

from preceptor.cli.main import app

_HEAD = """# Commands

<!-- Generated from src/preceptor/cli by `make docs`; do not edit. -->

A command ends with exit code 0 when it is done, 1 after a failure (told in one sentence on standard error), 2 when it
was called wrongly, and 130 when it was stopped with Ctrl-C."""


def reference() -> str:
    """The whole page."""
    return "\n\n".join([_HEAD, *_pages(typer.main.get_command(app), None)]) + "\n"


def _pages(command: Any, parent: Any) -> Iterator[str]:
    """The help of a command and of every command below it, as a terminal 100 columns wide shows it."""
    context = command.make_context(command.name, [], parent=parent, resilient_parsing=True, terminal_width=100)
    if parent is not None:
        yield f"## `{context.command_path}`\n\n```text\n{command.get_help(context).rstrip()}\n```"
    for child in getattr(command, "commands", {}).values():
        yield from _pages(child, context)
