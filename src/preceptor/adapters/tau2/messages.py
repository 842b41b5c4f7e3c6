"""Turns as tau2-bench's messages, and back."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from preceptor.adapters.tau2.package import part
from preceptor.dialogue.conversation import Turn
from preceptor.dialogue.domain import ToolSpec
from preceptor.errors import BadReply
from preceptor.llm.messages import ToolCall


def turns_of(message: Any) -> Iterator[Turn]:
    """A user's, an assistant's or tools' message; those of a system are none of a conversation."""
    match message.role:
        case "user":
            yield Turn("customer", message.content or "")
        case "assistant":
            calls = [
                ToolCall(call.id, call.name, orjson.dumps(call.arguments).decode()) for call in message.tool_calls or ()
            ]
            yield Turn("agent", message.content or "", tuple(calls))
        case "tool":
            for result in getattr(message, "tool_messages", None) or [message]:
                yield Turn("tool", result.content or "", tool_call_id=result.id)


def agent_message(turn: Turn) -> Any:
    """An agent's turn. Where it calls tools its text is left out: tau2 takes one or the other.

    Raises:
        BadReply: a call's arguments are no JSON object.
    """
    message = part("data_model.message")
    if not turn.tool_calls:
        return message.AssistantMessage(role="assistant", content=turn.text)
    calls = [
        message.ToolCall(id=call.id, name=call.name, arguments=arguments(call), requestor="assistant")
        for call in turn.tool_calls
    ]
    return message.AssistantMessage(role="assistant", content=None, tool_calls=calls)


def trajectory(turns: Sequence[Turn]) -> list[Any]:
    """A conversation as tau2's evaluators take it. Calls that could not be read were never made, and are left out."""
    message = part("data_model.message")
    found: list[Any] = []
    made: set[str] = set()
    for turn in turns:
        if turn.party == "customer":
            found.append(message.UserMessage(role="user", content=turn.text))
        elif turn.party == "tool":
            if turn.tool_call_id in made:
                found.append(message.ToolMessage(id=turn.tool_call_id, role="tool", content=turn.text))
        else:
            readable = tuple(call for call in turn.tool_calls if _readable(call))
            made |= {call.id for call in readable}
            if readable or turn.text:
                found.append(agent_message(Turn("agent", turn.text, readable)))
    return found


def arguments(call: ToolCall) -> dict[str, Any]:
    """Raises: BadReply: they are no JSON object."""
    try:
        found = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError as fault:
        raise BadReply(f"The arguments of {call.name!r} are not valid JSON: {fault}.") from None
    if not isinstance(found, dict):
        raise BadReply(f"The arguments of {call.name!r} are no JSON object.")
    return found


def _readable(call: ToolCall) -> bool:
    try:
        arguments(call)
    except BadReply:
        return False
    return True


def spec_of(tool: Any) -> ToolSpec:
    """What tau2 says of a tool."""
    said = tool.openai_schema["function"]
    return ToolSpec(name=said["name"], description=said["description"], parameters=said["parameters"])
