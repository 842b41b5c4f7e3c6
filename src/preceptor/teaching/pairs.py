"""The one measurement behind every decision: the student's reply with and without some strategies, judged blind."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from preceptor.dialogue.conversation import Context, Turn
from preceptor.errors import BadReply, Rejected
from preceptor.judging.verdicts import Unscored
from preceptor.library.model import Strategy
from preceptor.llm.parallel import both
from preceptor.student.student import Student
from preceptor.teaching.crew import Crew

NOTHING = Turn("agent", "")
"""Stands where the student had no reply that can be used."""


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
    rival: Student | None = None,
) -> Pair | None:
    """Reply with the `old` and the `new` strategies and compare; None when it could not be measured. An errand.

    `student` replies with both unless a `rival` replies with the new ones; without either, the crew's does.

    A reply that no customer could be shown (empty, or its guidance recited) loses against one that can be: it is the
    student's failure, not the measurement's. `purpose` seeds the draw: a reply that was picked because it was bad must
    not be the one measured against.
    """
    student, seed = student or crew.student, crew.seed(purpose, context.key)
    rival = rival or student
    replies = await both(partial(_reply, student, context, old, seed), partial(_reply, rival, context, new, seed))
    if any(isinstance(reply, Rejected) for reply in replies):
        return None
    before, after = (reply if isinstance(reply, Turn) else None for reply in replies)
    if before is None or after is None:
        score = (after is not None) - (before is not None)
        return Pair(context, before or NOTHING, after or NOTHING, score) if score else None
    verdict = await crew.judge.compare(context, before, after, seed)
    return None if isinstance(verdict, Unscored) else Pair(context, before, after, verdict.score)


async def _reply(
    student: Student, context: Context, strategies: Sequence[Strategy], seed: int
) -> Turn | BadReply | Rejected:
    """The student's reply, or why there is none: raised, it would cancel the reply that is asked for beside it."""
    try:
        return await student.reply_with(context, strategies, seed)
    except (BadReply, Rejected) as fault:
        return fault
