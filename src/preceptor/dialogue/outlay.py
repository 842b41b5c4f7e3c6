"""What conversations will take, before any is held: the figures estimates are made of.

Orders of magnitude, and said so wherever they are shown; a budget, which binds, is the way to be sure.
"""

from dataclasses import dataclass
from typing import Literal

from preceptor.dialogue.domain import Domain

Role = Literal["teacher", "student", "customer", "judge"]

TURNS = 3
"""Agent turns of a typical conversation."""
TURN_TOKENS = 45
TALK = TURNS * TURN_TOKENS
"""Tokens of what was said so far, on average over a conversation's calls."""


@dataclass(frozen=True)
class Share:
    """One role's part."""

    calls: int
    prompt_tokens: int
    completion_tokens: int

    def __add__(self, other: "Share") -> "Share":
        return Share(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )


def share(calls: float, prompt: int, completion: int) -> Share:
    """So many calls, each with so many tokens."""
    return Share(round(calls), round(calls * prompt), round(calls * completion))


def system_tokens(domain: Domain) -> int:
    """Of the system message, about: four characters of English to a token."""
    return len(domain.role + domain.goal + domain.policy) // 4
