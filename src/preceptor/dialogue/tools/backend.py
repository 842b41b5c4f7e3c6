"""What stands behind tools: one small contract for all kinds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.outcome import Outcome

HIDDEN = "[key]"
_SHORTEST = 8
"""Characters of a value that is taken for a secret: what is shorter stands in texts by chance."""


def without(text: str, secrets: Iterable[str]) -> str:
    """A text without what was given to whoever wrote it and is nobody else's to know."""
    # As it was set, a variable may end in a line break that whoever speaks of it leaves out or writes otherwise.
    for secret in map(str.strip, secrets):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, HIDDEN)
    return text


@dataclass(frozen=True)
class Visit:
    """The conversation in which a tool is called. A function with a parameter of this type is given it."""

    conversation: str
    """Its own name, the same when a run is resumed: what keeps state by conversation keeps it by this."""
    customer: str
    """The customer's key; the same customer comes to every arm of an evaluation, each time in another conversation."""
    topic: str
    """The id of what the customer comes with."""
    seed: int
    """The customer's: whatever is made up for a customer can be made up from it again."""


class Backend(Protocol):
    """Runs tools, from before the first conversation until after the last (`aclose`)."""

    async def ready(self, visit: Visit) -> None:
        """Return when a call of a conversation can be made. What is waited for here does not count as the call's time.

        Raises:
            PreceptorError: it cannot be.
        """

    async def call(self, name: str, arguments: Mapping[str, Any], visit: Visit, key: str) -> str:
        """Run a tool and give its result. `key` names this call; it is the same if the call is made again.

        Raises:
            ToolFailed: with what the agent is to be told.
            PreceptorError: any other: nobody is there, and nothing was done.
        """

    def outcome(self, visit: Visit, conversation: Conversation) -> Outcome | None:
        """What came of a conversation that has ended, asked before `leave`; None where nothing can tell."""

    async def leave(self, visit: Visit) -> None:
        """A conversation is over, whether or not it called anything."""

    async def aclose(self) -> None: ...
