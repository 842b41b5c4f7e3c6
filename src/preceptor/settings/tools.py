"""From the settings' section to what stands behind a domain's tools."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import anyio

from preceptor.dialogue.domain import Domain, ToolSpec
from preceptor.dialogue.environment import Environment, NoTools
from preceptor.dialogue.tools.backend import Backend
from preceptor.dialogue.tools.record import Record
from preceptor.dialogue.tools.toolbox import Bounds, Toolbox
from preceptor.dialogue.world import WorldTools
from preceptor.errors import SettingsError
from preceptor.settings.models import world
from preceptor.settings.schema import Settings, Simulated, ToolsSection

# Each kind is loaded where it is used: MCP's package takes a second to import.
if TYPE_CHECKING:
    from preceptor.dialogue.tools.mcp import McpTools
    from preceptor.dialogue.tools.sandbox.sandbox import Sandbox


def equipped(domain: Domain, section: ToolsSection, folder: Path) -> Domain:
    """The domain with what its file does not say of its tools: all that stand behind it where it names none, and of
    those it only names, what they are for. With a sandbox's tasks, customers come with these.

    Raises:
        NotFound, SettingsError, UserError
    """
    if section.kind == "sandbox":
        sandbox = _sandbox(section, folder)
        tools = chosen(domain.tools, {spec.name: spec for spec in sandbox.specs})
        return domain.model_copy(update={"tools": tools, "topics": sandbox.topics or domain.topics})
    if section.kind not in ("python", "mcp"):
        return domain
    there = {spec.name: spec for spec in offered(section, folder)}
    return domain.model_copy(update={"tools": chosen(domain.tools, there)})


def chosen(wanted: Sequence[ToolSpec], there: Mapping[str, ToolSpec]) -> tuple[ToolSpec, ...]:
    """Raises: SettingsError: a tool of the domain's file is not there."""
    if missing := next((spec.name for spec in wanted if spec.name not in there), None):
        raise SettingsError(f"Nothing stands behind the tool {missing!r}; there are: {', '.join(there) or 'none'}.")
    return tuple(spec.over(there[spec.name]) for spec in wanted) or tuple(there.values())


def offered(section: ToolsSection, folder: Path) -> tuple[ToolSpec, ...]:
    """What stands behind tools, as it says itself; for an MCP server this starts or calls it.

    Raises:
        NotFound, SettingsError, UserError
    """
    if section.kind == "python":
        from preceptor.dialogue.tools.python import PythonTools

        return PythonTools.load(section.module or "", folder).specs
    if section.kind != "mcp":
        return ()

    async def ask() -> tuple[ToolSpec, ...]:
        from preceptor.dialogue.tools.mcp import opened

        async with opened(_mcp(section, folder)) as tools:
            return await tools.specs()

    # Whoever asks may stand in an event loop, where another cannot be run.
    with ThreadPoolExecutor(1) as aside:
        return aside.submit(anyio.run, ask).result()


@asynccontextmanager
async def environment(
    domain: Domain, settings: Settings, folder: Path, record: Record | None = None
) -> AsyncIterator[Environment]:
    """What stands behind a domain's tools.

    Raises:
        NotFound, SettingsError, UserError: it cannot be had.
    """
    section = settings.tools
    if not domain.tools or section.kind in (None, "none"):
        yield of_the_world(settings, folder) or NoTools()
        return
    names = [spec.name for spec in domain.tools]
    if unknown := next((name for name in section.harmless if name not in names), None):
        raise SettingsError(f"tools.harmless names {unknown!r}, which is no tool; there are: {', '.join(names)}.")
    behind = backend(domain, section, folder)
    box = Toolbox(
        domain.tools,
        behind,
        bounds=Bounds(section.timeout, section.result_tokens, section.at_once),
        record=record,
        repeatable=section.state == "conversation" or section.kind == "sandbox",
        harmless=frozenset(section.harmless),
        trusted=section.kind != "mcp",
    )
    async with box:
        if section.kind == "mcp":
            await cast("McpTools", behind).start()
        yield box


def of_the_world(settings: Settings, folder: Path) -> Environment | None:
    """The tools of the simulated world that plays the customers, if it has some and nothing else was asked for."""
    played = settings.models.customer
    if settings.tools.kind is not None or not isinstance(played, Simulated):
        return None
    found = world(played.world, folder)
    return WorldTools(found) if found.tools else None


def backend(domain: Domain, section: ToolsSection, folder: Path) -> Backend:
    """Raises: NotFound, SettingsError"""
    match section.kind:
        case "python":
            from preceptor.dialogue.tools.python import PythonTools

            return PythonTools.load(section.module or "", folder, [spec.name for spec in domain.tools])
        case "http":
            from preceptor.dialogue.tools.http import HttpTools

            return HttpTools(section.url or "", _key(section), section.timeout)
        case "mcp":
            return _mcp(section, folder)
        case "sandbox":
            return _sandbox(section, folder)
    raise SettingsError("Nothing stands behind the tools: say what in tools.kind.")


def _mcp(section: ToolsSection, folder: Path) -> "McpTools":
    from preceptor.dialogue.tools.mcp import McpTools, installed
    from preceptor.dialogue.tools.servers import Address, Command

    installed()
    server: Address | Command
    if section.url:
        server = Address(section.url, _key(section), section.timeout)
    else:
        server = Command(section.command, {name: _variable(name, "pass_env") for name in section.pass_env}, folder)
    return McpTools(server, section.sessions, section.at_once)


def _key(section: ToolsSection) -> str:
    return _variable(section.key_env, "key_env") if section.key_env else ""


def _variable(name: str, setting: str) -> str:
    """Raises: SettingsError: it is not set."""
    if not os.environ.get(name):
        raise SettingsError(f"The environment variable {name!r}, which tools.{setting} names, is not set.")
    return os.environ[name]


def _sandbox(section: ToolsSection, folder: Path) -> "Sandbox":
    """Raises: NotFound, SettingsError"""
    from preceptor.dialogue.tools.sandbox.sandbox import Sandbox

    tasks = folder / section.tasks if section.tasks else None
    return Sandbox.load(folder / (section.data or ""), folder / (section.module or ""), tasks)


def stands(settings: Settings, folder: Path) -> str:
    """What stands behind the tools, in words."""
    section = settings.tools
    match section.kind:
        case "python":
            return f"Python functions in {section.module}"
        case "http":
            return f"{section.url}, by HTTP"
        case "sandbox":
            return f"a sandbox: {section.module} over a copy of {section.data} for each conversation"
        case "mcp":
            return f"an MCP server, {section.url or ' '.join(section.command)}"
    if of_the_world(settings, folder):
        return "the simulated world that plays the customers"
    return "nothing (say what in [tools]); agents are told so"


def mishaps(environment: Environment) -> str:
    """What went wrong with tools, in a sentence for people; empty where nothing did."""
    return str(environment.use) if isinstance(environment, Toolbox) else ""
