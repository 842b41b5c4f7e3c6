"""Tables for people, on a terminal and in a pipe."""

import re
from collections.abc import Iterable, Sequence

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

_NUMBER = re.compile(r"[+-]?[\d,]+(\.\d+)?")
PIPE_WIDTH = 160
"""Columns where there is no terminal to ask: a pipe should not lose words to a guess of 80."""


def console() -> Console:
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=PIPE_WIDTH)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> Table:
    """A table without lines.

    Cells are shown as they are: what looks like markup in a customer's words is none, and what is not seen is named.
    """
    from preceptor.library.disguise import visible

    filled = [["" if cell is None else visible(str(cell)) for cell in row] for row in rows]
    made = Table(
        title=title,
        title_justify="left",
        box=None,
        show_header=any(headings),
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for place, heading in enumerate(headings):
        numbers = filled and all(_NUMBER.fullmatch(row[place]) for row in filled)
        made.add_column(heading, justify="right" if numbers else "left")
    for row in filled:
        made.add_row(*map(Text, row))
    return made


def show(headings: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Print a table, in a pipe without the blanks that fill its lines."""
    out = console()
    made = table(headings, rows, title)
    if out.is_terminal:
        out.print(made)
        return
    with out.capture() as captured:
        out.print(made)
    typer.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def mark(simulated: bool) -> str:
    """What stands beside figures that simulated models made."""
    return " (simulated)" if simulated else ""
