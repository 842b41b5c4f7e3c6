"""Cases: is the student still as good where somebody kept an answer that was good enough?"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from preceptor.dialogue.conversation import Turn
from preceptor.errors import BadReply, Rejected
from preceptor.judging.judge import Judge
from preceptor.judging.verdicts import Unscored
from preceptor.library.cases import Case
from preceptor.llm.parallel import gather
from preceptor.student.student import Student

Standing = Literal["better", "as good", "worse", "unscored"]
DRAWS = 3
"""Answers to a case: one may be bad luck."""


@dataclass(frozen=True)
class Held:
    """A case, and what the student says there now."""

    case: Case
    answers: tuple[str, ...]
    scores: tuple[int | None, ...]
    """By answer. 1: better than the one that was kept; -1: worse; 0: neither; None: it could not be measured."""

    @property
    def standing(self) -> Standing:
        known = [score for score in self.scores if score is not None]
        if not known:
            return "unscored"
        total = sum(known)
        return "worse" if 2 * total < -len(known) else "better" if 2 * total > len(known) else "as good"


async def hold(student: Student, judge: Judge, case: Case, seed: int) -> Held:
    """Have the student answer a case, and compare with the answer that was kept, blind and in both orders.

    An answer that no customer could be shown counts as worse. In all more than half as many losses as answers is worse.

    Raises:
        Stopped, ProviderError: from the models.
    """
    found = await gather([partial(_once, student, judge, case, seed * DRAWS + draw) for draw in range(DRAWS)])
    return Held(case, tuple(answer for answer, _ in found), tuple(score for _, score in found))


async def _once(student: Student, judge: Judge, case: Case, seed: int) -> tuple[str, int | None]:
    try:
        turn = await student.reply(case.context, seed)
    except BadReply as fault:
        return str(fault), -1
    except Rejected as fault:
        return str(fault), None
    verdict = await judge.compare(case.context, Turn("agent", case.answer), turn, seed)
    return turn.text, None if isinstance(verdict, Unscored) else verdict.score
