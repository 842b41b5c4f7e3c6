"""One reply of the student with strategies in place: the one object that teaching, evaluation and serving share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from preceptor.dialogue.agents import ask_for_turn, system_message
from preceptor.dialogue.conversation import Context, Turn
from preceptor.dialogue.domain import Domain
from preceptor.errors import BadReply
from preceptor.library.model import Guidance, Placement, Release, Strategy
from preceptor.llm.messages import Message, Sampling
from preceptor.llm.model import Model
from preceptor.retrieval.embedding import Embedder
from preceptor.retrieval.selector import Found, Retriever
from preceptor.student.slot import place, render, repeats

SLOT_LIMIT = 12
"""Strategies in the prompt at a time: following thins as instructions pile up (IFScale, arXiv 2507.11538)."""


class Finder(Protocol):
    """Chooses strategies for a context: `Retriever` by likeness; tests and baselines otherwise."""

    def find(self, context: Context) -> Found: ...


@dataclass(frozen=True)
class Student:
    """The model to be improved, with or without a library.

    `student.using(release, embedder)` is the same student taught; without one it is the student alone.
    """

    model: Model
    domain: Domain
    sampling: Sampling = Sampling(temperature=0.7, max_tokens=400)
    name: str = "student"
    finder: Finder | None = None
    placement: Placement = "system_end"

    def using(
        self,
        taught: Guidance | Release,
        embedder: Embedder | None = None,
        *,
        limit: int = SLOT_LIMIT,
        tokens: int | None = None,
        name: str | None = None,
    ) -> "Student":
        """This student with a release (or a library still being taught) in place.

        Without an embedder, the embedded default (static word vectors) is used. `limit`: most strategies in the slot;
        `tokens`: most tokens of them, about.
        """
        guidance = taught.guidance if isinstance(taught, Release) else taught
        return replace(
            self,
            finder=Retriever(guidance, embedder, limit, tokens),
            placement=guidance.placement,
            name=name or f"{self.name} with library",
        )

    async def reply(self, context: Context, seed: int) -> Turn:
        """The student's turn, with whatever strategies its finder puts in.

        Raises:
            BadReply: the model said nothing, or recited the slot.
            ProviderError, Stopped: from the model.
        """
        found = self.finder.find(context) if self.finder else None
        return await self.reply_with(context, found.strategies if found else (), seed)

    async def reply_with(self, context: Context, strategies: Sequence[Strategy], seed: int) -> Turn:
        """The student's turn with exactly these strategies in the slot.

        Raises:
            BadReply: the model said nothing, or recited the slot.
            ProviderError, Stopped: from the model.
        """
        return await self.reply_given(context, render(strategies), seed)

    async def reply_given(self, context: Context, slot: str, seed: int) -> Turn:
        """The student's turn with this text in its slot; an empty one leaves the prompt as it is.

        Raises:
            BadReply: the model said nothing, or recited the slot.
            ProviderError, Stopped: from the model.
        """
        messages = self.prompt(context, slot)
        turn = await ask_for_turn(self.model, self.domain, messages, replace(self.sampling, seed=seed))
        if slot and repeats(turn.text):
            raise BadReply("The student recited its guidance instead of following it.")
        return turn

    def inserted(self, context: Context) -> str:
        """What stands in the slot in a context; empty for none."""
        return render(self.finder.find(context).strategies) if self.finder else ""

    def prompt(self, context: Context, slot: str) -> tuple[Message, ...]:
        """What the model is sent."""
        return place((system_message(self.domain), *context.messages()), slot, self.placement)
