"""The null arm: what the measure gives for nothing."""

from dataclasses import dataclass

from preceptor.dialogue.conversation import Context, Turn
from preceptor.evaluation.arms.slotted import shipped


@dataclass(frozen=True)
class Null:
    """Says the same polite sentence to everybody, and asks no model."""

    said: str
    name: str

    async def reply(self, context: Context, seed: int) -> Turn:
        return Turn("agent", self.said)


def null(said: str | None = None, *, name: str = "null") -> Null:
    """A fixed sentence; without `said`, the one that ships (prompts/null.txt)."""
    return Null(said or shipped("null"), name)
