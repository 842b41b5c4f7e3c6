"""Conversations that people rated: what a judge is held against. Plain data; read by `logs`, computed on by
`evaluation`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from preceptor.dialogue.conversation import Conversation
from preceptor.judging.verdicts import Rating

Answer = Literal["satisfaction", "goal_reached", "policy_kept"]
"""A part of a judge's rating."""


@dataclass(frozen=True)
class Question:
    """What people were asked about each conversation."""

    name: str
    """As the file has it, such as ``S``."""
    title: str
    """In words, such as ``customer satisfaction``."""
    answer: Answer
    """What of a judge's rating is held against it."""
    low: float
    high: float
    """Ends of the people's scale, whose steps are whole numbers; 0 and 1 for no and yes."""

    @property
    def binary(self) -> bool:
        """A judge says yes or no to it, whatever scale people had."""
        return self.answer != "satisfaction"

    def said(self, rating: Rating) -> float:
        """What a judge's rating says to it: 1 to 5, or 0 and 1."""
        return float(getattr(rating, self.answer))


@dataclass(frozen=True)
class Rated:
    """A conversation, and what people thought of it."""

    conversation: Conversation
    ratings: Mapping[str, Mapping[str, float]]
    """By question's name, then by rater: the same name is the same person throughout a file."""
