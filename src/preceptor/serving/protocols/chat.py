"""OpenAI's chat completions: what teaching speaks, too, so that a taught request is the one that was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from preceptor.dialogue.conversation import Party, Turn
from preceptor.library.model import Placement
from preceptor.serving.protocols import openai
from preceptor.serving.protocols.asked import Asked, model_of, opened, wishes_of
from preceptor.serving.protocols.content import lengthened, listed, role_of, spoken
from preceptor.serving.refusals import Refused
from preceptor.serving.splice import Edit, Part, quoted
from preceptor.student.slot import worded

SYSTEM = frozenset({"system", "developer"})
PARTIES: dict[str, Party] = {"user": "customer", "assistant": "agent", "tool": "tool", "function": "tool"}


@dataclass(frozen=True)
class Chat:
    """``POST /v1/chat/completions``."""

    name: str = "chat"
    path: str = "/chat/completions"

    def read(self, body: bytes) -> Asked:
        document = opened(body, "messages")
        turns = turns_of(listed(document, "messages"), "messages")
        return Asked(document, turns, model_of(document), document.get("stream") is True, wishes_of(document))

    def insert(self, asked: Asked, slot: str, placement: Placement) -> list[Edit]:
        messages: Sequence[Part] = asked.document.get("messages")
        return [placed(asked.document.text, messages, slot, placement)]

    def keyed(self, key: str) -> Mapping[str, str]:
        return openai.keyed(key)

    def error(self, refused: Refused) -> bytes:
        return openai.error(refused)

    def broken(self, refused: Refused) -> bytes:
        return openai.broken(refused)


def turns_of(messages: Sequence[Part], where: str) -> tuple[Turn, ...]:
    """The conversation in a list of messages.

    Raises:
        Refused: a message without a role.
    """
    turns: list[Turn] = []
    for index, part in enumerate(messages):
        party = PARTIES.get(role_of(part.value, where, index))
        if party is not None:
            turns.append(Turn(party, spoken(part.value.get("content"))))
    return tuple(turns)


def placed(text: str, messages: Sequence[Part], slot: str, placement: Placement, kind: str = "text") -> Edit:
    """The edit that puts a slot into a list of messages, as `student.slot.place` does to plain ones."""
    words = worded(slot, placement)
    last = next(message for message in reversed(messages) if message.value.get("role") == "user")
    match placement:
        case "system_end":
            if messages[0].value.get("role") in SYSTEM:
                return lengthened(text, messages[0], words, kind)
            return Edit(messages[0].start, messages[0].start, f"{message_of('system', slot)},")
        case "before_last":
            return Edit(last.start, last.start, f"{message_of('system', words)},")
        case "in_last":
            return lengthened(text, last, words, kind)
        case "prefix":
            return Edit(messages[-1].end, messages[-1].end, f",{message_of('assistant', words)}")
    assert_never(placement)


def message_of(role: str, words: str) -> str:
    """A message as JSON."""
    return f'{{"role":"{role}","content":{quoted(words)}}}'
