"""Conversations of people and machines, read from files. One row at a time: a log may be larger than memory.

Two forms are known and told apart row by row:

- OpenAI messages, a JSON object a line: ``{"messages": […]}`` with tool calls, and optionally ``id``, ``outcome``
  (how it ended), ``reward`` and ``tags``. System messages are not turns and are left out, and so is thinking.
- STAR (Mosig et al. 2020, arXiv 2010.11853): ``{"turns": [{"speaker": …}]}``. What customers were instructed to do is
  not a turn. The task's name is kept as a tag, for measuring; tags are never shown to a model.

A row that cannot be read is skipped with its line and the reason; the rest is read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import orjson

from preceptor.dialogue.conversation import Conversation, Ending, Party, Turn
from preceptor.errors import NotFound, Rejected, SettingsError
from preceptor.llm.messages import Message, ToolCall
from preceptor.llm.thinking import split_thinking
from preceptor.llm.wire import parse_messages

_KEPT = 100
_ENDINGS: tuple[Ending, ...] = get_args(Ending)
_PARTIES: Mapping[str, Party] = {"user": "customer", "assistant": "agent", "tool": "tool"}


@dataclass(frozen=True)
class Skipped:
    """A row that could not be read."""

    line: int
    """From 1."""
    reason: str


class Unreadable(Exception):
    """Why a row cannot be read."""


class Log:
    """A file of conversations. Iterate over it, as often as you like."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped: list[Skipped] = []
        """The first hundred rows the last iteration could not read."""
        self.skipped_rows = 0
        """How many there were."""

    def __iter__(self) -> Iterator[Conversation]:
        """Raises: NotFound, SettingsError: there is no such file, it cannot be opened, or it is no JSONL at all."""
        self.skipped, self.skipped_rows = [], 0
        for line, row in self._rows():
            try:
                yield conversation_of(parse(row), self.path.stem, line)
            except Unreadable as fault:
                self.skipped_rows += 1
                if len(self.skipped) < _KEPT:
                    self.skipped.append(Skipped(line, str(fault)))

    def _rows(self) -> Iterator[tuple[int, bytes]]:
        try:
            with self.path.open("rb") as file:
                for line, row in enumerate(file, 1):
                    if line == 1 and row.lstrip().startswith(b"["):
                        raise SettingsError(f"{self.path}: holds a JSON list; a log has one object on each line.")
                    if row.strip():
                        yield line, row
        except FileNotFoundError:
            raise NotFound(f"There is no log file {str(self.path)!r}.") from None
        except OSError as fault:
            raise SettingsError(f"{self.path}: cannot be read: {fault.strerror}.") from None


def read(path: Path) -> Log:
    """The conversations of a log file, its form found out row by row."""
    return Log(path)


def parse(row: bytes) -> Mapping[str, Any]:
    """Raises: Unreadable"""
    try:
        data = orjson.loads(row)
    except orjson.JSONDecodeError as fault:
        raise Unreadable(f"Not valid JSON: {fault}.") from None
    if not isinstance(data, dict):
        raise Unreadable("Not a JSON object.")
    return data


def conversation_of(data: Mapping[str, Any], log: str, line: int) -> Conversation:
    """A row of either form. Raises: Unreadable"""
    if "messages" in data:
        read, turns, tags = "messages", _openai_turns(data["messages"]), _openai_tags(data)
    elif "turns" in data:
        read, turns, tags = "turns", _star_turns(data["turns"]), _star_tags(data)
    else:
        raise Unreadable("Neither `messages` nor `turns` is there.")
    if not any(turn.party == "customer" for turn in turns):
        raise Unreadable(f"`{read}` holds nothing a customer said.")
    customer = data.get("id", line)
    return Conversation(turns, _ending(data), f"{log}:{customer}", log, tags)


def _ending(data: Mapping[str, Any]) -> Ending:
    return next((ending for ending in _ENDINGS if ending == data.get("outcome")), "open")


def _openai_turns(messages: object) -> tuple[Turn, ...]:
    try:
        parsed = parse_messages(messages)
    except Rejected as fault:
        raise Unreadable(str(fault)) from None
    return tuple(_turn(message) for message in parsed if message.role != "system")


def _turn(message: Message) -> Turn:
    text, _ = split_thinking(message.content) if message.role == "assistant" else (message.content, None)
    return Turn(_PARTIES[message.role], text, message.tool_calls, message.tool_call_id)


def _openai_tags(data: Mapping[str, Any]) -> tuple[str, ...]:
    tags = data.get("tags") or []
    if not isinstance(tags, list):
        raise Unreadable("`tags` must be a list.")
    measured = [f"{name}:{data[name]}" for name in ("outcome", "reward") if data.get(name) is not None]
    return (*(str(tag) for tag in tags), *measured)


def _star_tags(data: Mapping[str, Any]) -> tuple[str, ...]:
    return (f"task:{data['task']}",) if "task" in data else ()


def _star_turns(turns: object) -> tuple[Turn, ...]:
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise Unreadable("`turns` must be a list of objects.")
    said = [turn for turn in turns if turn.get("speaker") != "customer_instruction"]
    call, result = 0, []
    for place, turn in enumerate(said):
        call += turn.get("speaker") == "tool_call"
        try:
            result.append(_star_turn(turn, f"call-{call}"))
        except (LookupError, TypeError, ValueError, AttributeError):
            raise Unreadable(f"`turns[{place}]` is not of STAR's form.") from None
    return tuple(result)


def _star_turn(turn: Mapping[str, Any], call: str) -> Turn:
    speaker = turn["speaker"]
    if speaker in ("customer", "agent"):
        return Turn(speaker, turn["text"].strip())
    if speaker == "tool_call":
        return Turn("agent", "", (ToolCall(call, turn["api"], _arguments(turn["constraints"])),))
    if speaker == "tool_result":
        return Turn("tool", _json(turn["item"]), tool_call_id=call)
    raise ValueError(speaker)


def _arguments(constraints: Sequence[Mapping[str, Any]]) -> str:
    """A list of one-entry objects, as the object it stands for."""
    return _json({name: value for constraint in constraints for name, value in constraint.items()})


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
