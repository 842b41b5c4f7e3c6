"""OpenAI's responses: a conversation is a text or a list of items, and the system message is a field of its own.

What an earlier response holds (``previous_response_id``) stays with the upstream: here the conversation is what the
request carries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from preceptor.dialogue.conversation import Turn
from preceptor.library.model import Placement
from preceptor.serving.protocols import openai
from preceptor.serving.protocols.asked import Asked, model_of, opened, wishes_of
from preceptor.serving.protocols.chat import PARTIES, SYSTEM, message_of
from preceptor.serving.protocols.content import grown, lengthened, listed, spoken
from preceptor.serving.refusals import Refused
from preceptor.serving.splice import Document, Edit, Part, quoted
from preceptor.student.slot import worded


@dataclass(frozen=True)
class Responses:
    """``POST /v1/responses``."""

    name: str = "responses"
    path: str = "/responses"

    def read(self, body: bytes) -> Asked:
        document = opened(body, "input")
        turns = _turns(document)
        return Asked(document, turns, model_of(document), document.get("stream") is True, wishes_of(document))

    def insert(self, asked: Asked, slot: str, placement: Placement) -> list[Edit]:
        document, words = asked.document, worded(slot, placement)
        part = document.part("input")
        assert part is not None, "what is teachable has an input"
        if isinstance(part.value, str):
            inside = placement == "in_last"
            return [grown(document.text, part, words, "input_text") if inside else _instructed(document, slot)]
        items: Sequence[Part] = part.value
        last = next(item for item in reversed(items) if item.value.get("role") == "user")
        match placement:
            case "system_end":
                opens = items[0].value.get("role") in SYSTEM and not isinstance(document.get("instructions"), str)
                return [
                    lengthened(document.text, items[0], words, "input_text") if opens else _instructed(document, slot)
                ]
            case "before_last":
                return [Edit(last.start, last.start, f"{message_of('system', words)},")]
            case "in_last":
                return [lengthened(document.text, last, words, "input_text")]
            case "prefix":
                return [Edit(items[-1].end, items[-1].end, f",{message_of('assistant', words)}")]
        assert_never(placement)

    def keyed(self, key: str) -> Mapping[str, str]:
        return openai.keyed(key)

    def error(self, refused: Refused) -> bytes:
        return openai.error(refused)

    def broken(self, refused: Refused) -> bytes:
        """As the API's own ``error`` event."""
        body = {"type": "error", "code": refused.code, "message": refused.message, "param": refused.param}
        return b"event: error\ndata: " + openai.dumped({**body, "sequence_number": 0}) + b"\n\n"


def _turns(document: Document) -> tuple[Turn, ...]:
    part = document.part("input")
    if part is None:
        # A stored prompt or an earlier response may be all there is.
        return ()
    if isinstance(part.value, str):
        return (Turn("customer", part.value),)
    return tuple(turn for item in listed(document, "input") for turn in _said(item.value))


def _said(item: Any) -> tuple[Turn, ...]:
    """Items without a role are calls, results and thoughts; results are a tool's turns, the rest is nobody's."""
    role = item.get("role")
    if isinstance(role, str) and role in PARTIES:
        return (Turn(PARTIES[role], spoken(item.get("content"))),)
    output = item.get("output")
    return (Turn("tool", spoken(output)),) if output is not None else ()


def _instructed(document: Document, slot: str) -> Edit:
    """The slot at the end of the instructions."""
    part = document.part("instructions")
    if part is None:
        return document.added("instructions", quoted(slot))
    return grown(document.text, part, worded(slot, "system_end"), "input_text")
