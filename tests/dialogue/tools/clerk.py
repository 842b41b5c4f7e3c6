"""An MCP server written with the official package: ``clerk.py`` speaks over stdio, ``clerk.py PORT`` over HTTP."""

import os
import sys
from pathlib import Path

import anyio
from mcp.server import MCPServer

server = MCPServer("clerk")
written: list[str] = []


@server.tool()
def get_order(number: int) -> str:
    """Look an order up by its number."""
    if number == 13:
        raise ValueError("There is no order 13.")
    return f"Order {number} was sent on Monday."


@server.tool()
def add_note(text: str) -> dict[str, int]:
    """Write a note down."""
    written.append(text)
    return {"notes": len(written)}


@server.tool()
def say_nothing() -> str:
    """Gives an empty text."""
    return ""


@server.tool()
async def wait() -> str:
    """Takes its time."""
    await anyio.sleep(600)
    return "late"


@server.tool()
def die() -> str:
    """The server ends in the middle of a call."""
    os._exit(1)


@server.tool()
def whoami() -> str:
    """What the server knows of its surroundings."""
    token, secret = os.environ.get("CLERK_TOKEN", "no token"), os.environ.get("SECRET_OF_OURS", "no secret")
    return f"{token}, {secret}, {Path.cwd().name}"


@server.tool(name="orders/all")
def orders() -> str:
    """Has a name that no model can call."""
    return ""


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        server.run()
