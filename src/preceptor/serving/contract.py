"""What the gateway offers, as a table: the routes are made from it, and so is the document at ``/openapi.json``.

Promises: a route that is not in the table is not answered, and one in the table that nobody answers keeps the gateway
from being made; so the document cannot tell of anything else. Requests are described by what is *read* of them: every
other field goes to the upstream as it came, which judges it.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Any, Literal, get_args

import pydantic
from pydantic.json_schema import models_json_schema

from preceptor.serving.coach import State
from preceptor.serving.outcomes import Measure
from preceptor.serving.protocols.asked import FIELD, Wishes
from preceptor.serving.protocols.feedback import Feedback

TRUTHS = ("1", "true", "t", "yes", "y", "on", "0", "false", "f", "no", "n", "off")
"""How a header may say yes or no, in capitals or not."""
Json = dict[str, Any]
Handler = Callable[..., Awaitable[None]]
Routes = Mapping[str, Mapping[str, Handler]]
"""Handlers by path and method."""


class Read(pydantic.BaseModel):
    """An object of which some fields are read; all others are preserved."""

    model_config = pydantic.ConfigDict(extra="allow", use_attribute_docstrings=True)


class Message(Read):
    """A message of a conversation."""

    role: str
    """``user`` is the customer, ``assistant`` the agent; ``system`` and ``developer`` instruct."""
    content: Any = None
    """A text, or a list of parts, of which those with text are read."""


class Item(Read):
    """A message, or a call, a result or a thought."""


class Asking(Read):
    model: str | None = None
    """The model asked for; without one, the upstream chooses."""
    stream: Any = None
    """``true``: as server-sent events, passed on as they come."""
    preceptor: Wishes = Wishes()
    """For the gateway; no upstream sees it. Wins over headers."""


class ChatRequest(Asking):
    """OpenAI's chat completions."""

    messages: Annotated[list[Message], pydantic.Field(min_length=1)]


class ResponsesRequest(Asking):
    """OpenAI's responses."""

    input: str | Annotated[list[Item], pydantic.Field(min_length=1)] = ""
    """What the customer says, or a list of messages, calls and results."""
    instructions: Any = None
    """The system message."""


class MessagesRequest(Asking):
    """Anthropic's messages."""

    messages: Annotated[list[Message], pydantic.Field(min_length=1)]
    system: Any = None
    """The system message: a text or a list of parts."""


class EmbeddingsRequest(Read):
    """OpenAI's embeddings."""

    model: str | None = None
    """The model asked for; without one, the upstream chooses."""
    input: Any = None
    """What to embed."""


class Fault(pydantic.BaseModel):
    """What went wrong."""

    model_config = pydantic.ConfigDict(use_attribute_docstrings=True)

    message: str
    """For people."""
    type: str
    """OpenAI's or Anthropic's name for faults of this status."""
    param: str | None
    """The field at fault."""
    code: str | None
    """For programs, such as ``rate_limit_exceeded``."""


class OpenAIError(pydantic.BaseModel):
    """A refusal of the gateway, as OpenAI writes them."""

    error: Fault


class AnthropicFault(pydantic.BaseModel):
    type: str
    message: str


class AnthropicError(pydantic.BaseModel):
    """A refusal of the gateway, as Anthropic writes them."""

    type: Literal["error"]
    error: AnthropicFault


class Kept(pydantic.BaseModel):
    """Feedback that was kept."""

    conversation: str
    kept: list[Measure]


class Alive(pydantic.BaseModel):
    """The process lives."""

    alive: bool


class Ready(pydantic.BaseModel):
    """Whether requests would be answered."""

    model_config = pydantic.ConfigDict(use_attribute_docstrings=True)

    ready: bool
    """An upstream is thought to be up."""
    libraries: dict[str, str]
    """Each library, and why it cannot be used; empty when it can."""


Model = type[pydantic.BaseModel]
Answer = Model | str | None
"""What a success is: an object of ours, a text of this type, or (None) whatever the upstream says."""

BODY = (400, 408, 413, 415)
KEY = (401, 429, 503)
RELAY = (403, 404, 502, 503, 504)
MEANING: Mapping[int, str] = {
    400: "Malformed.",
    401: "No key, or one that is not good here.",
    403: "Not for this key.",
    404: "There is no such release, model or answer here.",
    408: "The body took too long to come in.",
    413: "The body is too long.",
    415: "The body is compressed.",
    429: "Too often, or what the key may spend is spent.",
    500: "A defect of the gateway.",
    502: "No upstream could be reached, or it broke off or made no sense.",
    503: "Too many are waiting, or keys or feedback cannot be looked up at present.",
    504: "The upstream was silent for too long.",
}


@dataclass(frozen=True)
class Operation:
    """Something that can be asked of the gateway."""

    name: str
    method: str
    path: str
    """``{name}`` at its end stands for all that follows."""
    summary: str
    answer: Answer = None
    asks: Model | None = None
    """What is read of the body; None: there is none."""
    taught: bool = False
    refusals: Sequence[int] = ()
    """Statuses of ours, besides successes and 500."""
    error: Model = OpenAIError

    @property
    def keyed(self) -> bool:
        """Whether a key is needed, where any are."""
        return 429 in self.refusals


_TAUGHT = tuple(sorted({*BODY, *KEY, *RELAY}))
_FOUND = tuple(sorted({*KEY, *RELAY}))
OPERATIONS: Sequence[Operation] = (
    Operation(
        "chat",
        "POST",
        "/v1/chat/completions",
        "OpenAI's chat completions",
        asks=ChatRequest,
        taught=True,
        refusals=_TAUGHT,
    ),
    Operation(
        "responses",
        "POST",
        "/v1/responses",
        "OpenAI's responses",
        asks=ResponsesRequest,
        taught=True,
        refusals=_TAUGHT,
    ),
    Operation(
        "messages",
        "POST",
        "/v1/messages",
        "Anthropic's messages",
        asks=MessagesRequest,
        taught=True,
        refusals=_TAUGHT,
        error=AnthropicError,
    ),
    Operation(
        "embeddings",
        "POST",
        "/v1/embeddings",
        "Embeddings, passed through",
        asks=EmbeddingsRequest,
        refusals=_TAUGHT,
    ),
    Operation("models", "GET", "/v1/models", "The models that may be asked for", refusals=_FOUND),
    Operation("model", "GET", "/v1/models/{name}", "One of them", refusals=_FOUND),
    Operation(
        "feedback",
        "POST",
        "/v1/feedback",
        "What became of a conversation",
        Kept,
        Feedback,
        refusals=tuple(sorted({*BODY, *KEY, 404})),
    ),
    Operation("healthz", "GET", "/healthz", "Whether the process lives", Alive),
    Operation("readyz", "GET", "/readyz", "Whether an upstream is thought to be up; 503 when not", Ready),
    Operation("metrics", "GET", "/metrics", "For Prometheus", "text/plain", refusals=(401, 403)),
    Operation("openapi", "GET", "/openapi.json", "This document", "application/json"),
)


def routed(handlers: Mapping[str, Handler]) -> tuple[Routes, Routes]:
    """The routes of all operations, answered by the handler of their name: by whole path, and by the beginning of a
    path that has a name at its end.

    Raises:
        KeyError: nobody answers an operation.
        ValueError: a handler answers none.
    """
    if strange := set(handlers) - {operation.name for operation in OPERATIONS}:
        raise ValueError(f"no operation is called {', '.join(sorted(strange))}")
    whole: dict[str, dict[str, Handler]] = {}
    begun: dict[str, dict[str, Handler]] = {}
    for operation in OPERATIONS:
        path = operation.path.removesuffix("{name}")
        routes = whole if path == operation.path else begun
        routes.setdefault(path, {})[operation.method] = handlers[operation.name]
    return whole, begun


def below(begun: Routes, path: str) -> Mapping[str, Handler] | None:
    """The handlers of a path with a name at its end. A name has no steps up in it: with our key, they would lead to
    what else the upstream has."""
    found = next((methods for start, methods in begun.items() if path.startswith(start)), None)
    return None if found is None or {"", ".", ".."} & set(path.split("/")[1:]) else found


def document(longest: int, *, keyed: bool, operations: Iterable[Operation] = OPERATIONS) -> Json:
    """The gateway as OpenAPI 3.1. `longest`: bytes a body may have. `keyed`: a key is asked for."""
    operations = tuple(operations)
    models: set[Model] = {one for operation in operations for one in _models(operation)}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema(
        [(model, "validation") for model in ordered], ref_template="#/components/schemas/{model}"
    )
    paths: dict[str, Json] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _told(operation, longest, keyed=keyed)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "preceptor's gateway",
            "version": version("preceptor"),
            "description": "OpenAI's and Anthropic's protocols in front of a taught student. Whatever is not described "
            "here goes to the upstream and comes back as it is.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def _models(operation: Operation) -> Iterable[Model]:
    yield operation.error
    if operation.asks is not None:
        yield operation.asks
    if isinstance(operation.answer, type):
        yield operation.answer


def _told(operation: Operation, longest: int, *, keyed: bool) -> Json:
    told: Json = {"operationId": operation.name, "summary": operation.summary, "responses": _responses(operation)}
    parameters = list(_asked_by_header()) if operation.taught else []
    if "{name}" in operation.path:
        parameters.append({"name": "name", "in": "path", "required": True, "schema": {"type": "string"}})
    if parameters:
        told["parameters"] = parameters
    if operation.asks is not None:
        content = {"application/json": {"schema": _ref(operation.asks)}}
        about = f"At most {longest} bytes."
        told["requestBody"] = {"description": about, "required": True, "content": content}
    if keyed and operation.keyed:
        told["security"] = [{"bearer": []}, {"x-api-key": []}]
    return told


def _responses(operation: Operation) -> Json:
    wrong = {"application/json": {"schema": _ref(operation.error)}}
    told: Json = {str(status): {"description": MEANING[status], "content": wrong} for status in operation.refusals}
    told["500"] = {"description": MEANING[500], "content": wrong}
    said = _said_by_header() if operation.taught else {}
    match operation.answer:
        case None:
            relayed = {"description": "The upstream's answer, as it is.", "headers": {**said, **_FROM_UPSTREAM}}
            told["200"] = {**relayed, "content": {"application/json": {}, "text/event-stream": {}}}
            told["default"] = {**relayed, "content": {"*/*": {}}}
        case str() as kind:
            told["200"] = {"description": operation.summary + ".", "content": {kind: {}}}
        case model:
            content = {"application/json": {"schema": _ref(model)}}
            told["200"] = {"description": model.__doc__ or "", "content": content}
            if model is Ready:
                told["503"] = {"description": "No upstream is thought to be up.", "content": content}
    return told


def _asked_by_header() -> Iterable[Json]:
    """What a request may ask of the gateway: the same as in its field."""
    for name, schema in Wishes.model_json_schema()["properties"].items():
        plain = {key: value for key, value in schema.items() if key in ("description", "enum", "pattern")}
        kinds = {"type": "string", **{key: plain[key] for key in ("enum", "pattern") if key in plain}}
        if schema.get("type") == "boolean":
            kinds = {"type": "string", "pattern": f"^({'|'.join(map(_either, TRUTHS))})$"}
        about = plain.get("description", "")
        yield {"name": f"x-{FIELD}-{name}", "in": "header", "description": about, "schema": kinds}


def _either(word: str) -> str:
    """A pattern for a word in capitals or not."""
    return "".join(f"[{letter.upper()}{letter}]" if letter.isalpha() else letter for letter in word)


def _said_by_header() -> Json:
    text = {"type": "string"}
    states = {"type": "string", "enum": list(get_args(State))}
    return {
        "x-preceptor-teaching": {"description": "What was done.", "schema": states},
        "x-preceptor-release": {"description": "The release's hash.", "schema": text},
        "x-preceptor-conversation": {"description": "Our name for the conversation.", "schema": text},
        "x-preceptor-reason": {"description": "Why teaching was unavailable.", "schema": text},
        "x-preceptor-embedder": {"description": "Word vectors decided instead.", "schema": {"const": "fallback"}},
        "x-preceptor-explain": {"description": "JSON: what was found.", "schema": text},
    }


_FROM_UPSTREAM: Json = {
    "x-preceptor-upstream": {
        "description": "Which upstream this status and body are from; absent where they are the gateway's own.",
        "schema": {"type": "string"},
    }
}


def _ref(model: Model) -> Json:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
