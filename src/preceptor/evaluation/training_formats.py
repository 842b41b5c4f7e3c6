"""How training examples are written, a JSON object a line.

- ``trl``: the conversational forms TRL reads (language modelling, prompt-completion, preference, unpaired preference);
  arguments of tool calls are objects, as chat templates want them.
- ``openai``: what OpenAI's fine-tuning takes for supervised training and for direct preference optimisation. There is
  none for KTO.
- ``sharegpt``: as LLaMA-Factory reads it: turns from ``human``, ``gpt``, ``function_call`` and ``observation`` in
  strict alternation, so calls made at once become one turn, and words said beside a call are lost.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Literal

import orjson

from preceptor.errors import UserError
from preceptor.evaluation.training_data import Demonstration, Example, Preference, Verdict
from preceptor.llm.messages import Message, Request, Tool, ToolCall
from preceptor.llm.wire import render_request

Format = Literal["trl", "openai", "sharegpt"]
Row = dict[str, Any]


def row(example: Example, form: Format, tools: Sequence[Tool] = ()) -> Row:
    """One example, as the form has it. `tools`: what the agent may call; left out where there is none.

    Raises:
        UserError: the form cannot hold it.
    """
    match form:
        case "trl":
            return _trl(example) | ({"tools": _tools(tools)} if tools else {})
        case "openai":
            return _openai(example, tools)
        case "sharegpt":
            return _sharegpt(example) | (
                {"tools": _json([tool["function"] for tool in _tools(tools)])} if tools else {}
            )


def _trl(example: Example) -> Row:
    match example:
        case Demonstration(prompt, completion) if len(completion) > 1 or len(prompt) == 1:
            return {"messages": _with_objects([*prompt, *completion])}
        case Demonstration(prompt, completion):
            return {"prompt": _with_objects(prompt), "completion": _with_objects(completion)}
        case Preference(prompt, chosen, rejected):
            return {
                "prompt": _with_objects(prompt),
                "chosen": _with_objects([chosen]),
                "rejected": _with_objects([rejected]),
            }
        case Verdict(prompt, completion, good):
            return {"prompt": _with_objects(prompt), "completion": _with_objects([completion]), "label": good}


def _openai(example: Example, tools: Sequence[Tool]) -> Row:
    match example:
        case Demonstration(prompt, completion):
            seen = [m | ({"weight": 0} if m["role"] == "assistant" else {}) for m in _messages(prompt)]
            return {"messages": [*seen, *_messages(completion)]} | ({"tools": _tools(tools)} if tools else {})
        case Preference(prompt, chosen, rejected):
            return {
                "input": {"messages": _messages(prompt), "tools": _tools(tools), "parallel_tool_calls": True},
                "preferred_output": _messages([chosen]),
                "non_preferred_output": _messages([rejected]),
            }
        case Verdict():
            raise UserError("OpenAI's fine-tuning takes no single verdicts. Use --format trl, or export preferences.")


def _sharegpt(example: Example) -> Row:
    system, *rest = example.prompt
    if any(message.role == "system" for message in rest) or (rest and rest[-1].role == "assistant"):
        raise UserError("ShareGPT has no place for guidance between the turns. Use --format trl or openai.")
    known: Row = {"system": system.content}
    match example:
        case Demonstration(_, completion):
            return known | {"conversations": _said([*rest, *completion])}
        case Preference(_, chosen, rejected):
            pair = {"chosen": _said([chosen])[0], "rejected": _said([rejected])[0]}
            return known | {"conversations": _said(rest)} | pair
        case Verdict(_, completion, good):
            return known | {"conversations": _said([*rest, completion]), "kto_tag": good}


def _said(messages: Sequence[Message]) -> list[Row]:
    """Neighbours of one kind are one turn."""
    turns = []
    for speaker, group in groupby(messages, _speaker):
        said = list(group)
        calls = [_call(call) for message in said for call in message.tool_calls]
        value = _json(calls[0] if len(calls) == 1 else calls) if calls else "\n".join(m.content for m in said)
        turns.append({"from": speaker, "value": value})
    return turns


def _speaker(message: Message) -> str:
    if message.tool_calls:
        return "function_call"
    return {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}[message.role]


def _call(call: ToolCall) -> Row:
    return {"name": call.name, "arguments": call.read()}


def _messages(messages: Sequence[Message]) -> list[Row]:
    """As the chat-completions protocol has them."""
    body: list[Row] = render_request(Request(tuple(messages)), "")["messages"]
    return body


def _with_objects(messages: Sequence[Message]) -> list[Row]:
    rows = _messages(messages)
    calls = [call for message in messages for call in message.tool_calls]
    told = [call["function"] for row in rows for call in row.get("tool_calls", ())]
    for function, call in zip(told, calls, strict=True):
        function["arguments"] = call.read()
    return rows


def _tools(tools: Sequence[Tool]) -> list[Row]:
    body: list[Row] = render_request(Request((), tools=tuple(tools)), "").get("tools", [])
    return body


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
