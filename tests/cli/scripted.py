"""A model over HTTP that answers what a test says, for commands that ask one."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

Answer = Callable[[str], str]
"""From all messages of a request to the text of the reply."""


@dataclass
class Spoken:
    """A server that is up."""

    url: str = ""
    heard: list[dict[str, Any]] = field(default_factory=list)
    """The requests, as they came."""

    def options(self) -> tuple[str, ...]:
        """For a command: the teacher is this one."""
        teacher = f'models.teacher={{kind="openai", base_url="{self.url}", model="scripted"}}'
        return ("--set", teacher)


@contextmanager
def speaking(answer: Answer) -> Iterator[Spoken]:
    """Answers chat completions."""
    spoken = Spoken()

    async def complete(request: Request) -> JSONResponse:
        body = await request.json()
        spoken.heard.append(body)
        said = answer("\n".join(message["content"] for message in body["messages"]))
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        named = {"id": "c", "object": "chat.completion", "created": 1, "model": "scripted"}
        return JSONResponse({**named, "choices": [choice], "usage": usage})

    app = Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    (sock,) = server.servers[0].sockets
    spoken.url = f"http://127.0.0.1:{sock.getsockname()[1]}/v1"
    try:
        yield spoken
    finally:
        server.should_exit = True
        thread.join(30)
