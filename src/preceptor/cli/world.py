"""`preceptor world`: check a world file, or serve its models."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

if TYPE_CHECKING:
    from preceptor.simulated.faults import Faults

app = typer.Typer(help="Simulated worlds: check a world file, or put its models behind the OpenAI protocol.")

WorldArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="A world file, or the name of one that comes with the package.")
]


@app.command()
def check(file: WorldArgument) -> None:
    """Check a world file.

    Looks for references that lead nowhere, situations nobody gets into, and wordings that the world's own reader takes
    for something else. Exit code 1 when there are errors; warnings are fine.
    """
    from preceptor.simulated import check as checking
    from preceptor.simulated.world import World, shipped_names

    shipped = file in shipped_names() and not Path(file).exists()
    report = checking.inspect(World.shipped(file)) if shipped else checking.check(Path(file))
    for line in report.lines():
        typer.echo(line)
    if not report.ok:
        raise typer.Exit(1)


@app.command()
def serve(
    file: WorldArgument,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8700,
    host: Annotated[str, typer.Option(help="Which of this machine's addresses to listen on.")] = "127.0.0.1",
    latency: Annotated[float, typer.Option(min=0, help="Seconds before each answer.")] = 0.0,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND=CHANCE", help="Go wrong: rate_limit, server_error, stall, cut or broken_json."),
    ] = None,
) -> None:
    """Put a world's models behind the OpenAI protocol, until Ctrl-C."""
    import anyio

    from preceptor.settings.models import world
    from preceptor.simulated.server import create_app, serve

    loaded = world(file, Path())
    made = create_app(loaded, faults(fault or ()), latency)
    _check_free(host, port)
    typer.echo(f"World {loaded.name!r} (simulated) answers at http://{host}:{port}/v1")
    typer.echo(f"Its models: {', '.join(loaded.models)}. Stop it with Ctrl-C.")
    anyio.run(serve, made, host, port)


def faults(given: Sequence[str]) -> "Faults":
    """Chances of faults from ``kind=chance``.

    Raises:
        UserError: no such kind, or no chance.
    """
    from preceptor.errors import UserError
    from preceptor.simulated.faults import Faults, Kind

    chances: dict[str, Any] = {}
    for text in given:
        name, _, value = text.partition("=")
        kind = next((kind for kind in get_args(Kind) if kind == name), None)
        if kind is None or not re.fullmatch(r"0?\.\d+|[01](\.0*)?", value):
            kinds = ", ".join(get_args(Kind))
            raise UserError(f"--fault {text!r}: expected KIND=CHANCE, with a chance from 0 to 1 and one of: {kinds}.")
        chances[kind] = float(value)
    return replace(Faults(), **chances)


def _check_free(host: str, port: int) -> None:
    """Before the server starts, because its own message is a log line."""
    import socket

    from preceptor.errors import UserError

    try:
        with socket.create_server((host, port)):
            return
    except OSError as fault:
        raise UserError(f"Cannot listen on {host}:{port}: {fault.strerror}. Try another --port.") from None
