"""`preceptor serve`: the gateway."""

from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.listening import listening, near, url
from preceptor.cli.options import ProjectOption, SetOption

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Iterator

    import uvicorn
    from starlette.types import ASGIApp

    from preceptor.serving.siblings import Siblings
    from preceptor.settings.project import Project
    from preceptor.settings.schema import Simulated


def serve(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Where to listen; serving.port.")] = None,
    host: Annotated[str | None, typer.Option(help="Which address to listen on; serving.host.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that serve; serving.workers.")] = None,
    unsafe_open: Annotated[
        bool, typer.Option("--unsafe-open", help="Listen beyond this machine without keys: whoever gets there may ask.")
    ] = False,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Put a taught student in front of customers.

    Beyond this machine it listens only once there are keys (`preceptor keys add`), and then asks everyone for one.

    Answers the OpenAI protocol in front of the student's server: each request goes out with the strategies of the live
    release that fit its conversation, and is otherwise left as it is. Ctrl-C ends it.
    """
    from preceptor.settings import threads
    from preceptor.settings.project import Project

    threads.share_heaps()
    loaded = Project.load(project, overrides or ())
    section = loaded.settings.serving
    host, port = host or section.host, section.port if port is None else port
    keyless = unsafe_open or near(host)
    _check_keys(loaded, host, keyless)
    with listening(host, port) as taken:
        _run(loaded, taken, host, keyless, workers or section.workers)


def application(
    stack: ExitStack,
    project: "Project",
    host: str,
    world: str | None,
    keyless: bool,
    siblings: "Siblings | None" = None,
) -> "ASGIApp":
    """The gateway, and the review where it is to carry that; what has to be closed goes on the stack.

    Args:
        host: the address it is listened for on.
        world: the URL of the simulated student, if there is one.
        keyless: everybody is admitted while no key was ever made.
        siblings: the other processes that serve it.
    """
    from preceptor.cli.reviewing import review
    from preceptor.serving.siblings import ALONE
    from preceptor.settings import serving
    from preceptor.web.mounted import Mounted

    gateway = serving.gateway(project, world, keyless=keyless, siblings=siblings or ALONE)
    if not project.settings.serving.review:
        return gateway
    return Mounted(gateway, stack.enter_context(review(project, host)))


def wired(app: "ASGIApp", project: "Project") -> "uvicorn.Config":
    """How uvicorn is to run what `application` made."""
    from preceptor.serving.app import Gateway
    from preceptor.serving.server import config
    from preceptor.settings.serving import patience
    from preceptor.web.mounted import Mounted

    gateway = app.app if isinstance(app, Mounted) else app
    assert isinstance(gateway, Gateway), "that is what it makes"
    return config(app, patience(project), gateway.metrics.refused)


def _run(project: "Project", taken: "socket.socket", host: str, keyless: bool, workers: int) -> None:
    import uvloop

    try:
        uvloop.run(_serve(project, taken, host, keyless, workers))
    except KeyboardInterrupt:
        return


async def _serve(project: "Project", taken: "socket.socket", host: str, keyless: bool, workers: int) -> None:
    import uvicorn

    from preceptor.cli.reviewing import review
    from preceptor.cli.tables import mark
    from preceptor.settings import serving
    from preceptor.web.mounted import PATH

    async with AsyncExitStack() as stack:
        played = serving.simulated(project)
        world = await stack.enter_async_context(_student(project, played)) if played else None
        # What is wrong with the settings is said once, and not by each worker.
        serving.upstreams(project, world)
        if project.settings.serving.review:
            with review(project, host):
                typer.echo(f"The review is at {url(host, taken, PATH)}.")
        there = url(host, taken, "/v1")
        typer.echo(f"The gateway answers at {there}{mark(project.simulated)}. Stop it with Ctrl-C.")
        for line in _told(project, there):
            typer.echo(line)
        if workers == 1:
            app = application(stack.enter_context(ExitStack()), project, host, world, keyless)
            await uvicorn.Server(wired(app, project)).serve([taken])
        else:
            await _together(project, taken, host, world, keyless, workers)


async def _together(
    project: "Project", taken: "socket.socket", host: str, world: str | None, keyless: bool, workers: int
) -> None:
    """Raises: typer.Exit: the workers cannot start."""
    from preceptor.cli.gateway_worker import COMMAND, Letter
    from preceptor.serving.workers import Unstarted, Workers

    with ExitStack() as stack:
        own = [stack.enter_context(listening("127.0.0.1", 0)) for _ in range(workers)]
        urls = tuple(url("127.0.0.1", one, "") for one in own)
        folder, settings = str(project.folder.resolve()), project.settings.model_dump_json()
        letters = [
            Letter(folder, settings, host, world, keyless, number, taken.fileno(), one.fileno(), urls).line()
            for number, one in enumerate(own)
        ]
        try:
            await Workers(COMMAND, letters, [taken, *own], lambda said: typer.echo(said, err=True)).run()
        except Unstarted as fault:
            typer.echo(str(fault), err=True)
            raise typer.Exit(1) from None


def _told(project: "Project", there: str) -> "Iterator[str]":
    """What requests will be given, and how to try it."""
    from preceptor.errors import PreceptorError
    from preceptor.serving.keys import Keys
    from preceptor.settings.serving import Lookout

    name, source, keyed = project.settings.project.library, Lookout(project).source(), False
    try:
        live, keyed = source.live(name), bool(Keys(source.database()).all())
        state = f"is at release {live[:12]}" if live else "has no release yet, so requests go out untaught"
        yield f"The library {name!r} {state}." + ("" if live else " Next: preceptor library release")
    except PreceptorError as fault:
        yield f"The library {name!r} cannot be read, so requests go out untaught: {fault}"
    finally:
        source.close()
    named = (model for upstream in project.settings.serving.upstreams.values() for model in upstream.models)
    model = next(named, project.settings.models.student.model)
    key = ' -H "Authorization: Bearer $KEY"' if keyed else ""
    asked = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    yield f"Try it: curl -i {there}/chat/completions{key} -d '{asked}'"


@asynccontextmanager
async def _student(project: "Project", played: "Simulated") -> "AsyncIterator[str]":
    """A simulated student behind a port of its own; its URL."""
    import asyncio

    import uvicorn

    from preceptor.settings.models import world
    from preceptor.simulated.server import create_app

    with listening("127.0.0.1", 0) as taken:
        app = create_app(world(played.world, project.folder), latency=played.latency)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        serving = asyncio.create_task(server.serve([taken]))
        # Whoever starts last hears Ctrl-C first, and that has to be the gateway.
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        try:
            yield url("127.0.0.1", taken, "/v1")
        finally:
            server.should_exit = True
            await serving


def _check_keys(project: "Project", host: str, keyless: bool) -> None:
    """Raises: UserError: others could reach a gateway that asks nobody for a key."""
    from preceptor.errors import UserError
    from preceptor.settings import serving

    if not keyless and not serving.keyed(project):
        raise UserError(
            f"Listening on {host!r} would let others in, and there are no keys to ask for. "
            "Make one with `preceptor keys add NAME`, listen on 127.0.0.1, or say --unsafe-open."
        )
