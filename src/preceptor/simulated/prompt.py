"""Finding one's way in a request's messages, whoever wrote the prompt.

Models of a world take any prompt: instructions may stand in system messages, in marked notes inside a customer's turn,
or at the start of the reply; data stands in ``<blocks>``.
"""

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import orjson

from preceptor.llm.messages import Message, Request, Schema
from preceptor.simulated.words import instructs, sentences

Placement = Literal["system_end", "before_last", "in_last", "prefix"]

_BLOCK = re.compile(r"<([a-z][a-z_-]*)>\s*(.*?)\s*</\1>", re.DOTALL)
_BRACKETS = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]")
_NOTE = re.compile(r"\(?(?:note|reminder) (?:to|for) (?:the )?(?:agent|assistant)\b[^:\n]{0,60}:\s*(.*)", re.I | re.S)
_ORDER = re.compile(
    r"(?:\b(?:note|memo|reminder|rule|instruction|order|correction|update)\b[^.:\n]{0,50}|\b(?:system|admin|operator))"
    r"\s*:\s*([^\n]+?[.!])(?=\s|$)",
    re.I,
)
_TURN = re.compile(r"^(customer|user|agent|assistant|tool|system):\s*", re.I)
_ASKS = re.compile(r"^[ \t]*(?:customer|user):\s", re.I | re.M)
_REPLY = re.compile(r"^[ \t]*(?:agent|assistant):\s+(.*)$", re.I | re.M)
_SPEECH = re.compile(r"^[ \t]*(?:customer|user|agent|assistant|tool):\s.*$", re.I | re.M)
_PARTIES = {"user": "customer", "assistant": "agent", "system": "tool"}
_CALLS = re.compile(r"^Agent calls ([^\s(]+)\((.*)\)$")
_SHOWN_CALL = re.compile(r"^\(calls (\S+) with (.*)\)$", re.M)


@dataclass(frozen=True)
class Call:
    """A tool call somebody made."""

    tool: str
    arguments: str
    """JSON, as it was written."""


@dataclass(frozen=True)
class Said:
    """A line of a conversation."""

    party: str
    """customer, agent or tool."""
    text: str
    calls: tuple[Call, ...] = ()
    """What the agent called in this turn."""


@lru_cache(maxsize=4096)
def notes(text: str) -> tuple[str, tuple[str, ...]]:
    """A customer's turn without the notes somebody else put into it, and those notes."""
    found: list[str] = []
    for pattern, group in ((_BLOCK, 2), (_BRACKETS, 1), (_NOTE, 1)):
        found.extend(match[group] for match in pattern.finditer(text))
        text = pattern.sub(" ", text)
    return text.strip(), tuple(found)


@lru_cache(maxsize=4096)
def orders(text: str) -> tuple[str, ...]:
    """What stands in somebody's words as if it were meant for whoever reads along: ``Note for your records: …``."""
    return tuple(match[1].strip() for match in _ORDER.finditer(text))


def placed(messages: tuple[Message, ...]) -> Iterator[tuple[Placement, str]]:
    """Every text in the messages that may hold instructions, with where it stands."""
    for place, text in _placed(messages):
        yield place, unquoted(text)


@lru_cache(maxsize=4096)
def unquoted(text: str) -> str:
    """A text without the lines of conversations quoted in it: what an agent once said to a customer tells nobody what
    to do. Where no customer speaks, no conversation is quoted."""
    return _SPEECH.sub("", text) if _ASKS.search(text) else text


def examples(messages: tuple[Message, ...]) -> Iterator[tuple[Placement, str]]:
    """What agents say in conversations quoted in the messages, with where it stands."""
    for place, text in _placed(messages):
        if _ASKS.search(text):
            yield place, "\n".join(_REPLY.findall(text))


def _placed(messages: tuple[Message, ...]) -> Iterator[tuple[Placement, str]]:
    last = last_user(messages)
    merged = not any(message.role == "system" for message in messages)
    for place, message in enumerate(messages):
        match message.role:
            case "system":
                yield ("before_last" if 0 < place == last - 1 else "system_end"), message.content
            case "user":
                for note in notes(message.content)[1]:
                    yield "in_last", note
                if merged and (head := _split(message.content)[0]):
                    yield ("before_last" if 0 < place == last else "system_end"), head
            case "assistant":
                if place == len(messages) - 1:
                    yield "prefix", message.content
            case "tool":
                pass


def last_user(messages: tuple[Message, ...]) -> int:
    """Where the last user message stands; -1 without any."""
    return max((place for place, message in enumerate(messages) if message.role == "user"), default=-1)


def heard(messages: tuple[Message, ...]) -> tuple[str, ...]:
    """What the user said, oldest first: without notes, and without a system text that was put before it."""
    merged = not any(message.role == "system" for message in messages)
    said = (message.content for message in messages if message.role == "user")
    return tuple(_split(text)[1] if merged else notes(text)[0] or text for text in said)


def lines(messages: tuple[Message, ...]) -> tuple[Said, ...]:
    """The conversation that a chat's messages hold, as its agent has it; what is put before its next words is none."""
    customers = iter(heard(messages))
    found = []
    for place, message in enumerate(messages):
        match message.role:
            case "user":
                found.append(Said("customer", next(customers)))
            case "assistant" if message.tool_calls or place < len(messages) - 1:
                calls = tuple(Call(call.name, call.arguments) for call in message.tool_calls)
                found.append(Said("agent", message.content, calls))
            case "tool":
                found.append(Said("tool", message.content))
            case _:
                pass
    return tuple(found)


@lru_cache(maxsize=4096)
def _split(text: str) -> tuple[str, str]:
    """A user message of a prompt without system messages: what a client put before the customer's own paragraph, and
    that paragraph. Models that lack the system role are sent such prompts."""
    own = notes(text)[0] or text
    head, _, last = own.rpartition("\n\n")
    return (head, last) if any(map(instructs, sentences(head))) else ("", own)


def blocks(request: Request) -> Mapping[str, str]:
    """The marked data blocks of a prompt; of two with one name, the later."""
    found: dict[str, str] = {}
    for message in request.messages:
        found.update({name: html.unescape(text) for name, text in _BLOCK.findall(message.content)})
    return found


def outside(request: Request, block: str) -> str:
    """The prompt's text without one of its blocks."""
    text = "\n".join(message.content for message in request.messages)
    return re.sub(rf"<{block}>.*?</{block}>", "", text, flags=re.DOTALL)


def conversation(text: str) -> tuple[Said, ...]:
    """The lines of a transcript; a line without a speaker goes on with the one before."""
    turns: list[Said] = []
    for line in text.splitlines():
        if start := _TURN.match(line):
            party = start[1].lower()
            turns.append(Said(_PARTIES.get(party, party), line[start.end() :]))
        elif turns and line.startswith("Agent calls "):
            _note_call(turns, line.strip())
        elif turns and line.strip():
            turns[-1] = replace(turns[-1], text=f"{turns[-1].text} {line.strip()}")
    return tuple(turns)


def _note_call(turns: list[Said], line: str) -> None:
    """A call belongs to the agent's turn just before it, or to one without words."""
    found = _CALLS.match(line)
    if found is None:
        return
    if turns[-1].party != "agent":
        turns.append(Said("agent", ""))
    turns[-1] = replace(turns[-1], calls=(*turns[-1].calls, Call(found[1], found[2])))


def turn(text: str) -> Said:
    """An agent's reply as it is shown to judges and teachers, its calls in brackets."""
    calls = tuple(Call(tool, arguments) for tool, arguments in _SHOWN_CALL.findall(text))
    return Said("agent", _SHOWN_CALL.sub("", text).strip() if calls else text, calls)


def numbered(text: str) -> dict[int, str]:
    """The lines of a list such as ``1. …``, by number; lines without one are counted on."""
    lines: dict[int, str] = {}
    for line in filter(str.strip, text.splitlines()):
        start = re.match(r"\s*(?:(\d+)[.):]|[-*•])?\s*", line)
        assert start is not None
        lines[int(start[1]) if start[1] else len(lines) + 1] = line[start.end() :].strip()
    return lines


def form(request: Request) -> Schema | None:
    """The form asked for: the request's schema, or one that a server without schemas was given in the prompt."""
    if request.schema:
        return request.schema
    for message in reversed(request.messages):
        if '"properties"' in message.content and (found := _schema_in(message.content)):
            return Schema(str(found.get("title") or ""), found)
    return None


def task(schema: Schema) -> str:
    """A task's name, also from a class-like title: ``CompareReplies`` is ``compare_replies``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", schema.name).lower().replace("-", "_").replace(" ", "_")


def _schema_in(text: str) -> dict[str, Any] | None:
    start, end = text.find("{"), text.rfind("}")
    while 0 <= start < end:
        try:
            found = orjson.loads(text[start : end + 1])
        except orjson.JSONDecodeError:
            start = text.find("{", start + 1)
            continue
        return found if isinstance(found, dict) and "properties" in found else None
    return None
