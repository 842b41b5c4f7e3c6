"""The slot: the fixed place in the prompt where strategies stand.

No strategies, no slot: a prompt without guidance is byte for byte the prompt of the student alone. Where the slot works
best is a property of the student, so it is measured (`teaching.placement`) and kept with the library.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from preceptor.library.model import Placement, Strategy
from preceptor.llm.messages import Message

HEADER = "Guidance for this conversation:"
NOTE = "[Note to the agent, not written by the customer. {slot}]"


def render(strategies: Sequence[Strategy]) -> str:
    """The slot's text: one line per strategy, in order; empty for none."""
    if not strategies:
        return ""
    return "\n".join([HEADER, *(f"- {' '.join(strategy.text.split())}" for strategy in strategies)])


def repeats(text: str) -> bool:
    """Whether a reply recites the slot. Weak models do, and customers must not be shown it."""
    said = " ".join(text.split()).casefold()
    return any(mark.casefold() in said for mark in (HEADER.rstrip(":"), NOTE.partition(",")[0].lstrip("[")))


def worded(slot: str, placement: Placement) -> str:
    """What is put in for a slot at its place: after a text that is there, or as a message of its own."""
    match placement:
        case "system_end":
            return f"\n\n{slot}"
        case "before_last":
            return slot
        case "in_last":
            return f"\n\n{NOTE.format(slot=slot)}"
        case "prefix":
            return f"({slot})\n"
    assert_never(placement)


def place(messages: tuple[Message, ...], slot: str, placement: Placement) -> tuple[Message, ...]:
    """Put a slot into a request's messages; an empty slot changes nothing.

    The messages open with the system message and hold at least one of the customer's.
    """
    if not slot:
        return messages
    last = max(index for index, message in enumerate(messages) if message.role == "user")
    words = worded(slot, placement)
    match placement:
        case "system_end":
            return (replace(messages[0], content=messages[0].content + words), *messages[1:])
        case "before_last":
            return (*messages[:last], Message("system", words), *messages[last:])
        case "in_last":
            said = messages[last]
            return (*messages[:last], replace(said, content=said.content + words), *messages[last + 1 :])
        case "prefix":
            return (*messages, Message("assistant", words))
    assert_never(placement)
