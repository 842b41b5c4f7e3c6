"""What is left out of the slot, where, and what has to be asked to see the difference. Asks no model."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from preceptor.dialogue.conversation import Context
from preceptor.errors import UserError
from preceptor.evaluation.report import Report
from preceptor.library.model import Strategy
from preceptor.retrieval.selector import Retriever
from preceptor.storage.canonical import content_hash
from preceptor.student.student import Student

Kind = Literal["strategy", "scenario"]

CONTEXTS = 30
"""Contexts of a strategy, each another customer's."""
REPEATS = 4
"""Pairs of replies drawn in each. Most strategies reach few customers, and a tie in all pairs of one tells nothing: of
189 strategies on 300 customers 36 were decided with four pairs, 4 with two."""
GENERAL = "general"
"""Stands for the scenario of the general strategies."""


@dataclass(frozen=True)
class Firing:
    """A moment with strategies in the slot."""

    customer: str
    context: Context
    slot: tuple[Strategy, ...]


@dataclass(frozen=True)
class Subject:
    """What is left out: a strategy, or the strategies of a scenario."""

    kind: Kind
    id: str
    text: str
    scenario: str | None
    members: frozenset[str]
    """Strategy ids."""
    turns: int
    customers: int
    chosen: tuple[Firing, ...]
    """The moments looked at, each another customer's."""

    def without(self, firing: Firing) -> tuple[Strategy, ...]:
        return tuple(strategy for strategy in firing.slot if strategy.id not in self.members)


@dataclass(frozen=True)
class Draw:
    """One reply of the student; the same for every subject that asks for it."""

    context: str
    """Key."""
    strategies: tuple[str, ...]
    """Ids, in the slot's order."""
    repeat: int


@dataclass(frozen=True)
class Pair:
    without: Draw
    given: Draw


@dataclass(frozen=True)
class Plan:
    """What would be asked, before anything is."""

    student: Student
    turns: int
    customers: int
    subjects: tuple[Subject, ...]
    repeats: int
    seed: int

    @property
    def calls(self) -> Mapping[Literal["student", "judge"], int]:
        """Most calls of each role; replies that come out the same are not judged."""
        pairs = {pair for _, found in self.pairs() for pair in found}
        return {"student": len(draws(pairs)), "judge": 2 * len(pairs)}

    def pairs(self) -> Iterator[tuple[Subject, list[Pair]]]:
        """Each subject's pairs, all repeats of a context together."""
        for subject in self.subjects:
            yield subject, [_pair(subject, firing, n) for firing in subject.chosen for n in range(self.repeats)]


def plan(student: Student, report: Report, *, contexts: int = CONTEXTS, repeats: int = REPEATS, seed: int = 0) -> Plan:
    """What `attribute` would do. Arguments and errors as there; asks no model."""
    if student.finder is None:
        raise UserError(f"Arm {student.name!r} has no library, so there is nothing to leave out.")
    if student.name not in [arm.name for arm in report.arms]:
        raise UserError(f"The report has no arm {student.name!r}; give the student the name it had in the evaluation.")
    served = report.arm(student.name).served
    moments = [(one.customer.key, context) for one in served for context, _ in one.conversation.contexts()]
    firings = [Firing(who, context, student.finder.find(context).strategies) for who, context in moments]
    strategies, descriptions = _library(student, firings)
    seen = _Seen(firings, contexts, seed)
    subjects = (*_single(seen, strategies), *_sets(seen, strategies, descriptions))
    return Plan(student, len(moments), len(served), subjects, repeats, seed)


def _library(student: Student, firings: Sequence[Firing]) -> tuple[list[Strategy], dict[str, str]]:
    """All strategies the student may be given, and what its scenarios are about; of a finder that has no library to
    show, what it found."""
    found = {strategy.id: strategy for firing in firings for strategy in firing.slot}
    described: dict[str, str] = {}
    if isinstance(student.finder, Retriever):
        found |= {strategy.id: strategy for strategy in student.finder.guidance.strategies}
        described = {scenario.id: scenario.description for scenario in student.finder.guidance.scenarios}
    return [found[id_] for id_ in sorted(found)], described


def _single(seen: "_Seen", strategies: Sequence[Strategy]) -> Iterator[Subject]:
    for strategy in strategies:
        members = frozenset([strategy.id])
        yield Subject(
            "strategy", strategy.id, strategy.text, strategy.scenario, members, *seen.of(strategy.id, members)
        )


def _sets(seen: "_Seen", strategies: Sequence[Strategy], descriptions: Mapping[str, str]) -> Iterator[Subject]:
    for scenario in dict.fromkeys(strategy.scenario for strategy in strategies):
        members = frozenset(strategy.id for strategy in strategies if strategy.scenario == scenario)
        text = "The general strategies." if scenario is None else descriptions.get(scenario, scenario)
        id_ = scenario or GENERAL
        yield Subject("scenario", id_, text, scenario, members, *seen.of(id_, members))


@dataclass(frozen=True)
class _Seen:
    """All moments of an arm."""

    firings: Sequence[Firing]
    most: int
    seed: int

    def of(self, subject: str, members: frozenset[str]) -> tuple[int, int, tuple[Firing, ...]]:
        """At how many turns some of these strategies stood in the slot, for how many customers, and the moments to look
        at: drawn by the seed, one of each customer. Who said the same in the same words is looked at once."""
        fired = [one for one in self.firings if not members.isdisjoint(strategy.id for strategy in one.slot)]
        by_customer: dict[str, Firing] = {}
        for one in sorted(fired, key=lambda one: content_hash([self.seed, subject, one.customer, one.context.key])):
            by_customer.setdefault(one.customer, one)
        different = {one.context.key: one for one in by_customer.values()}
        return len(fired), len(by_customer), tuple(different.values())[: self.most]


def _pair(subject: Subject, firing: Firing, repeat: int) -> Pair:
    key = firing.context.key
    without, given = (tuple(s.id for s in slot) for slot in (subject.without(firing), firing.slot))
    return Pair(Draw(key, without, repeat), Draw(key, given, repeat))


def draws(pairs: Iterable[Pair]) -> dict[Draw, None]:
    return dict.fromkeys(draw for pair in pairs for draw in (pair.without, pair.given))
