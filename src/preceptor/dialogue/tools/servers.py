"""Where an MCP server is: a command that is started as a process (stdio), or an address (streamable HTTP)."""

import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

import httpx2

from preceptor.dialogue.tools.backend import without
from preceptor.errors import UserError

if TYPE_CHECKING:
    from mcp import Client

_SHOWN = 300
"""Characters of what a process wrote to its error output that are told."""


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
                explained(what, self.secrets, lambda: _last(errors)),
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
            async with explained(what, self.secrets), Client(line) as client:
                yield client


@asynccontextmanager
async def explained(what: str, secrets: Sequence[str], more: Callable[[], str] = str) -> AsyncIterator[None]:
    """Say in a sentence why something failed, without secrets. `more`: what else is known then."""
    try:
        yield
    except Exception as fault:
        cause: BaseException = fault
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        said = f"{type(cause).__name__}: {cause}".rstrip(": .")
        raise UserError(without(f"{what}: {said}.{more()}", secrets)) from fault


def _last(errors: IO[str]) -> str:
    errors.flush()
    errors.seek(0, 2)
    errors.seek(max(0, errors.tell() - 4 * _SHOWN))
    said = " ".join(errors.read().split())[-_SHOWN:]
    return f" It wrote: {said}" if said else ""
