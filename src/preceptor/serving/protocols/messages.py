"""Anthropic's messages: the system message is a field of its own, and tool results come inside the user's messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import orjson

from preceptor.dialogue.conversation import Turn
from preceptor.library.model import Placement
from preceptor.serving.protocols.asked import Asked, model_of, opened, wishes_of
from preceptor.serving.protocols.chat import message_of
from preceptor.serving.protocols.content import grown, lengthened, listed, role_of, spoken
from preceptor.serving.refusals import Refused
from preceptor.serving.splice import Document, Edit, Part, quoted
from preceptor.student.slot import worded


@dataclass(frozen=True)
class Messages:
    """``POST /v1/messages``."""

    name: str = "messages"
    path: str = "/messages"

    def read(self, body: bytes) -> Asked:
        document = opened(body, "messages")
        messages = listed(document, "messages")
        turns = tuple(turn for index, part in enumerate(messages) for turn in _said(part.value, index))
        return Asked(document, turns, model_of(document), document.get("stream") is True, wishes_of(document))

    def insert(self, asked: Asked, slot: str, placement: Placement) -> list[Edit]:
        document = asked.document
        messages: Sequence[Part] = document.get("messages")
        match placement:
            case "system_end" | "before_last":
                # No message may stand between the customer's and the agent's here; the system field is next best.
                return [_instructed(document, slot)]
            case "in_last":
                last = next(part for part in reversed(messages) if _is_customers(part.value))
                return [lengthened(document.text, last, worded(slot, placement), "text")]
            case "prefix":
                if messages[-1].value.get("role") == "assistant":
                    return [_instructed(document, slot)]
                # White space at the end of a begun reply is refused.
                begun = message_of("assistant", worded(slot, placement).rstrip())
                return [Edit(messages[-1].end, messages[-1].end, f",{begun}")]
        assert_never(placement)

    def keyed(self, key: str) -> Mapping[str, str]:
        # vLLM and other servers that speak this protocol, too, take only the second.
        return {"x-api-key": key, "Authorization": f"Bearer {key}"}

    def error(self, refused: Refused) -> bytes:
        return orjson.dumps({"type": "error", "error": {"type": refused.kind, "message": refused.message}})

    def broken(self, refused: Refused) -> bytes:
        return b"event: error\ndata: " + self.error(refused) + b"\n\n"


def _said(message: Any, index: int) -> tuple[Turn, ...]:
    role = role_of(message, "messages", index)
    content = message.get("content")
    if role == "assistant":
        return (Turn("agent", spoken(content)),)
    if role != "user":
        return ()
    results = [part for part in content if _is_result(part)] if isinstance(content, list) else []
    tools = tuple(Turn("tool", spoken(part.get("content"))) for part in results)
    text = spoken(content)
    return (*tools, Turn("customer", text)) if text or not results else tools


def _is_customers(message: Any) -> bool:
    return message.get("role") == "user" and bool(spoken(message.get("content")))


def _is_result(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "tool_result"


def _instructed(document: Document, slot: str) -> Edit:
    """The slot at the end of the system field; in a list as a block of its own, so that what is cached before stays."""
    part = document.part("system")
    if part is None:
        return document.added("system", quoted(slot))
    return grown(document.text, part, worded(slot, "system_end"), "text", apart=True)
