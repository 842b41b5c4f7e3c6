"""What libraries are worth elsewhere: to other students, in other domains, and from one release to the next.

A *column* is a student in a domain. In each, every library serves the same customers as that student alone does, so
every cell of the matrix is a paired difference. Over releases the words are those of continual learning (Lopez-Paz &
Ranzato 2017): what a release gains for customers whom only a later one was taught for is forward transfer; what the
last release gains or loses for an earlier one's customers is backward transfer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from preceptor.dialogue.agent import Agent
from preceptor.dialogue.crowd import Customers
from preceptor.evaluation import statistics
from preceptor.evaluation.attribution import Attribution, Contribution
from preceptor.evaluation.comparison import Verdict
from preceptor.evaluation.evaluate import evaluate
from preceptor.evaluation.measures import SATISFACTION, Measure
from preceptor.evaluation.report import Report
from preceptor.evaluation.significance import holm, sign_flip
from preceptor.evaluation.statistics import Interval
from preceptor.judging.judge import Judge
from preceptor.library.model import Guidance
from preceptor.llm.parallel import gather
from preceptor.retrieval.embedding import Embedder
from preceptor.retrieval.selector import Retriever
from preceptor.student.student import Student

Homed = tuple[int, tuple[float, ...]]
"""The place of a customer's own release, and a value for each arm."""


@dataclass(frozen=True)
class Column:
    """Whom libraries are tried on, and with which customers."""

    domain: str
    student: str

    def __str__(self) -> str:
        return f"{self.student}, {self.domain}"


@dataclass(frozen=True)
class Cell:
    """A student with a library."""

    library: str
    column: Column
    alone: Interval
    """Satisfaction of the student alone."""
    verdict: Verdict
    """With the library against without; p adjusted for all cells of the matrix (Holm)."""

    @property
    def gain(self) -> Interval:
        return self.verdict.difference


@dataclass(frozen=True)
class Matrix:
    """Libraries × columns."""

    cells: tuple[Cell, ...]

    @classmethod
    def of(cls, reports: Mapping[Column, Report], measure: Measure = SATISFACTION) -> "Matrix":
        """From a report for each column: the student alone first, then an arm for each library."""
        found = [
            Cell(verdict.new, column, report.mean(verdict.old, measure), verdict)
            for column, report in reports.items()
            for verdict in report.verdicts(measure)
        ]
        chances = holm([cell.verdict.p for cell in found])
        return cls(
            tuple(
                replace(cell, verdict=replace(cell.verdict, adjusted=p, comparisons=len(found)))
                for cell, p in zip(found, chances, strict=True)
            )
        )

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(dict.fromkeys(cell.column for cell in self.cells))

    @property
    def libraries(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cell.library for cell in self.cells))

    def cell(self, library: str, column: Column) -> Cell | None:
        return next((cell for cell in self.cells if (cell.library, cell.column) == (library, column)), None)


async def transfer(
    students: Mapping[Column, Student],
    libraries: Mapping[str, Guidance],
    customers: Mapping[Column, Customers],
    judges: Mapping[Column, Judge],
    embedder: Embedder | None = None,
) -> Matrix:
    """Try libraries on students, each on the customers of its column.

    Raises:
        UserError: no library, or no customer.
        ProviderError, Stopped: from the models.
    """

    async def column(place: Column, student: Student) -> Report:
        arms: list[Agent] = [replace(student, name="alone")]
        arms += [student.using(taught, embedder, name=name) for name, taught in libraries.items()]
        return await evaluate(arms, customers[place], judges[place])

    found = await gather([partial(column, place, student) for place, student in students.items()])
    return Matrix.of(dict(zip(students, found, strict=True)))


@dataclass(frozen=True)
class Carried:
    """What a library's strategies do for a student, by leaving each out where it stood."""

    column: Column
    library: str
    strategies: tuple[Contribution, ...]

    @classmethod
    def of(cls, column: Column, library: str, found: Attribution) -> "Carried":
        return cls(column, library, found.strategies)

    @property
    def judged(self) -> tuple[Contribution, ...]:
        """Those that stood somewhere and were judged there. Most reach too few customers for an effect of their own,
        so that what can be said is said of them together."""
        return tuple(one for one in self.strategies if one.wins + one.ties + one.losses)

    @property
    def effect(self) -> Interval:
        """Mean over the judged strategies, each counting alike, of their win rate less their loss rate."""
        pairs = [(one.wins - one.losses, one.wins + one.ties + one.losses) for one in self.judged]
        return statistics.mean([score / count for score, count in pairs])

    @property
    def above(self) -> Interval:
        """Of those with more of the one than of the other: the share with more wins than losses. One half, if they did
        nothing here."""
        told = [one for one in self.judged if one.wins != one.losses]
        return statistics.rate(sum(one.wins > one.losses for one in told), len(told))

    def counted(self, word: str) -> int:
        """How many have this verdict, such as ``helps``."""
        return sum(one.verdict == word for one in self.strategies)


@dataclass(frozen=True)
class Stage:
    """The customers for whom a release is the first to have something."""

    release: str
    customers: int
    gains: tuple[Interval, ...]
    """Of each release against the student alone, oldest first."""


@dataclass(frozen=True)
class Succession:
    """Releases, oldest first, on the same replayed customers."""

    releases: tuple[str, ...]
    stages: tuple[Stage, ...]
    forward: Interval
    """Gain of the release before a customer's own against the student alone, over customers of the second and later
    stages."""
    backward: Interval
    """The last release minus a customer's own, over customers of all stages but the last."""
    forgotten: tuple[Verdict, ...]
    """The last release against each earlier one, over the customers of that one's stage (Holm)."""

    @property
    def lost(self) -> tuple[Verdict, ...]:
        """Where the last release is worse."""
        return tuple(verdict for verdict in self.forgotten if verdict.word == "worse")


def succession(
    report: Report,
    releases: Mapping[str, Guidance],
    embedder: Embedder | None = None,
    measure: Measure = SATISFACTION,
) -> Succession:
    """From a report whose first arm is the student alone and whose others are releases, oldest first.

    A customer belongs to the first release that finds something in the student's own conversation with them: contexts
    no release has touched, so that belonging is no consequence of what is compared.

    Backward transfer is measured against a customer's own release, not against the best so far, as it is often done:
    the best of several noisy figures is too high, so that a library which forgot nothing would seem to.
    """
    names = list(releases)
    homes = _homes(report, list(releases.values()), embedder)
    rows = report.rows([report.names[0], *names], measure)
    known = [(home, row) for place, row in rows.items() if (home := homes[place]) is not None]
    stages = tuple(_stage(names, stage, known) for stage in range(len(names)))
    forward = [row[home] - row[0] for home, row in known if home]
    backward = [row[-1] - row[home + 1] for home, row in known if home + 1 < len(names)]
    forgotten = _forgotten(names, known, measure)
    return Succession(tuple(names), stages, statistics.mean(forward), statistics.mean(backward), forgotten)


def _homes(report: Report, releases: Sequence[Guidance], embedder: Embedder | None) -> list[int | None]:
    """For each customer, the place of the first release that gives something."""
    contexts = [[c.turns for c, _ in one.conversation.contexts()] for one in report.arms[0].served]
    homes: list[int | None] = [None] * len(contexts)
    for place, guidance in enumerate(releases):
        retriever = Retriever(guidance, embedder)
        for customer, moments in enumerate(contexts):
            if homes[customer] is None and any(
                retriever.choose(match).strategies for match in retriever.matcher.match_all(moments)
            ):
                homes[customer] = place
    return homes


def _stage(names: Sequence[str], stage: int, known: Sequence[Homed]) -> Stage:
    mine = [row for home, row in known if home == stage]
    gains = tuple(statistics.mean([row[place + 1] - row[0] for row in mine]) for place in range(len(names)))
    return Stage(names[stage], len(mine), gains)


def _forgotten(names: Sequence[str], known: Sequence[Homed], measure: Measure) -> tuple[Verdict, ...]:
    changes = [[row[-1] - row[stage + 1] for home, row in known if home == stage] for stage in range(len(names) - 1)]
    chances = [sign_flip(change) if change else 1.0 for change in changes]
    return tuple(
        Verdict(names[-1], name, measure, statistics.mean(change), p, adjusted, len(changes))
        for name, change, p, adjusted in zip(names, changes, chances, holm(chances), strict=False)
    )
