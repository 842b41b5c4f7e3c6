"""The student with a text in its slot that is not a library's: instructions, examples, passages."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Protocol, runtime_checkable

from preceptor.dialogue.agent import Agent
from preceptor.dialogue.conversation import Context, Turn
from preceptor.errors import UserError
from preceptor.retrieval.selector import about_tokens
from preceptor.student.student import Student

SLOT_TOKENS = 250
"""Tokens an arm may add to the prompt: about what the twelve strategies take that a slot holds at most."""


@runtime_checkable
class Inserting(Protocol):
    """An agent that puts something into the prompt; a `Student` is one too."""

    def inserted(self, context: Context) -> str:
        """What stands in the prompt in a context beside what the student alone is sent; empty for nothing."""


class Source(Protocol):
    """Chooses the text for a context."""

    def text(self, context: Context) -> str:
        """Empty for nothing."""


@dataclass(frozen=True)
class Always:
    """The same text in every context."""

    said: str

    def text(self, context: Context) -> str:
        return self.said


@dataclass(frozen=True)
class Slotted:
    """The student with a source's text in its slot, where its strategies would stand."""

    student: Student
    source: Source
    name: str

    async def reply(self, context: Context, seed: int) -> Turn:
        """Raises what `Student.reply` raises."""
        return await self.student.reply_given(context, self.inserted(context), seed)

    def inserted(self, context: Context) -> str:
        return self.source.text(context)


def inserted(agent: Agent, context: Context) -> str:
    """What an agent of any kind puts into the prompt; empty for one that puts in nothing."""
    return agent.inserted(context) if isinstance(agent, Inserting) else ""


def fitting(texts: Iterable[str], tokens: int | None) -> list[str]:
    """Those that fit into so many tokens, about, in their order; one that is too long leaves room for the next."""
    kept, left = [], float("inf") if tokens is None else tokens
    for text in texts:
        if about_tokens(text) <= left:
            kept.append(text)
            left -= about_tokens(text)
    return kept


def held_to(tokens: int | None, text: str, what: str) -> str:
    """A text that must be given whole, or not at all.

    Raises:
        UserError: it takes more tokens than an arm may add.
    """
    if tokens is not None and about_tokens(text) > tokens:
        raise UserError(
            f"{what} takes about {about_tokens(text)} tokens, and an arm may add {tokens}. Shorten it or allow more."
        )
    return text


@cache
def shipped(name: str) -> str:
    """A fixed text from ``prompts/NAME.txt``."""
    return resources.files("preceptor.evaluation.arms").joinpath("prompts", f"{name}.txt").read_text("utf-8").strip()
