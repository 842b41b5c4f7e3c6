"""The OpenAI chat-completions JSON, to and from plain messages.

Used by the client that asks, by the simulated server that answers and by the gateway between them, so that all three
agree on what a body means. Fields nobody here acts on are ignored. A body that asks wrongly is `Rejected` (it carries
the status and the field for the error body); one that answers wrongly is `Garbled` or `BadReply`.

Thinking never stays in a reply's text: it is taken from ``reasoning_content`` or ``reasoning``, and out of
``<think>…</think>`` in the content, also when the block was never closed or when the template had opened it.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard, get_args

from preceptor.errors import BadReply, Garbled, Rejected
from preceptor.llm.messages import Finish, Message, Reply, Request, Role, Sampling, Schema, Tool, ToolCall, Usage
from preceptor.llm.thinking import split_thinking
from preceptor.storage.canonical import canonical, short_id

Body = Mapping[str, Any]
LimitField = Literal["max_tokens", "max_completion_tokens"]
"""What a server calls the bound on a reply's length."""

_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
_FINISHES: frozenset[str] = frozenset(get_args(Finish))
_MOST_TOKENS = 100_000_000
"""Of one call: no model reads or says as much, and sums of what is beyond would not fit into a database's columns."""


def render_request(
    request: Request, model: str, limit_field: LimitField = "max_tokens", silence: str | None = None
) -> dict[str, Any]:
    """The body that asks `model`. Sampling fields that are None are left out.

    `silence`: what stands for the text of an assistant message that only calls tools; the protocol says null.
    """
    sampling = request.sampling
    optional = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "tools": [_render_tool(tool) for tool in request.tools] or None,
        "response_format": _render_schema(request.schema) if request.schema else None,
    }
    return {
        "model": model,
        "messages": [_render_message(message, silence) for message in request.messages],
        limit_field: sampling.max_tokens,
        **{name: value for name, value in optional.items() if value is not None},
    }


def parse_request(body: object) -> tuple[str, Request]:
    """The model's name and what is asked of it.

    Raises:
        Rejected: the body is malformed; `param` names the field.
    """
    if not _is_mapping(body):
        raise Rejected("The request body is not a JSON object.")
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Rejected("The request names no model.", param="model")
    return model, Request(
        messages=parse_messages(body.get("messages")),
        sampling=_parse_sampling(body),
        tools=_parse_tools(body.get("tools")),
        schema=_parse_schema(body.get("response_format")),
    )


def parse_messages(messages: object) -> tuple[Message, ...]:
    """The list under ``messages``. Raises: Rejected: naming the place that is malformed."""
    if not _is_list(messages) or not messages:
        raise Rejected("`messages` must be a list of at least one message.", param="messages")
    return tuple(_parse_message(message, f"messages[{index}]") for index, message in enumerate(messages))


def render_reply(reply: Reply, model: str) -> dict[str, Any]:
    """The body that answers, named by the reply's content hash. Notes stay here: the protocol has no place for them."""
    message: dict[str, Any] = _render_message(reply.message)
    if reply.thinking is not None:
        message["reasoning_content"] = reply.thinking
    return {
        "id": short_id("chatcmpl", reply),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": reply.finish}],
        "usage": render_usage(reply.usage),
    }


def render_usage(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total,
    }


def parse_reply(body: object) -> Reply:
    """What a body answers. Without a usage field the usage is zero: nobody counted.

    Raises:
        Garbled: it is not a chat completion at all.
        BadReply: it is one, and says nothing, or asks for a tool without naming it.
    """
    if not _is_mapping(body):
        raise Garbled("The reply is not a JSON object.")
    choices = body.get("choices")
    if not _is_list(choices) or not choices or not _is_mapping(choices[0]):
        raise Garbled("The reply has no choices.")
    message = choices[0].get("message")
    if not _is_mapping(message):
        raise Garbled("The reply's choice has no message.")
    finish = choices[0].get("finish_reason")
    text, thinking = _spoken(message)
    calls = _asked_of_tools(message)
    if not text and not calls:
        raise BadReply(_silence(finish, thinking))
    return Reply(Message("assistant", text, calls), parse_usage(body), _finish(finish, calls), thinking)


@dataclass(frozen=True)
class Piece:
    """What an event of a stream says."""

    text: str = ""
    finish: str | None = None
    """Why the reply ends here; None: it goes on."""
    usage: Body | None = None
    """As `parse_usage` takes it; None: it says nothing of that."""


def parse_piece(body: object) -> Piece:
    """An event of a stream. One that says nothing we know says nothing: servers put all sorts of things between."""
    if not _is_mapping(body):
        return Piece()
    choices, usage = body.get("choices"), body.get("usage")
    choice = choices[0] if _is_list(choices) and choices and _is_mapping(choices[0]) else {}
    delta, finish = choice.get("delta"), choice.get("finish_reason")
    text = delta.get("content") if _is_mapping(delta) else None
    return Piece(
        text if isinstance(text, str) else "",
        finish if isinstance(finish, str) else None,
        usage if _is_mapping(usage) else None,
    )


def parse_usage(body: Body) -> Usage:
    usage = body.get("usage")
    if not _is_mapping(usage):
        return Usage()
    return Usage(count(usage.get("prompt_tokens")), count(usage.get("completion_tokens")))


def count(told: object) -> int:
    """A number of tokens, as a server tells it; 0: it tells none that can be meant."""
    return told if type(told) is int and 0 < told <= _MOST_TOKENS else 0


def _spoken(message: Body) -> tuple[str, str | None]:
    content = message.get("content")
    text, thinking = split_thinking(_text(content) if content is not None else "")
    stated = message.get("reasoning_content") or message.get("reasoning")
    if not text and isinstance(message.get("refusal"), str):
        text = message["refusal"]
    return text, stated if isinstance(stated, str) else thinking


def _text(content: object) -> str:
    try:
        return _parse_content(content, "content")
    except Rejected as fault:
        raise Garbled(f"The reply's content cannot be read: {fault}") from None


def _asked_of_tools(message: Body) -> tuple[ToolCall, ...]:
    try:
        return _parse_calls(message.get("tool_calls"), "reply")
    except Rejected as fault:
        raise BadReply(f"The reply cannot be read: {fault}") from None


def _silence(finish: object, thinking: str | None) -> str:
    if finish == "length":
        spent = "on thinking, " if thinking else ""
        return f"The reply reached its length limit {spent}before it said anything; raise max_tokens."
    if finish == "content_filter":
        return "The provider's content filter withheld the reply."
    return "The reply is empty."


def _finish(finish: object, calls: tuple[ToolCall, ...]) -> Finish:
    if finish in _FINISHES:
        return finish  # type: ignore[return-value]
    return "tool_calls" if calls else "stop"


def _render_message(message: Message, silence: str | None = None) -> dict[str, Any]:
    rendered: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        rendered["content"] = message.content or silence
        rendered["tool_calls"] = [_render_call(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        rendered["tool_call_id"] = message.tool_call_id
    return rendered


def _render_call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _render_tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _render_schema(schema: Schema) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": schema.name, "schema": schema.body}}


def _parse_message(message: object, where: str) -> Message:
    if not _is_mapping(message):
        raise Rejected(f"`{where}` is not an object.", param=where)
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise Rejected(f"`{where}.role` is {role!r}; it must be one of {', '.join(_ROLES)}.", param=f"{where}.role")
    calls = _parse_calls(message.get("tool_calls"), where)
    call_id = message.get("tool_call_id")
    return Message(
        _ROLES[role],
        _parse_content(message.get("content"), f"{where}.content"),
        calls,
        call_id if isinstance(call_id, str) else None,
    )


def _parse_content(content: object, where: str) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not _is_list(content):
        raise Rejected(f"`{where}` must be a text or a list of text parts.", param=where)
    return "".join(_parse_part(part, where) for part in content)


def _parse_part(part: object, where: str) -> str:
    text = part.get("text", part.get("refusal")) if _is_mapping(part) else None
    if not isinstance(text, str):
        kind = part.get("type") if _is_mapping(part) else part
        raise Rejected(f"`{where}` holds a part of type {kind!r}; only text can be read.", param=where)
    return text


def _parse_calls(calls: object, where: str) -> tuple[ToolCall, ...]:
    if not _is_list(calls):
        return ()
    return tuple(_parse_call(call, f"{where}.tool_calls[{index}]") for index, call in enumerate(calls))


def _parse_call(call: object, where: str) -> ToolCall:
    function = call.get("function") if _is_mapping(call) else None
    if not _is_mapping(call) or not _is_mapping(function) or not isinstance(function.get("name"), str):
        raise Rejected(f"`{where}` names no function.", param=where)
    return ToolCall(str(call.get("id") or where), function["name"], _parse_arguments(function.get("arguments")))


def _parse_arguments(arguments: object) -> str:
    """Some servers send the object itself in place of its JSON text."""
    if isinstance(arguments, str):
        return arguments
    return canonical(arguments).decode() if _is_mapping(arguments) else "{}"


def _parse_sampling(body: Body) -> Sampling:
    limit = _whole(body, "max_completion_tokens") or _whole(body, "max_tokens")
    return Sampling(
        temperature=_number(body, "temperature"),
        top_p=_number(body, "top_p"),
        max_tokens=Sampling.max_tokens if limit is None else limit,
        seed=_whole(body, "seed"),
    )


def _number(body: Body, name: str) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Rejected(f"`{name}` is {value!r}; it must be a number.", param=name)
    return float(value)


def _whole(body: Body, name: str) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise Rejected(f"`{name}` is {value!r}; it must be a whole number.", param=name)
    return value


def _parse_tools(tools: object) -> tuple[Tool, ...]:
    if tools is None:
        return ()
    if not _is_list(tools):
        raise Rejected("`tools` must be a list.", param="tools")
    return tuple(_parse_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools))


def _parse_tool(tool: object, where: str) -> Tool:
    function = tool.get("function") if _is_mapping(tool) else None
    if not _is_mapping(function) or not isinstance(function.get("name"), str):
        raise Rejected(f"`{where}` describes no function.", param=where)
    return Tool(function["name"], str(function.get("description") or ""), function.get("parameters") or {})


def _parse_schema(form: object) -> Schema | None:
    """None for free text and for ``json_object``, which says nothing about the form."""
    if not _is_mapping(form) or form.get("type") != "json_schema":
        return None
    schema = form.get("json_schema")
    if not _is_mapping(schema) or not isinstance(schema.get("name"), str):
        raise Rejected("`response_format.json_schema` has no name.", param="response_format")
    return Schema(schema["name"], schema.get("schema") or {})


def _is_mapping(value: object) -> TypeGuard[Body]:
    return isinstance(value, Mapping)


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple)
