"""`preceptor tools`: what stands behind the domain's tools, and trying one by hand."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.options import ProjectOption, SetOption

if TYPE_CHECKING:
    from preceptor.settings.project import Project

app = typer.Typer(help="What stands behind the domain's tools; try one by hand.", no_args_is_help=True)


@app.command("list")
def list_(
    schemas: Annotated[
        bool, typer.Option("--schemas", help="Print each tool's schema, as models are shown it.")
    ] = False,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """List the tools as models are offered them, and say what stands behind them.

    Functions are imported, an MCP server is started or called. Read what a server says of its tools before you teach
    with it: it stands in every prompt.
    """
    import orjson

    from preceptor.cli import tables
    from preceptor.settings.project import Project
    from preceptor.settings.tools import stands

    loaded = Project.load(project, overrides or ())
    domain = loaded.equipped()
    if schemas:
        for spec in domain.tools:
            typer.echo(orjson.dumps(spec.model_dump(), option=orjson.OPT_INDENT_2).decode())
        return
    if not domain.tools:
        typer.echo(
            f"{domain.name} has no tools. Name them in the domain's file, or say what stands behind them in [tools]."
        )
        return
    rows = [(spec.name, ", ".join(_parameters(spec.parameters)), spec.description) for spec in domain.tools]
    tables.show(("tool", "arguments (* needed)", "what it is for"), rows)
    typer.echo(f"Behind them: {stands(loaded.settings, loaded.folder)}")


def _parameters(schema: dict[str, object]) -> list[str]:
    properties, required = schema.get("properties"), schema.get("required")
    needed = required if isinstance(required, list) else []
    return [f"{name}*" if name in needed else name for name in (properties if isinstance(properties, dict) else {})]


@app.command()
def call(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The tool.")],
    arguments: Annotated[str, typer.Argument(metavar="JSON", help="Its arguments, a JSON object.")] = "{}",
    topic: Annotated[
        str | None, typer.Option(help="Whose customer calls, for tools that have records of their own.")
    ] = None,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Call a tool once, as an agent would, and print what the agent would be told.

    What it changes is changed: a booking is booked. Exit code 1 when it fails.
    """
    import anyio

    from preceptor.settings.project import Project

    told, why = anyio.run(_called, Project.load(project, overrides or ()), name, arguments, topic)
    typer.echo(told)
    if why:
        typer.echo(f"preceptor: It failed: {why}.", err=True)
        raise typer.Exit(1)


def _refused(told: str) -> bool:
    """Whether a simulated world's tool, which counts no failures, did what was asked."""
    import orjson

    try:
        found = orjson.loads(told)
    except orjson.JSONDecodeError:
        return False
    return isinstance(found, dict) and found.keys() == {"error"}


async def _called(project: "Project", name: str, arguments: str, topic: str | None) -> tuple[str, str]:
    """What the agent is told, and if it failed, why."""
    from preceptor.dialogue.customers import visitor
    from preceptor.dialogue.tools.toolbox import Toolbox
    from preceptor.dialogue.tools.use import WORDS
    from preceptor.llm.messages import ToolCall

    domain = project.equipped()
    async with project.environment(domain) as environment, environment.open(visitor(domain, topic)) as session:
        told = await session.call(ToolCall("by-hand", name, arguments))
    if not isinstance(environment, Toolbox):
        return told, "the tool said no" if _refused(told) else ""
    if not environment.use.failed:
        return told, ""
    ((tool, why),) = environment.use.failed
    about = environment.use.about.get((tool, why))
    return told, f"{WORDS[why]}{f', {about}' if about else ''}"
