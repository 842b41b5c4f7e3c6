"""A library put into the prompt in other ways than by retrieval: all of it, or its general strategies only."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from preceptor.dialogue.conversation import Context
from preceptor.library.model import Guidance, Strategy
from preceptor.retrieval.selector import Found, within
from preceptor.student.student import Student


@dataclass(frozen=True)
class Fixed:
    """Finds the same strategies for every context."""

    strategies: tuple[Strategy, ...]

    def find(self, context: Context) -> Found:
        return Found((), False, self.strategies)


def whole_library(
    student: Student, guidance: Guidance, *, tokens: int | None = None, name: str = "whole library"
) -> Student:
    """The student with the whole library in every prompt, the most valuable first, as much as fits."""
    return _fixed(student, guidance, guidance.strategies, tokens, name)


def general_only(
    student: Student, guidance: Guidance, *, tokens: int | None = None, name: str = "general strategies"
) -> Student:
    """The student with the general strategies in every prompt, and no other."""
    return _fixed(student, guidance, guidance.of(None), tokens, name)


def _fixed(
    student: Student, guidance: Guidance, strategies: Sequence[Strategy], tokens: int | None, name: str
) -> Student:
    by_worth = sorted(strategies, key=lambda strategy: (-strategy.value, strategy.id))
    return replace(student, finder=Fixed(within(by_worth, tokens)), placement=guidance.placement, name=name)
