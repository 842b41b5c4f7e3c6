"""From reports to answers: every pre-registered comparison, and what they come to together. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, assert_never

from preceptor.evaluation.comparison import Verdict
from preceptor.evaluation.measures import MEASURES
from preceptor.evaluation.report import Report
from preceptor.evaluation.significance import holm
from preceptor.experiments.plan import GENERAL, Comparison, Plan, Question
from preceptor.library.model import Guidance

Word = Literal["yes", "no", "partly", "not decided", "see figures"]


_SAME = "The library has no general strategies, so that giving those only is the student alone."


@dataclass(frozen=True)
class Answer:
    """One question, answered."""

    question: Question
    verdicts: tuple[Verdict, ...]
    """In the order of its comparisons."""
    margin: float
    note: str = ""
    """What it cannot say."""

    @property
    def words(self) -> tuple[Word, ...]:
        """For each comparison: is it as the question asks?"""
        return tuple(_word(self.question, verdict, self.margin) for verdict in self.verdicts)

    @property
    def word(self) -> Word:
        """All together; partly, where some are decided one way and others otherwise or not at all."""
        words = set(self.words)
        return words.pop() if len(words) == 1 else "partly" if words & {"yes", "no"} else "not decided"


def answers(
    plan: Plan, arms: Report, columns: Mapping[str, Report], library: Guidance | None = None
) -> tuple[Answer, ...]:
    """`columns`: reports of the transfer, by column as it is written. `library`: what was taught, for notes on it."""
    without_general = library is not None and not library.of(None)
    return tuple(_answer(question, plan, arms, columns, without_general) for question in plan.questions)


def _answer(
    question: Question, plan: Plan, arms: Report, columns: Mapping[str, Report], without_general: bool
) -> Answer:
    found = [_verdict(one, columns[one.where] if one.where else arms) for one in question.comparisons]
    chances = holm([verdict.p for verdict in found])
    adjusted = (replace(verdict, adjusted=p, comparisons=len(found)) for verdict, p in zip(found, chances, strict=True))
    same = _SAME if without_general and any(one.old == GENERAL for one in question.comparisons) else ""
    note = " ".join(text for text in (question.note, same) if text)
    return Answer(question, tuple(adjusted), plan.margin, note)


def _verdict(comparison: Comparison, report: Report) -> Verdict:
    measure = next(measure for measure in MEASURES if measure.name == comparison.measure)
    return report.verdict(comparison.new, comparison.old, measure)


def _word(question: Question, verdict: Verdict, margin: float) -> Word:
    match question.kind:
        case "superiority":
            return "yes" if verdict.word == "better" else "no" if verdict.word == "worse" else "not decided"
        case "no loss":
            if verdict.difference.n > 1 and verdict.difference.low > -margin:
                return "yes"
            return "no" if verdict.word == "worse" else "not decided"
        case "size":
            return "see figures"
    assert_never(question.kind)
