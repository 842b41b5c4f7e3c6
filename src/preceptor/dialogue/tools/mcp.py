"""The tools of an MCP server, started as a process (stdio) or reached by URL (streamable HTTP), through the official
package, which is an extra.

A connection lives in a task of its own, since what the package opens must be closed where it was opened, and
conversations come and go. A server that dies fails the calls it was at; the next call begins anew.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import anyio
import httpx2
import pydantic_core

from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.domain import CALLABLE, ToolSpec
from preceptor.dialogue.outcome import Outcome
from preceptor.dialogue.tools.backend import Visit, without
from preceptor.errors import NotFound, ToolFailed, UserError

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import CallToolResult

Sharing = Literal["run", "conversation"]
PATIENCE = 30.0
"""Seconds a server may take to start."""
PAGES = 100
"""Of a list of tools, at most: a server that never ends its list keeps nobody waiting."""
DESCRIBED = 4_000
"""Characters of a description that are taken: it stands in every prompt, and somebody else wrote it."""
_SHOWN = 300


@dataclass(frozen=True)
class Command:
    """A server that is started as a process and spoken to through its input and output."""

    words: tuple[str, ...]
    """The program and its arguments."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Given to it beside what every program needs (PATH, HOME…); nothing else of ours is."""
    folder: Path = Path()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What it knows of us and nobody is to be told."""
        return tuple(self.variables.values())

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["Client"]:
        """Raises: PreceptorError: it does not start, with the last it wrote to its error output."""
        from mcp import Client, StdioServerParameters, stdio_client

        place, variables = self.folder.absolute(), dict(self.variables)
        asked = StdioServerParameters(command=self.words[0], args=list(self.words[1:]), env=variables, cwd=place)
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            what = f"{self.words[0]!r} cannot be started as an MCP server"
            async with (
                _explained(what, self.secrets, lambda: _last(errors)),
                Client(stdio_client(asked, errlog=errors)) as client,
            ):
                yield client


@dataclass(frozen=True)
class Address:
    """A server that runs already."""

    url: str
    key: str = ""
    """Sent as bearer token; empty for none."""
    timeout: float = 30.0

    @property
    def secrets(self) -> tuple[str, ...]:
        """What it knows of us and nobody is to be told."""
        return (self.key,)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["Client"]:
        """Raises: PreceptorError: it cannot be reached, or speaks otherwise."""
        from mcp import Client
        from mcp.client.streamable_http import streamable_http_client

        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        # A server may keep an answer's stream open for as long as the call takes.
        patience = httpx2.Timeout(self.timeout, read=None)
        async with httpx2.AsyncClient(headers=headers, timeout=patience) as http:
            what = f"The MCP server at {self.url} cannot be used"
            line = streamable_http_client(self.url, http_client=http)
            async with _explained(what, self.secrets), Client(line) as client:
                yield client


class McpTools:
    """A `Backend`."""

    def __init__(self, server: Command | Address, sharing: Sharing = "run", at_once: int = 8) -> None:
        """
        Args:
            sharing: one connection (for a command: one process) for all conversations, or one for each that calls.
            at_once: with one for each, how many there are at a time.
        """
        self._server = server
        self._sharing = sharing
        self._lines: dict[str, _Line] = {}
        self._room = asyncio.Semaphore(at_once)

    async def start(self) -> None:
        """Find out at once whether there is a server, where all conversations share it.

        Raises:
            PreceptorError: there is none.
        """
        if self._sharing == "run":
            await self._line("").client()

    async def specs(self) -> tuple[ToolSpec, ...]:
        """What the server offers.

        Raises:
            PreceptorError: it cannot be asked.
        """
        client = await self._line("").client()
        async with _explained("The MCP server did not say what tools it has", self._server.secrets):
            return tuple([spec async for spec in _listed(client)])

    async def ready(self, visit: Visit) -> None:
        """Raises: PreceptorError: the server does not start."""
        name = self._own(visit)
        if name and name not in self._lines:
            await self._room.acquire()
        await self._line(name).client()

    async def call(self, name: str, arguments: Mapping[str, Any], visit: Visit, key: str) -> str:
        """Raises: ToolFailed, PreceptorError"""
        line = self._line(self._own(visit))
        about: Any = {"preceptor/conversation": visit.conversation, "preceptor/call": key}
        client = await line.client()
        try:
            result = await client.call_tool(name, dict(arguments), meta=about)
        except (TimeoutError, asyncio.CancelledError):
            raise
        except Exception as fault:
            raise await self._failed(line, client, fault) from fault
        said = without(_text(result), self._server.secrets)
        if result.is_error:
            raise ToolFailed(said or "The tool failed.")
        return said

    def outcome(self, visit: Visit, conversation: Conversation) -> Outcome | None:
        return None

    async def leave(self, visit: Visit) -> None:
        if line := self._lines.pop(visit.conversation, None):
            try:
                await line.close()
            finally:
                self._room.release()

    async def aclose(self) -> None:
        while self._lines:
            _, line = self._lines.popitem()
            await line.close()

    def _own(self, visit: Visit) -> str:
        return visit.conversation if self._sharing == "conversation" else ""

    def _line(self, name: str) -> "_Line":
        if name not in self._lines:
            self._lines[name] = _Line(self._server.connect)
        return self._lines[name]

    async def _failed(self, line: "_Line", client: "Client", fault: Exception) -> ToolFailed:
        """What a call that brought no result is told as. Unless the server answered, the connection is given up."""
        from mcp import MCPError
        from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT

        if isinstance(fault, MCPError) and fault.code not in (CONNECTION_CLOSED, REQUEST_TIMEOUT):
            return ToolFailed(without(fault.message, self._server.secrets))
        await line.drop(client)
        said = "The tool's server went away. It is not known whether this was done."
        return ToolFailed(said, "unreachable", type(fault).__name__)


class _Line:
    """A connection in a task of its own, made when it is first needed, and again after it was closed."""

    def __init__(self, connect: Callable[[], AbstractAsyncContextManager["Client"]]) -> None:
        self._connect = connect
        self._task: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[Client] | None = None
        self._end = asyncio.Event()

    async def client(self) -> "Client":
        if self._task is None or self._task.done() or self._ready is None:
            self._end = asyncio.Event()
            self._ready = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._live(self._ready, self._end))
        task = self._task
        try:
            return await asyncio.wait_for(asyncio.shield(self._ready), PATIENCE)
        except TimeoutError:
            task.cancel()
            raise UserError(f"The MCP server did not answer within {PATIENCE:g} seconds of its start.") from None

    async def drop(self, client: "Client") -> None:
        """Close it, unless another call that failed has, and it was made anew since."""
        ready = self._ready
        if ready is not None and ready.done() and ready.exception() is None and ready.result() is client:
            await self.close()

    async def close(self) -> None:
        task, self._task, self._ready = self._task, None, None
        self._end.set()
        if task is not None:
            with suppress(Exception):
                await asyncio.shield(task)

    async def _live(self, ready: "asyncio.Future[Client]", end: asyncio.Event) -> None:
        try:
            async with self._connect() as client:
                ready.set_result(client)
                await end.wait()
        except Exception as fault:
            _tell(ready, fault)
        finally:
            _tell(ready, UserError("The MCP server was closed before it had started."))


def _tell(ready: "asyncio.Future[Client]", fault: Exception) -> None:
    """Say why there is no connection, if nothing was said yet."""
    if not ready.done():
        ready.set_exception(fault)
        ready.exception()  # nobody may be waiting any more


@asynccontextmanager
async def _explained(what: str, secrets: Sequence[str], more: Callable[[], str] = str) -> AsyncIterator[None]:
    """Say in a sentence why something failed, without secrets. `more`: what else is known then."""
    try:
        yield
    except Exception as fault:
        cause: BaseException = fault
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        said = f"{type(cause).__name__}: {cause}".rstrip(": .")
        raise UserError(without(f"{what}: {said}.{more()}", secrets)) from fault


@asynccontextmanager
async def opened(tools: McpTools) -> AsyncIterator[McpTools]:
    """Closed again, whatever comes."""
    try:
        yield tools
    finally:
        with anyio.CancelScope(shield=True):
            await tools.aclose()


async def _listed(client: "Client") -> AsyncIterator[ToolSpec]:
    cursor: str | None = None
    for _ in range(PAGES):
        with anyio.fail_after(PATIENCE):
            page = await client.list_tools(cursor=cursor)
        for tool in page.tools:
            if not CALLABLE.fullmatch(tool.name):
                continue
            about = (tool.description or "")[:DESCRIBED]
            yield ToolSpec(name=tool.name, description=about, parameters=dict(tool.input_schema))
        if not (cursor := page.next_cursor):
            return


def installed() -> None:
    """Raises: NotFound: the extra is not installed."""
    try:
        import mcp  # noqa: F401
    except ImportError:
        raise NotFound("MCP servers need the package 'mcp'. Install preceptor with its 'mcp' extra.") from None


def _text(result: "CallToolResult") -> str:
    """A result as text; what is none is named only, since the agent reads text."""
    parts = [getattr(block, "text", f"[{block.type}: not shown]") for block in result.content]
    if parts or result.structured_content is None:
        return "\n".join(parts)
    return pydantic_core.to_json(result.structured_content).decode()


def _last(errors: IO[str]) -> str:
    errors.flush()
    errors.seek(0, 2)
    errors.seek(max(0, errors.tell() - 4 * _SHOWN))
    said = " ".join(errors.read().split())[-_SHOWN:]
    return f" It wrote: {said}" if said else ""
