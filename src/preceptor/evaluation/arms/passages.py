"""Plain retrieval: the passages of the policy, and of other texts, that are nearest to the conversation."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from preceptor.dialogue.conversation import Context, Turn
from preceptor.errors import UserError
from preceptor.evaluation.arms.nearest import Nearest
from preceptor.evaluation.arms.slotted import Slotted, fitting, shipped
from preceptor.retrieval.embedding import Embedder
from preceptor.retrieval.selector import about_tokens
from preceptor.student.student import Student

PASSAGES = 5
"""Passages shown at most."""
LONG = 60
"""Tokens from which a paragraph is divided into its sentences."""
_PARAGRAPH = re.compile(r"\n\s*\n|(?<=[.!?])\n|\n(?=\s*(?:[-*•#]+|\d+[.)])\s)")
_BULLET = re.compile(r"^(?:[-*•#]+|\d+[.)])\s+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class Passages:
    """Passages, found by their likeness to the conversation."""

    held: tuple[str, ...]
    nearest: Nearest
    tokens: int | None
    limit: int

    def text(self, context: Context) -> str:
        """The nearest first."""
        found = [self.held[index] for index in self.nearest.order(context)[: self.limit]]
        return "\n".join([shipped("passages"), *(f"- {passage}" for passage in fitting(found, self.tokens))])


def divided(text: str) -> list[str]:
    """The paragraphs, list items and lines that end a sentence of a text; long ones as their sentences."""
    parts = (_BULLET.sub("", " ".join(part.split())) for part in _PARAGRAPH.split(text))
    return [passage for part in parts if part for passage in _short(part)]


def _short(part: str) -> list[str]:
    return [part] if about_tokens(part) < LONG else _SENTENCE.split(part)


def passages(
    student: Student,
    texts: Iterable[str] = (),
    embedder: Embedder | None = None,
    *,
    tokens: int | None = None,
    limit: int = PASSAGES,
    name: str = "policy passages",
) -> Slotted:
    """The student with the nearest passages of its domain's policy and of `texts` (the contents of policy files).

    Raises:
        UserError: there is no policy and no text.
        ProviderError: from the embedder.
    """
    held = _distinct([student.domain.policy, *texts])
    if not held:
        raise UserError("There are no passages to find: the domain has no policy, and no other text was given.")
    return Slotted(
        student, Passages(held, Nearest([[Turn("customer", one)] for one in held], embedder), tokens, limit), name
    )


def _distinct(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(passage for text in texts for passage in divided(text)))
