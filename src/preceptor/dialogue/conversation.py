"""Conversations and the contexts inside them."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from preceptor.dialogue.outcome import Outcome
from preceptor.llm.messages import Message, ToolCall
from preceptor.storage.canonical import content_hash

Party = Literal["customer", "agent", "tool"]
Ending = Literal["open", "resolved", "left", "cut", "broken"]
"""How a conversation ended: not yet, the customer got what they came for, they gave up, the turn limit cut it, or a
model failed."""


@dataclass(frozen=True)
class Turn:
    """One message of a conversation, or a tool's result."""

    party: Party
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    """What the agent asked for in this turn."""
    tool_call_id: str | None = None
    """For a tool's turn: the call it answers."""

    def message(self) -> Message:
        """As the agent's model sees it: the agent is the assistant, the customer the user."""
        role = {"customer": "user", "agent": "assistant", "tool": "tool"}[self.party]
        return Message(role, self.text, self.tool_calls, self.tool_call_id)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Context:
    """A conversation so far, at a moment when the agent must act. Its key is its content."""

    turns: tuple[Turn, ...]

    @cached_property
    def key(self) -> str:
        """Content hash: equal contexts are one."""
        return content_hash(self.turns)[:16]

    @property
    def customer_turns(self) -> tuple[str, ...]:
        """The customer's texts, oldest first."""
        return tuple(turn.text for turn in self.turns if turn.party == "customer")

    def messages(self) -> tuple[Message, ...]:
        return tuple(turn.message() for turn in self.turns)

    def transcript(self) -> str:
        """For people and prompts: a line per turn, ``Customer: …``, ``Agent: …``, ``Tool: …``."""
        return transcript(self.turns)


@dataclass(frozen=True)
class Conversation:
    """An ordered list of turns with how it ended."""

    turns: tuple[Turn, ...]
    ending: Ending = "open"
    customer: str = ""
    """Who the customer was: a `Customer.key`, or a log's id. Conversations of one customer pair across arms."""
    source: str = "simulated"
    """Where it comes from: ``simulated``, or the log's name."""
    tags: tuple[str, ...] = field(default=())
    outcome: Outcome | None = None
    """What came of it, as the tools' environment found or a log says; None where nothing can tell."""
    task: str = ""
    """What was tried in it, where the same customer tried the same more than once; names all attempts."""

    def contexts(self) -> Iterator[tuple[Context, Turn]]:
        """Each moment the agent acted, with what it then did."""
        for index, turn in enumerate(self.turns):
            if turn.party == "agent" and index > 0:
                yield Context(self.turns[:index]), turn

    def transcript(self) -> str:
        return transcript(self.turns)


def words(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """What customer and agent said to each other, without what the agent did with its tools."""
    return tuple(replace(turn, tool_calls=()) for turn in turns if turn.party != "tool" and turn.text)


def transcript(turns: tuple[Turn, ...]) -> str:
    lines = []
    for turn in turns:
        if turn.text:
            lines.append(f"{turn.party.capitalize()}: {' '.join(turn.text.split())}")
        lines.extend(f"Agent calls {call.name}({call.arguments})" for call in turn.tool_calls)
    return "\n".join(lines)
