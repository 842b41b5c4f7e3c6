"""Conversations written down, where the owner asked for it: a line for each, in the form that `teach --logs` reads.

A request holds the whole conversation so far, so the next one takes the place of the one before; what is written is the
last. A conversation is known again by what was said in it, not by a name: customers who open alike stay apart. It is
written when nothing has come for a while, or when the gateway ends; one that is killed loses those that were open.
"""

import asyncio
import contextlib
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import orjson

from preceptor.dialogue.conversation import Context, Party, Turn
from preceptor.library.redaction import Redaction
from preceptor.llm.messages import ToolCall
from preceptor.serving.lines import Lines
from preceptor.serving.protocols.content import spoken
from preceptor.serving.splice import Part
from preceptor.serving.usage import data_of
from preceptor.serving.visit import Visit

IDLE = 600.0
"""Seconds after which a conversation is taken to be over."""
OPEN = 10_000
"""Conversations that may be open at a time; beyond, the oldest are written as they are."""
EVERY = 5.0
"""Seconds between two looks for those that are over."""
PARTIES: dict[str, Party] = {"user": "customer", "assistant": "agent", "tool": "tool"}
ROLES = {party: role for role, party in PARTIES.items()}
Message = dict[str, Any]
STRANGE = (TypeError, LookupError, ValueError, AttributeError)
"""What comes of messages and replies of no form we know: nobody has checked them, they were only passed on."""


@dataclass(frozen=True)
class _Talk:
    messages: list[Message]
    tags: list[str]
    at: float


class Recorder:
    """Writes conversations down."""

    taped = True

    def __init__(self, lines: Lines, *, redacted: bool = True, idle: float = IDLE) -> None:
        """`redacted`: with customers' data replaced, as far as simple patterns find it."""
        self._lines = lines
        self._redacted = redacted
        self._idle = idle
        self._talks: OrderedDict[bytes, _Talk] = OrderedDict()
        """By all that was said, oldest first."""

    @property
    def lost(self) -> int:
        return self._lines.lost

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self._lines.open()
        stop = asyncio.Event()
        following = asyncio.create_task(self._follow(stop))
        try:
            yield
        finally:
            stop.set()
            await following
            await anyio.to_thread.run_sync(self._lines.close)

    def note(self, visit: Visit) -> None:
        try:
            self._note(visit)
        except STRANGE:
            self._lines.lost += 1

    def _note(self, visit: Visit) -> None:
        asked, heard, given = visit.asked, visit.heard, visit.given
        if asked is None or heard is None or given is None:
            return
        said = reply(heard.tape)
        if not said:
            return
        raw = asked.document.get("messages") if visit.route == "chat" else None
        messages = (
            _messages(raw) if raw else [{"role": ROLES[turn.party], "content": turn.text} for turn in asked.turns]
        )
        before = next((n for n in range(len(messages), 0, -1) if messages[n - 1]["role"] == "assistant"), 0)
        self._talks.pop(_key(messages[:before]), None)
        tags = [f"teaching:{given.state}", *([f"release:{given.release[:12]}"] if given.release else [])]
        whole = [*messages, said]
        self._talks[_key(whole)] = _Talk(whole, tags, time.monotonic())

    async def _follow(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), EVERY)
            over = self._over(everything=stop.is_set())
            await anyio.to_thread.run_sync(self._write, over)

    def _over(self, *, everything: bool) -> Sequence[tuple[bytes, _Talk]]:
        found, now = [], time.monotonic()
        while self._talks:
            key, talk = next(iter(self._talks.items()))
            if not everything and len(self._talks) <= OPEN and now - talk.at < self._idle:
                break
            found.append((key, self._talks.pop(key)))
        return found

    def _write(self, talks: Sequence[tuple[bytes, _Talk]]) -> None:
        for key, talk in talks:
            try:
                messages = _without_data(talk.messages) if self._redacted else talk.messages
                self._lines.put(orjson.dumps({"id": key.hex(), "messages": messages, "tags": talk.tags}))
            except STRANGE:
                self._lines.lost += 1


def reply(tape: bytes) -> Message | None:
    """What a reply says, as a message, whatever its protocol; None where it says nothing that can be read."""
    text: list[Any] = []
    calls: list[dict[str, Any]] = []
    for data in data_of(tape):
        for choice in (data.get("choices") or [])[:1]:
            message = choice.get("message") or choice.get("delta") or {}
            text.append(message.get("content"))
            calls += message.get("tool_calls") or []
        if data.get("type") == "message":
            text.append(spoken(data.get("content")))
        if data.get("object") == "response":
            text += [spoken(item.get("content")) for item in data.get("output") or [] if item.get("type") == "message"]
        if data.get("type") == "response.output_text.delta":
            text.append(data.get("delta"))
        if data.get("type") == "content_block_delta":
            text.append(data["delta"].get("text"))
    said = "".join(part for part in text if isinstance(part, str))
    called = _calls(calls)
    if not said and not called:
        return None
    return {"role": "assistant", "content": said} | ({"tool_calls": called} if called else {})


def _calls(pieces: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tool calls, whole or in the pieces of a stream."""
    found: dict[int, dict[str, Any]] = {}
    for place, piece in enumerate(pieces):
        call = found.setdefault(piece.get("index", place), {"id": "", "type": "function"})
        call["id"] = piece.get("id") or call["id"]
        function, more = call.setdefault("function", {"name": "", "arguments": ""}), piece.get("function") or {}
        for name in ("name", "arguments"):
            function[name] += more.get(name) or ""
    return list(found.values())


def _messages(parts: Sequence[Part]) -> list[Message]:
    """Messages of a chat without instructions and pictures, which are no turns."""
    found = []
    for part in parts:
        message = part.value
        if message.get("role") in PARTIES:
            more = {name: message[name] for name in ("tool_calls", "tool_call_id") if message.get(name)}
            found.append({"role": message["role"], "content": spoken(message.get("content")), **more})
    return found


def _key(messages: Sequence[Message]) -> bytes:
    """By what was said; clients trim blanks."""
    said = "\0".join(f"{message['role']}\0{message['content'].strip()}" for message in messages)
    return hashlib.blake2b(said.encode("utf-8", "replace"), digest_size=12).digest()


def _without_data(messages: Sequence[Message]) -> list[Message]:
    turns = tuple(Turn(PARTIES[message["role"]], message["content"], _made(message)) for message in messages)
    redaction = Redaction.of([Context(turns)])
    return [
        {**message, "content": redaction.json(message["content"]), **_called(message, redaction)}
        for message in messages
    ]


def _made(message: Message) -> tuple[ToolCall, ...]:
    """What a tool was asked: some of its fields are data by their names alone."""
    calls = message.get("tool_calls", ())
    return tuple(ToolCall("", "", str(call["function"]["arguments"])) for call in calls)


def _called(message: Message, redaction: Redaction) -> Message:
    calls = [
        {**call, "function": {**call["function"], "arguments": redaction.json(call["function"]["arguments"])}}
        for call in message.get("tool_calls", ())
    ]
    return {"tool_calls": calls} if calls else {}
