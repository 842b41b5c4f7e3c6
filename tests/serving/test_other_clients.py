"""LangChain and LiteLLM as clients of the gateway.

They ask for another OpenAI client than this package does, so they live in an environment of their own
(`make test-clients`), whose interpreter is named by CLIENTS_PYTHON; without it these tests are skipped.
"""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from preceptor.library.store import Library

from .stage import ABOUT_BREAD, LATE, POLITE, Echo, behind, chunk, said, streamed

pytestmark = pytest.mark.anyio
SCRIPTS = Path(__file__).with_name("clients")
SLOT = f"Guidance for this conversation:\n- {LATE}\n- {POLITE}"
SYSTEM = {"role": "system", "content": "You serve bakers."}
USER = {"role": "user", "content": ABOUT_BREAD}
TAUGHT = [{**SYSTEM, "content": f"You serve bakers.\n\n{SLOT}"}, USER]
CALL: dict[str, Any] = {"id": "c1", "type": "function", "function": {"name": "van", "arguments": "{}"}}
FRAME: dict[str, Any] = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
USAGE = {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}
DONE = b"data: [DONE]\n\n"
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "completed",
    "output": [
        {
            "type": "message",
            "id": "m1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hello.", "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "Hello."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
EMBEDDED = {"object": "list", "model": "e", "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]}
ALIKE: dict[str, Any] = {
    "plain": ["Hello.", "on"],
    "off by header": "off",
    "explained by field": "on",
    "stream": {"texts": ["Hel", "lo"], "usage": [13]},
    "after the tool": "Hello.",
    "responses": "Hello.",
    "embedded": [0.5, 0.25],
}
"""What every client makes of the answers below."""


def hello() -> Any:
    return said(message({"role": "assistant", "content": "Hello."}))


def message(told: dict[str, Any], finish: str = "stop") -> bytes:
    choice = {"index": 0, "message": told, "finish_reason": finish}
    return orjson.dumps({**FRAME, "object": "chat.completion", "choices": [choice], "usage": USAGE})


def event(**more: Any) -> bytes:
    return b"data: " + orjson.dumps({**FRAME, **more}) + b"\n\n"


def delta(told: dict[str, Any], finish: str | None = None) -> bytes:
    return event(choices=[{"index": 0, "delta": told, "finish_reason": finish}])


def answers(*between: Any) -> list[Any]:
    """What the upstream says, in the order in which the scripts ask; `between`: what only some of them ask for."""
    calling = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    opening = {"index": 0, **CALL, "function": {"name": "van", "arguments": ""}}
    more = {"index": 0, "function": {"arguments": "{}"}}
    return [
        *(hello() for _ in range(3)),
        streamed(chunk("Hel"), chunk("lo"), delta({}, "stop"), event(choices=[], usage=USAGE), DONE, pause=0.002),
        said(message(calling, "tool_calls")),
        streamed(
            delta({"role": "assistant", "tool_calls": [opening]}),
            delta({"tool_calls": [more]}),
            delta({}, "tool_calls"),
            DONE,
            pause=0.002,
        ),
        hello(),
        *between,
        said(b'{"error":{"message":"Slow down.","type":"x","param":null,"code":null}}', 429),
        said(orjson.dumps({**EMBEDDED, "usage": {"prompt_tokens": 1, "total_tokens": 1}})),
    ]


async def run(script: str, url: str) -> dict[str, Any]:
    """What a script prints. No proxy leads anywhere, so it cannot reach a network."""
    interpreter = os.environ.get("CLIENTS_PYTHON")
    if not interpreter:
        pytest.skip("LangChain and LiteLLM have an environment of their own: make test-clients")
    nowhere = "http://127.0.0.1:9"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "LANG", "PYTHON"))},
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "NO_PROXY": "127.0.0.1",
        # LiteLLM's own: its list of models and prices is otherwise fetched when it is imported.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    process = await asyncio.create_subprocess_exec(
        *(interpreter, str(SCRIPTS / script), url, ABOUT_BREAD),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    told, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    found: dict[str, Any] = json.loads(told.splitlines()[-1])
    return found


def check_common(echo: Echo) -> None:
    """The first seven requests, which every script makes."""
    for seen in echo.seen:
        assert seen.headers["authorization"] == "Bearer sk-upstream"
        assert "sk-mine" not in str(seen)
        assert "preceptor" not in str(seen.headers) + str(seen.json)
    bodies = [seen.json for seen in echo.seen]
    assert [body["messages"] for body in bodies[:6]] == [TAUGHT, [SYSTEM, USER], *[TAUGHT] * 4]
    assert bodies[6]["messages"][0] == TAUGHT[0]
    assert [one["role"] for one in bodies[6]["messages"]] == ["system", "user", "assistant", "tool"]
    assert [bool(body.get("stream")) for body in bodies[:6]] == [False, False, False, True, False, True]
    assert bodies[3]["stream_options"] == {"include_usage": True}


async def test_langchain(library: Library, database: Path) -> None:
    echo = Echo()
    structured = said(message({"role": "assistant", "content": '{"late":true,"hours":2}'}))
    echo.answers = answers(structured, said(orjson.dumps(RESPONSE)))
    async with behind(echo, database) as (url, _):
        told = await run("langchain_client.py", url)
    assert told == {
        **ALIKE,
        "tool": [["van", {}, "c1"]],
        "tool in a stream": [["van", {}, "c1"]],
        "structured": {"late": True, "hours": 2},
        # LangChain's own, which are OpenAI's as well; it takes every 404 for a model's.
        "no such release": ["OpenAIModelNotFoundError", 404, told["no such release"][2]],
        "busy": ["OpenAIRateLimitError", 429, "Slow down."],
    }
    assert "There is no release 'ffff'" in told["no such release"][2]
    check_common(echo)
    assert echo.seen[7].json["response_format"]["json_schema"]["name"] == "Delivery"
    assert echo.seen[8].json["instructions"] == SLOT


async def test_litellm(library: Library, database: Path) -> None:
    echo = Echo()
    echo.answers = answers(said(orjson.dumps(RESPONSE)), said(orjson.dumps(MESSAGE)))
    async with behind(echo, database) as (url, _):
        told = await run("litellm_client.py", url)
    assert told == {
        **ALIKE,
        "tool": [["van", "{}", "c1"]],
        "tool in a stream": [["van", "{}", "c1"]],
        "anthropic": "Hello.",
        # By the error's type, whatever the status.
        "no such release": ["BadRequestError", 404, told["no such release"][2]],
        "busy": ["RateLimitError", 429, told["busy"][2]],
    }
    assert "There is no release 'ffff'" in told["no such release"][2]
    check_common(echo)
    assert (echo.seen[7].path, echo.seen[7].json["instructions"]) == ("/v1/responses", SLOT)
    assert echo.seen[8].path == "/v1/messages"
    assert SLOT in json.dumps(echo.seen[8].json["system"]).replace("\\n", "\n")
