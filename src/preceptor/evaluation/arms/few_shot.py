"""Few-shot: the teacher's own replies in the nearest contexts, shown as examples. Responses instead of strategies."""

from collections.abc import Iterable
from dataclasses import dataclass

from preceptor.dialogue.conversation import Context, transcript
from preceptor.errors import UserError
from preceptor.evaluation.arms.nearest import Nearest
from preceptor.evaluation.arms.slotted import Slotted, fitting, shipped
from preceptor.library.model import Evidence
from preceptor.retrieval.embedding import Embedder
from preceptor.student.student import Student

EXAMPLES = 5
"""Examples shown at most: more of them are less and less like the context."""


@dataclass(frozen=True)
class Example:
    """What the teacher answered somebody else."""

    context: Context
    reply: str

    @property
    def text(self) -> str:
        """The customer's last message and the answer; the whole conversation would leave no room for a second one."""
        said = [turn for turn in self.context.turns if turn.party == "customer"][-1:]
        return "\n".join([transcript(tuple(said)), f"Agent: {' '.join(self.reply.split())}"])


@dataclass(frozen=True)
class Examples:
    """Examples, found by the likeness of their contexts."""

    held: tuple[Example, ...]
    nearest: Nearest
    tokens: int | None
    limit: int

    def text(self, context: Context) -> str:
        """The nearest stands last, next to the customer's own message."""
        texts = [self.held[index].text for index in self.nearest.order(context)[: self.limit]]
        return "\n\n".join([shipped("few_shot"), *reversed(fitting(texts, self.tokens))])


def examples(evidence: Iterable[Evidence]) -> tuple[Example, ...]:
    """The teacher's replies in evidence, one for each context."""
    found: dict[str, Example] = {}
    for entry in evidence:
        if entry.context and entry.teacher.strip():
            found.setdefault(entry.context.key, Example(entry.context, entry.teacher))
    return tuple(found[key] for key in sorted(found))


def few_shot(
    student: Student,
    evidence: Iterable[Evidence],
    embedder: Embedder | None = None,
    *,
    tokens: int | None = None,
    limit: int = EXAMPLES,
    name: str = "few-shot",
) -> Slotted:
    """The student with the teacher's replies from a library's evidence, those in the nearest contexts.

    Raises:
        UserError: the evidence holds no reply of a teacher.
        ProviderError: from the embedder.
    """
    held = examples(evidence)
    if not held:
        raise UserError("There are no examples to show: the library's evidence holds no reply of a teacher.")
    nearest = Nearest([example.context.turns for example in held], embedder)
    return Slotted(student, Examples(held, nearest, tokens, limit), name)
