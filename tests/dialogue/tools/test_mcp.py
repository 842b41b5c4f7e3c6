"""An MCP server written with the official package as the tool side, over stdio and over streamable HTTP."""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from places import answers, reserved
from preceptor.dialogue.agents import ModelAgent
from preceptor.dialogue.conversation import Turn
from preceptor.dialogue.customers import Voice, draw_customers
from preceptor.dialogue.domain import Domain, ToolSpec
from preceptor.dialogue.rollout import Rollout
from preceptor.dialogue.tools.backend import Visit
from preceptor.dialogue.tools.mcp import McpTools, Sharing, opened
from preceptor.dialogue.tools.servers import Address, Command
from preceptor.dialogue.tools.toolbox import Toolbox
from preceptor.errors import ToolFailed, UserError
from preceptor.llm.messages import Message, Reply, ToolCall
from preceptor.llm.scripted import ScriptedModel

pytestmark = pytest.mark.anyio
CLERK = Path(__file__).with_name("clerk.py")
DOMAIN = {
    "name": "Desk",
    "role": "You answer customers.",
    "goal": "Help them.",
    "topics": [{"id": "bill", "description": "Your bill is wrong."}],
    "personas": [{"id": "calm", "description": "You are calm."}],
}
NAMES = ["get_order", "add_note", "say_nothing", "wait", "die", "whoami"]
ONE, OTHER = Visit("co-1", "cu-1", "bill", 4), Visit("co-2", "cu-1", "bill", 4)


@pytest.fixture
def command() -> Command:
    return Command((sys.executable, str(CLERK)), {"CLERK_TOKEN": "t0ken-0815"}, CLERK.parent)


@pytest.fixture
def address() -> Iterator[Address]:
    with reserved() as port:
        running = subprocess.Popen(
            [sys.executable, str(CLERK), str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            while not answers(port):
                assert running.poll() is None
                time.sleep(0.05)
            yield Address(f"http://127.0.0.1:{port}/mcp", "k3y")
        finally:
            running.kill()
            running.wait()


def say(message: str, ends: str = "no") -> str:
    return json.dumps({"message": message, "ends": ends})


async def call(tools: McpTools, name: str, visit: Visit = ONE, **arguments: object) -> str:
    await tools.ready(visit)
    return await tools.call(name, arguments, visit, "k")


async def served(tools: McpTools) -> None:
    """What holds over either transport."""
    specs = await tools.specs()
    assert [spec.name for spec in specs] == NAMES
    assert specs[0].description == "Look an order up by its number."
    assert specs[0].parameters["required"] == ["number"]
    assert ToolSpec.model_validate(specs[0].model_dump()) == specs[0]
    assert await call(tools, "get_order", number=7) == "Order 7 was sent on Monday."
    with pytest.raises(ToolFailed, match="Error executing tool get_order") as failed:
        await call(tools, "get_order", number=13)
    assert failed.value.why == "refused"
    with pytest.raises(ToolFailed, match="Unknown tool"):
        await call(tools, "nothing")
    assert '"notes": 1' in await call(tools, "add_note", text="a")
    assert '"notes": 2' in await call(tools, "add_note", OTHER, text="b"), "all conversations share the server"
    assert await call(tools, "say_nothing") == ""


async def talked(tools: McpTools) -> None:
    """A conversation whose agent acts through the server."""
    customer = ScriptedModel("customer", [say("Where is 7?"), say("Thanks", "resolved")])
    asked = Reply(Message("assistant", "", (ToolCall("c1", "get_order", '{"number": 7}'),)), finish="tool_calls")
    agent = ScriptedModel("agent", [asked, "It was sent on Monday."])
    domain = Domain.model_validate(DOMAIN | {"tools": [spec.model_dump() for spec in await tools.specs()]})
    async with Toolbox(domain.tools, tools, trusted=False) as box:
        rollout = Rollout(Voice(customer, domain), environment=box)
        conversation = await rollout.play(ModelAgent(agent, domain), draw_customers(domain, 1, seed=1)[0])
    assert conversation.ending == "resolved"
    assert conversation.turns[2] == Turn("tool", "Order 7 was sent on Monday.", tool_call_id="c1")
    assert [tool.name for tool in agent.requests[0].tools] == NAMES
    assert agent.requests[1].messages[-1].role == "tool"


async def test_over_stdio(command: Command) -> None:
    async with opened(McpTools(command)) as tools:
        await served(tools)
        await talked(tools)


async def test_over_streamable_http(address: Address) -> None:
    async with opened(McpTools(address)) as tools:
        await served(tools)
        await talked(tools)


async def test_a_server_that_dies_fails_the_call_and_is_begun_with_anew(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "hunter2")
    async with opened(McpTools(command)) as tools:
        assert await call(tools, "whoami") == "[key], no secret, tools", (
            "it is given what was said, tells nobody, and no more"
        )
        await call(tools, "add_note", text="a")
        with pytest.raises(ToolFailed, match="not known whether this was done") as failed:
            await call(tools, "die")
        assert failed.value.why == "unreachable"
        assert '"notes": 1' in await call(tools, "add_note", text="b")
        ended: list[str] = []

        async def wait(name: str) -> None:
            with pytest.raises(ToolFailed, match="not known whether this was done"):
                await call(tools, name)
            ended.append(await call(tools, "add_note", text=name))

        async with anyio.create_task_group() as group:
            group.start_soon(wait, "wait")
            group.start_soon(wait, "die")
        assert sorted(note[note.index(":") :] for note in ended) == [": 1\n}", ": 2\n}"], "both by the same new server"


async def test_a_server_by_url_that_dies_stays_away_until_somebody_starts_it(address: Address) -> None:
    async with opened(McpTools(address)) as tools:
        with pytest.raises(ToolFailed, match="not known"):
            await call(tools, "die")
        with pytest.raises(UserError, match=r"The MCP server at http://127.0.0.1:\d+/mcp cannot be used: ConnectError"):
            await call(tools, "get_order", number=7)


async def test_a_process_for_each_conversation_and_no_more_of_them_than_allowed(command: Command) -> None:
    sharing: Sharing = "conversation"
    async with opened(McpTools(command, sharing, at_once=1)) as tools:
        assert '"notes": 1' in await call(tools, "add_note", ONE, text="a")
        async with anyio.create_task_group() as group:

            async def second() -> None:
                assert '"notes": 1' in await call(tools, "add_note", OTHER, text="b")
                await tools.leave(OTHER)

            group.start_soon(second)
            await anyio.lowlevel.checkpoint()
            assert '"notes": 2' in await call(tools, "add_note", ONE, text="c")
            await tools.leave(ONE)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("no-such-program",), "'no-such-program' cannot be started as an MCP server: FileNotFoundError"),
        ((sys.executable, "-c", "import sys; sys.exit('no licence')"), "It wrote: no licence"),
    ],
)
async def test_a_server_that_does_not_start_is_told_of(words: tuple[str, ...], told: str) -> None:
    async with opened(McpTools(Command(words))) as tools:
        with pytest.raises(UserError, match=told):
            await tools.specs()


UNWILLING = """
import json, os, sys
for line in sys.stdin:
    fault = {"code": -32603, "message": "bad token " + os.environ["CLERK_TOKEN"]}
    print(json.dumps({"jsonrpc": "2.0", "id": json.loads(line).get("id"), "error": fault}), flush=True)
"""


async def test_what_a_server_was_given_is_told_to_nobody_not_even_in_its_refusal(command: Command) -> None:
    unwilling = replace(command, words=(sys.executable, "-c", UNWILLING))
    async with opened(McpTools(unwilling)) as tools:
        with pytest.raises(UserError, match=r"bad token \[key\]"):
            await tools.specs()


class Deaf:
    """An MCP server, as far as it takes, that never answers a farewell."""

    def __init__(self) -> None:
        self.talks: list[asyncio.Task[None] | None] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.talks.append(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self.answer(reader, writer):
                pass
        await reader.read()
        writer.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = re.search(r"content-length: (\d+)", head)
        asked = json.loads(await reader.readexactly(int(length[1])) or b"{}") if length else {}
        if asked.get("method") == "initialize":
            about = {"capabilities": {"tools": {}}, "serverInfo": {"name": "deaf", "version": "1"}}
            answer = {"result": {"protocolVersion": asked["params"]["protocolVersion"], **about}}
        else:
            answer = {"error": {"code": -32601, "message": "No."}}
        body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], **answer}) if "id" in asked else ""
        status = "405 No" if head.startswith("get") else "200 OK" if body else "202 Accepted"
        rest = f"content-type: application/json\r\nmcp-session-id: s\r\ncontent-length: {len(body)}\r\n\r\n{body}"
        if head.startswith("delete"):
            return False
        writer.write(f"HTTP/1.1 {status}\r\n{rest}".encode())
        await writer.drain()
        return True


async def test_a_server_that_does_not_answer_a_farewell_is_left() -> None:
    deaf = Deaf()
    async with await asyncio.start_server(deaf.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with opened(McpTools(Address(f"http://127.0.0.1:{port}/mcp"), farewell=0.2)) as tools:
            await tools.start()
        await asyncio.gather(*(talk for talk in deaf.talks if talk))
