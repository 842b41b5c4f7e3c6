"""What a report shows, asked of the `Report` once, so that all formats show the same."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from scipy import stats

from preceptor.evaluation.attribution import LEVEL, Attribution, Contribution
from preceptor.evaluation.comparison import Verdict
from preceptor.evaluation.measures import MONEY, SATISFACTION, TOKENS, Measure
from preceptor.evaluation.rendering.provenance import Provenance
from preceptor.evaluation.report import ArmResult, Loss, Report, Trait
from preceptor.evaluation.results import Served
from preceptor.evaluation.statistics import Interval
from preceptor.judging.verdicts import Unscored

TEACHER = "teacher"
"""The name of the teacher's arm, unless its settings say otherwise."""


@dataclass(frozen=True)
class Counts:
    """Customers, or replies, that were better, alike and worse than the first arm's."""

    better: int
    alike: int
    worse: int
    unscored: int = 0

    @property
    def n(self) -> int:
        return self.better + self.alike + self.worse


@dataclass(frozen=True)
class Line:
    """An arm."""

    name: str
    letter: str
    """A, B, C…: its sign in drawings."""
    conversations: int
    unscored: int
    """Conversations without any verdict."""
    reasons: Mapping[str, int]
    """Why verdicts are missing, and how often; of duels too."""
    means: Mapping[str, Interval]
    """By measure; one that nobody was measured in is missing."""
    verdicts: Mapping[str, Verdict]
    """By measure: this arm against the first; empty for the first."""
    customers: Counts | None
    """None for the first arm."""
    replies: Counts | None
    """Duels; None where none was fought."""

    @property
    def satisfaction(self) -> Interval | None:
        return self.means.get(SATISFACTION.name)

    @property
    def verdict(self) -> Verdict | None:
        """On satisfaction."""
        return self.verdicts.get(SATISFACTION.name)


@dataclass(frozen=True)
class Cell:
    """An arm on a group of customers."""

    mean: float | None
    """Of satisfaction; None where nobody was scored."""
    difference: Interval | None
    """From the first arm, paired; None for the first arm, and where nobody was scored in both."""
    q: float = 1.0
    """Share of false findings among the cells of its table that are marked, were it the last one marked."""

    @property
    def decided(self) -> bool:
        """Worth a mark. An interval that leaves 0 out is not enough: of a hundred cells five do by chance, and
        intervals of a handful of customers are too narrow. Fewer than six can never be told from chance."""
        return self.difference is not None and self.q <= LEVEL


@dataclass(frozen=True)
class Group:
    name: str
    customers: int
    cells: tuple[Cell, ...]
    """In the order of the arms."""


@dataclass(frozen=True)
class Grouping:
    """Customers by a trait, the most frequent first."""

    trait: Trait
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Fired:
    """A strategy, or a scenario's whole set, in the evaluation."""

    id: str
    text: str
    """The strategy's; for a set, the scenario's description."""
    scenario: str
    """Its description; empty for a general strategy, and for sets."""
    turns: int
    """Agent turns at which it stood in the slot."""
    customers: int
    """Who met it at least once."""
    measured: Contribution | None
    """What it did, by leaving it out; None: that was not asked."""

    @property
    def effect(self) -> Interval | None:
        return self.measured.effect if self.measured else None


@dataclass(frozen=True)
class Figures:
    """A report, ready to be shown."""

    report: Report
    provenance: Provenance
    measures: tuple[Measure, ...]
    """Those that say something here."""
    lines: tuple[Line, ...]
    groupings: tuple[Grouping, ...]
    losses: Mapping[str, tuple[Loss, ...]]
    """By arm, the worst first."""
    strategies: tuple[Fired, ...]
    """The most helpful first; what was not measured last."""
    sets: tuple[Fired, ...]
    """Scenarios' whole sets, alike."""
    gap: Interval | None
    """Share of the distance from the first arm to the teacher that the arm in question closes; None without either."""

    @property
    def first(self) -> Line:
        """What the others are held against."""
        return self.lines[0]

    @property
    def asked(self) -> Line:
        """The arm in question: the second; the only one where there is one."""
        return self.lines[min(1, len(self.lines) - 1)]

    @property
    def compared(self) -> tuple[Line, ...]:
        return self.lines[1:]

    @property
    def teacher(self) -> Line | None:
        """The teacher's arm, if there is one and it is not itself in question."""
        return next((line for line in self.lines[2:] if line.name == TEACHER), None)

    @property
    def conversations(self) -> int:
        return sum(line.conversations for line in self.lines)

    @property
    def unscored(self) -> int:
        return sum(line.unscored for line in self.lines)

    @property
    def customers(self) -> int:
        return self.report.customers

    @property
    def cost(self) -> Measure:
        """Money, or tokens where no model has a price."""
        return MONEY if MONEY in self.measures else TOKENS

    @property
    def placed(self) -> tuple[Line, ...]:
        """Arms of which both quality and cost are known."""
        return tuple(line for line in self.lines if line.satisfaction and self.cost.name in line.means)

    @property
    def frontier(self) -> tuple[Line, ...]:
        """Arms that no other beats in both quality and cost, the cheapest first."""
        name = self.cost.name
        best = (line for line in self.placed if not any(_beats(other, line, name) for other in self.placed))
        return tuple(sorted(best, key=lambda line: line.means[name].value))

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {served.customer.key: place for place, served in enumerate(self.report.arms[0].served)}

    def place(self, served: Served) -> int:
        """The customer's index, the same in each arm."""
        return self._places[served.customer.key]


def compute(report: Report, provenance: Provenance, attribution: Attribution | None = None) -> Figures:
    """Ask a report for everything that is shown of it."""
    measures = report.measured
    verdicts = {measure.name: {v.new: v for v in report.verdicts(measure)} for measure in measures}
    return Figures(
        report,
        provenance,
        measures,
        tuple(_line(report, arm, place, measures, verdicts) for place, arm in enumerate(report.arms)),
        tuple(_groupings(report, provenance)),
        {name: report.losses(name) for name in report.names[1:]},
        _attributed(attribution.strategies, provenance) if attribution else _fired(report, provenance),
        _attributed(attribution.scenarios, provenance) if attribution else (),
        _gap(report),
    )


def _line(
    report: Report,
    arm: ArmResult,
    place: int,
    measures: Sequence[Measure],
    verdicts: Mapping[str, Mapping[str, Verdict]],
) -> Line:
    means = {measure.name: report.mean(arm.name, measure) for measure in measures}
    against = {name: found[arm.name] for name, found in verdicts.items() if arm.name in found}
    return Line(
        arm.name,
        chr(ord("A") + place) if place < 26 else str(place + 1),
        len(arm.served),
        arm.unscored,
        arm.reasons,
        {name: mean for name, mean in means.items() if mean.n},
        {name: verdict for name, verdict in against.items() if verdict.difference.n},
        _customers(report, arm.name) if place else None,
        _replies(arm),
    )


def _customers(report: Report, name: str) -> Counts:
    changes = [after - before for before, after in report.paired([report.names[0], name], SATISFACTION)]
    better, worse = sum(c > 0 for c in changes), sum(c < 0 for c in changes)
    return Counts(better, len(changes) - better - worse, worse)


def _replies(arm: ArmResult) -> Counts | None:
    verdicts = [duel.verdict for served in arm.served for duel in served.duels]
    found = Counter("unscored" if isinstance(v, Unscored) else v.outcome for v in verdicts)
    return Counts(found["win"], found["tie"], found["loss"], found["unscored"]) if verdicts else None


def _gap(report: Report) -> Interval | None:
    if TEACHER not in report.names[2:]:
        return None
    found = report.gap_closed(report.names[1], report.names[0], TEACHER)
    return found if found.n > 1 else None


def _groupings(report: Report, provenance: Provenance) -> Iterator[Grouping]:
    for trait in ("scenario", "topic", "persona"):
        keys = [report.trait(trait, place) for place in range(report.customers)]
        if any(keys):
            yield _grouping(report, provenance, trait, keys)


def _grouping(report: Report, provenance: Provenance, trait: Trait, keys: Sequence[str]) -> Grouping:
    slices = {(name, found.trait): found for name in report.names[1:] for found in report.by(trait, name)}
    adjusted = stats.false_discovery_control([found.p for found in slices.values()]).tolist() if slices else []
    cells = {key: (found.difference, q) for (key, found), q in zip(slices.items(), adjusted, strict=True)}
    levels = {arm.name: _levels(arm, keys) for arm in report.arms}
    names = provenance.scenarios if trait == "scenario" else {}
    groups = (
        Group(
            names.get(key, key) or "No scenario was found",
            count,
            tuple(Cell(levels[name].get(key), *cells.get((name, key), (None,))) for name in report.names),
        )
        for key, count in sorted(Counter(keys).items(), key=lambda item: (item[0] == "", -item[1], item[0]))
    )
    return Grouping(trait, tuple(groups))


def _levels(arm: ArmResult, keys: Sequence[str]) -> dict[str, float]:
    """Mean satisfaction by group."""
    found: dict[str, list[float]] = {}
    for key, served in zip(keys, arm.served, strict=True):
        if served.satisfaction is not None:
            found.setdefault(key, []).append(served.satisfaction)
    return {key: fmean(values) for key, values in found.items()}


def _attributed(found: Sequence[Contribution], provenance: Provenance) -> tuple[Fired, ...]:
    def when(one: Contribution) -> str:
        return provenance.scenarios.get(one.scenario, one.scenario) if one.kind == "strategy" and one.scenario else ""

    return tuple(Fired(one.id, one.text, when(one), one.turns, one.customers, one) for one in found)


def _fired(report: Report, provenance: Provenance) -> tuple[Fired, ...]:
    """Without effects: how often each strategy stood in a slot of any arm."""
    turns, customers = Counter[str](), Counter[str]()
    for place in range(report.customers):
        stood = [id_ for arm in report.arms for moment in arm.served[place].guided for id_ in moment.strategies]
        turns.update(stood)
        customers.update(set(stood))
    found = []
    for key, count in sorted(turns.items(), key=lambda item: (-item[1], item[0])):
        strategy = provenance.strategies.get(key)
        scenario = (strategy.scenario if strategy else None) or ""
        when = provenance.scenarios.get(scenario, scenario)
        found.append(Fired(key, strategy.text if strategy else key, when, count, customers[key], None))
    return tuple(found)


def _beats(one: Line, other: Line, cost: str) -> bool:
    """At least as good and as cheap, and better in one of the two."""
    assert one.satisfaction is not None
    assert other.satisfaction is not None
    quality = one.satisfaction.value - other.satisfaction.value
    saving = other.means[cost].value - one.means[cost].value
    return quality >= 0 and saving >= 0 and (quality > 0 or saving > 0)
