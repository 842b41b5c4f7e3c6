"""`preceptor review`: the pages on which people decide."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.options import ProjectOption, SetOption

if TYPE_CHECKING:
    import socket

    from starlette.types import ASGIApp


def review(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Where to listen; review.port.")] = None,
    host: Annotated[str | None, typer.Option(help="Which address to listen on; review.host.")] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="NAME",
            help="Who you are, for the trail; nobody signs in then. Your user name where there are no accounts.",
        ),
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open it in the browser.")] = True,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Read, correct and sign what the student is told, in the browser.

    On this machine nobody signs in as long as there are no accounts (`preceptor accounts add`). Beyond it everybody
    does. Ctrl-C ends it.
    """
    from preceptor.cli import reviewing
    from preceptor.cli.listening import listening, url
    from preceptor.cli.tables import mark
    from preceptor.settings.project import Project

    loaded = Project.load(project, overrides or ())
    section = loaded.settings.review
    host, port = host or section.host, section.port if port is None else port
    with reviewing.review(loaded, host, name) as app, listening(host, port) as taken:
        address = url(host, taken)
        typer.echo(f"The review is at {address}{mark(loaded.simulated)}. Stop it with Ctrl-C.")
        if browser and sys.stdout.isatty():
            typer.launch(address)
        _serve(app, taken)


def _serve(app: "ASGIApp", taken: "socket.socket") -> None:
    import asyncio

    import uvicorn

    from preceptor.serving.server import config

    settings = config(app)
    settings.lifespan = "off"
    # Live pages are streams without an end; nobody waits for them.
    settings.timeout_graceful_shutdown = 1
    try:
        asyncio.run(uvicorn.Server(settings).serve([taken]))
    except KeyboardInterrupt:
        return
