"""Whoever answers customers: one small contract for student, teacher and every arm of an evaluation."""

from typing import Protocol

from preceptor.dialogue.conversation import Context, Turn


class Agent(Protocol):
    @property
    def name(self) -> str:
        """How tables and reports call this arm."""

    async def reply(self, context: Context, seed: int) -> Turn:
        """The agent's turn in a context. The same context and seed give the same turn."""
