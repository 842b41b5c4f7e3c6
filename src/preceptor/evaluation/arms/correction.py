"""Draft, then self-correct: the student answers, criticises its answer, and writes it once more."""

from dataclasses import dataclass, replace

from preceptor.dialogue.conversation import Context, Turn, transcript
from preceptor.errors import BadReply
from preceptor.evaluation.arms.slotted import held_to, shipped
from preceptor.llm.messages import Request
from preceptor.llm.prompts import Prompt
from preceptor.llm.tally import asked
from preceptor.llm.thinking import split_thinking
from preceptor.retrieval.selector import about_tokens
from preceptor.student.student import Student

REVIEW = Prompt.load("preceptor.evaluation.arms", "review")
CONTENT = "fine"
"""What the student is to say when its draft needs no change."""


@dataclass(frozen=True)
class Correcting:
    """Three calls a turn. The draft is the student's own; what is said about it is held to `tokens`."""

    student: Student
    tokens: int | None
    name: str

    async def reply(self, context: Context, seed: int) -> Turn:
        """The corrected reply, or the draft where it needs no change, asks for a tool, or no review could be had.

        Raises what `Student.reply` raises.
        """
        draft = await self.student.reply_given(context, "", seed)
        review = "" if draft.tool_calls else await self._review(context, draft, seed)
        if review.strip(" .!\n").casefold() in ("", CONTENT):
            return draft
        return await self.student.reply_given(context, self._slot(context, draft, review), seed)

    def inserted(self, context: Context) -> str:
        """The heading; the draft and its review, which follow it, are written as they are needed."""
        return shipped("revise")

    async def _review(self, context: Context, draft: Turn, seed: int) -> str:
        domain = self.student.domain
        messages = REVIEW.messages(
            role=domain.role,
            goal=domain.goal,
            policy=domain.policy,
            conversation=transcript((*context.turns, draft)),
        )
        sampling = replace(self.student.sampling, seed=seed, max_tokens=self._room)
        try:
            reply = await asked(self.student.model, Request(messages, sampling))
        except BadReply:
            return ""
        return split_thinking(reply.text)[0]

    @property
    def _room(self) -> int:
        """Tokens of a review."""
        own = self.student.sampling.max_tokens
        return own if self.tokens is None else max(1, min(own, self.tokens - about_tokens(shipped("revise"))))

    def _slot(self, context: Context, draft: Turn, review: str) -> str:
        said = [turn for turn in context.turns if turn.party == "customer"][-1:]
        return "\n".join([shipped("revise"), transcript((*said, draft)), "", f"The review: {' '.join(review.split())}"])


def self_correction(student: Student, *, tokens: int | None = None, name: str = "self-correction") -> Correcting:
    """The student with one round of criticism by itself (prompts/review.md, prompts/revise.txt).

    Raises:
        UserError: the instruction to revise takes more tokens than allowed.
    """
    held_to(tokens, shipped("revise"), "The instruction to revise")
    return Correcting(student, tokens, name)
