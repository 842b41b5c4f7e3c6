"""Transcripts as a report shows them: what was said, with the strategies in force at each turn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from preceptor.dialogue.conversation import Turn
from preceptor.dialogue.outcome import Check
from preceptor.evaluation.measures import SATISFACTION
from preceptor.evaluation.rendering.figures import Figures
from preceptor.evaluation.rendering.wording import number
from preceptor.evaluation.results import Breach, Guided, Served
from preceptor.judging.verdicts import Rating

INLINE = 200
"""Conversations that stand in the report itself; of more, only the worst losses do, and all are in pages beside it."""
PAGE = 100
"""Conversations a page, about."""
ENDINGS = {
    "open": "not ended",
    "resolved": "resolved",
    "left": "the customer left",
    "cut": "cut at the turn limit",
    "broken": "broke off",
}


@dataclass(frozen=True)
class Said:
    """A turn with what stood beside it."""

    turn: Turn
    guided: Guided | None
    breaches: tuple[Breach, ...]


@dataclass(frozen=True)
class Talk:
    """A conversation."""

    arm: str
    score: str
    ending: str
    reason: str
    """The judge's, or why there is no verdict."""
    whole: tuple[Breach, ...]
    """Rules that no single turn broke."""
    failed: tuple[Check, ...]
    """What was not as it should be in the end."""
    turns: tuple[Said, ...]


@dataclass(frozen=True)
class Visit:
    """A customer, with the conversations of several arms."""

    place: int
    """Index of the customer; its anchor."""
    key: str
    topic: str
    persona: str
    talks: tuple[Talk, ...]


@dataclass(frozen=True)
class Sheet:
    """A page of transcripts beside the report."""

    number: int
    visits: tuple[Visit, ...]

    @property
    def file(self) -> str:
        return sheet_file(self.number)


def sheet_file(number: int) -> str:
    return f"{number:04d}.html"


def visits(figures: Figures, places: Sequence[int], arms: Sequence[str]) -> Iterator[Visit]:
    """The conversations of these customers in these arms."""
    columns = [figures.report.arm(name).served for name in arms]
    for place in places:
        customer = columns[0][place].customer
        talks = tuple(_talk(column[place]) for column in columns)
        yield Visit(place, customer.key, customer.topic.id, customer.persona.id, talks)


def per_sheet(figures: Figures) -> int:
    """Customers a page."""
    return max(1, PAGE // len(figures.lines))


def sheets(figures: Figures) -> Iterator[Sheet]:
    """All transcripts, in pages."""
    size, names = per_sheet(figures), [line.name for line in figures.lines]
    for number_, start in enumerate(range(0, figures.customers, size), start=1):
        places = range(start, min(start + size, figures.customers))
        yield Sheet(number_, tuple(visits(figures, places, names)))


def _talk(served: Served) -> Talk:
    guided = {moment.turn: moment for moment in served.guided}
    turns = tuple(
        Said(turn, guided.get(n), tuple(breach for breach in served.breaches if breach.turn == n))
        for n, turn in enumerate(served.conversation.turns)
    )
    whole = tuple(breach for breach in served.breaches if breach.turn is None)
    outcome = served.conversation.outcome
    failed = tuple(check for check in outcome.checks if not check.kept) if outcome else ()
    return Talk(served.arm, score(served), ENDINGS[served.conversation.ending], reason(served), whole, failed, turns)


def score(served: Served) -> str:
    return "unscored" if served.satisfaction is None else number(SATISFACTION, served.satisfaction)


def reason(served: Served) -> str:
    """The judge's reason for its first verdict; without any, why it is missing."""
    scored = [rating.reason for rating in served.ratings if isinstance(rating, Rating)]
    return (scored or [rating.reason for rating in served.ratings] or [""])[0]
