"""The one measurement behind every decision: the student's reply with and without some strategies, judged blind."""

from collections.abc import Sequence
from dataclasses import dataclass

from preceptor.dialogue.conversation import Context, Turn
from preceptor.errors import BadReply, Rejected
from preceptor.judging.verdicts import Unscored
from preceptor.library.model import Strategy
from preceptor.student.student import Student
from preceptor.teaching.crew import Crew


@dataclass(frozen=True)
class Pair:
    context: Context
    old: Turn
    new: Turn
    score: int
    """1: the new reply is better; -1: the old one; 0: neither."""


async def hold_against(
    crew: Crew,
    context: Context,
    old: Sequence[Strategy],
    new: Sequence[Strategy],
    purpose: str,
    student: Student | None = None,
) -> Pair | None:
    """Reply with the `old` and the `new` strategies and compare; None when it could not be measured.

    `purpose` seeds the draw: a reply that was picked because it was bad must not be the one measured against.
    """
    student, seed = student or crew.student, crew.seed(purpose, context.key)
    try:
        before = await student.reply_with(context, old, seed)
        after = await student.reply_with(context, new, seed)
    except (BadReply, Rejected):
        return None
    verdict = await crew.judge.compare(context, before, after, seed)
    return None if isinstance(verdict, Unscored) else Pair(context, before, after, verdict.score)
