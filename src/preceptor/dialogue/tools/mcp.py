"""The tools of an MCP server, through the official package, which is an extra.

A connection lives in a task of its own, since what the package opens must be closed where it was opened, and
conversations come and go. A server that dies fails the calls it was at; the next call begins anew.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import anyio
import pydantic_core

from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.domain import CALLABLE, ToolSpec
from preceptor.dialogue.outcome import Outcome
from preceptor.dialogue.tools.backend import Visit, without
from preceptor.dialogue.tools.servers import Address, Command, explained
from preceptor.errors import NotFound, ToolFailed, UserError

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import CallToolResult

Sharing = Literal["run", "conversation"]
PATIENCE = 30.0
"""Seconds a server may take to start, and to list its tools."""
FAREWELL = 10.0
"""Seconds it may take to end."""
PAGES = 100
"""Of a list of tools, at most: a server that never ends its list keeps nobody waiting."""
DESCRIBED = 4_000
"""Characters of a description that are taken: it stands in every prompt, and somebody else wrote it."""


class McpTools:
    """A `Backend`."""

    def __init__(
        self, server: Command | Address, sharing: Sharing = "run", at_once: int = 8, farewell: float = FAREWELL
    ) -> None:
        """
        Args:
            sharing: one connection (for a command: one process) for all conversations, or one for each that calls.
            at_once: with one for each, how many there are at a time.
            farewell: seconds a server may take to end; then it is left.
        """
        self._server = server
        self._sharing = sharing
        self._farewell = farewell
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
        async with explained("The MCP server did not say what tools it has", self._server.secrets):
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
        except TimeoutError:
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
            self._lines[name] = _Line(self._server.connect, self._farewell)
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

    def __init__(self, connect: Callable[[], AbstractAsyncContextManager["Client"]], farewell: float) -> None:
        self._connect, self._farewell = connect, farewell
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
            # A server that does not answer must not keep a run from ending.
            await asyncio.wait([task], timeout=self._farewell)
            task.cancel()

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
