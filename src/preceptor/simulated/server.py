"""A world behind the OpenAI protocol: chat completions, streaming, the list of models. Simulated, and named so.

Model names are the ids of the world's `models`. Tools are called where the world has them, and otherwise ignored. A
reply is the same as in process.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import anyio
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from preceptor.errors import Rejected
from preceptor.llm import wire
from preceptor.llm.messages import Reply, Request
from preceptor.simulated.faults import Attempts, Faults, Kind, Sleep, refused
from preceptor.simulated.model import SimulatedModel, models
from preceptor.simulated.world import World

_PIECE = 4
"""Words in a streamed chunk."""


def create_app(
    world: World, faults: Faults | None = None, latency: float = 0.0, sleep: Sleep = anyio.sleep
) -> Starlette:
    """The world's models as an ASGI application.

    `latency`: seconds before each answer. `sleep` is passed in so that tests need not wait.
    """
    desk = _Desk(world, models(world), Attempts(faults or Faults()), latency, sleep)
    return Starlette(
        routes=[
            Route("/v1/chat/completions", desk.complete, methods=["POST"]),
            Route("/v1/models", desk.list, methods=["GET"]),
            Route("/v1/models/{model}", desk.show, methods=["GET"]),
        ],
        exception_handlers={404: _unknown, 405: _unknown},
    )


async def serve(app: Starlette, host: str, port: int) -> None:
    """Answer until told to stop (SIGINT, SIGTERM)."""
    await uvicorn.Server(uvicorn.Config(app, host=host, port=port, log_level="warning")).serve()


@dataclass(frozen=True)
class _Desk:
    world: World
    models: dict[str, SimulatedModel]
    attempts: Attempts
    latency: float
    sleep: Sleep

    async def list(self, _: HTTPRequest) -> Response:
        return _json({"object": "list", "data": [self._card(name) for name in self.models]})

    async def show(self, asked: HTTPRequest) -> Response:
        name = asked.path_params["model"]
        return _json(self._card(name)) if name in self.models else _missing(name)

    async def complete(self, asked: HTTPRequest) -> Response:
        try:
            body = orjson.loads(await asked.body())
        except orjson.JSONDecodeError as fault:
            return _error(400, f"The body is not valid JSON: {fault}.")
        try:
            name, request = wire.parse_request(body)
            model = self.models.get(name)
            return await self._answer(name, model, request, body) if model else _missing(name)
        except Rejected as fault:
            return _error(fault.status, str(fault), param=fault.param)

    async def _answer(self, name: str, model: SimulatedModel, request: Request, body: dict[str, Any]) -> Response:
        kind = self.attempts.next(name, request)
        self.attempts.running += 1
        try:
            await self.sleep(self.attempts.faults.stall_seconds if kind == "stall" else self.latency)
        finally:
            self.attempts.running -= 1
        if refusal := refused(self.attempts.faults, request):
            raise refusal
        if failure := self._failure(kind):
            return failure
        return _rendered(model.answer(request), name, body, kind)

    def _failure(self, kind: Kind | None) -> Response | None:
        match kind:
            case "rate_limit":
                wait = {"retry-after": f"{self.attempts.faults.retry_after:g}"}
                return _error(429, "Slow down.", "rate_limit_error", headers=wait)
            case "server_error":
                return _error(500, "Something went wrong.", "server_error")
            case "stall":
                return _error(504, "No answer in time.", "server_error")
            case "broken_json":
                return Response("<html>not what you asked for</html>", media_type="application/json")
            case "cut" | None:
                return None

    def _card(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": 0, "owned_by": f"simulated world {self.world.name}"}


def _rendered(reply: Reply, name: str, body: dict[str, Any], kind: Kind | None) -> Response:
    if body.get("stream"):
        options = body.get("stream_options")
        with_usage = isinstance(options, dict) and bool(options.get("include_usage"))
        pieces = _events(reply, name, with_usage, kind == "cut")
        return StreamingResponse(pieces, media_type="text/event-stream")
    rendered = orjson.dumps(wire.render_reply(reply, name))
    return Response(rendered[: len(rendered) // 2] if kind == "cut" else rendered, media_type="application/json")


async def _events(reply: Reply, name: str, with_usage: bool, cut: bool) -> AsyncIterator[bytes]:
    """Server-sent events; a cut stream ends in the middle, without a finish reason."""
    whole = wire.render_reply(reply, name)
    frame = {**{key: whole[key] for key in ("id", "created", "model")}, "object": "chat.completion.chunk"}
    pieces = _pieces(reply.text)
    yield _event({**frame, "choices": [_choice({"role": "assistant", "content": ""})]})
    for piece in pieces[: len(pieces) // 2] if cut else pieces:
        yield _event({**frame, "choices": [_choice({"content": piece})]})
    if cut:
        return
    if calls := whole["choices"][0]["message"].get("tool_calls"):
        numbered = [{"index": place, **call} for place, call in enumerate(calls)]
        yield _event({**frame, "choices": [_choice({"tool_calls": numbered})]})
    yield _event({**frame, "choices": [_choice({}, reply.finish)]})
    if with_usage:
        yield _event({**frame, "choices": [], "usage": whole["usage"]})
    yield b"data: [DONE]\n\n"


def _pieces(text: str) -> list[str]:
    words = text.split(" ")
    cuts = range(0, len(words), _PIECE)
    return [" ".join(words[at : at + _PIECE]) + (" " if at + _PIECE < len(words) else "") for at in cuts]


def _choice(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish}


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\n\n"


def _json(data: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(data), status, headers, media_type="application/json")


def _error(
    status: int,
    message: str,
    kind: str = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    error = {"message": message, "type": kind, "param": param, "code": code}
    return _json({"error": error}, status, headers)


def _missing(name: str) -> Response:
    return _error(404, f"The model {name!r} does not exist.", param="model", code="model_not_found")


async def _unknown(asked: HTTPRequest, fault: Exception) -> Response:
    status = getattr(fault, "status_code", 404)
    return _error(status, f"There is no {asked.method} {asked.url.path} here.")
