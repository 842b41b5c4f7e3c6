"""What an evaluation found: the arms, and what can be asked of them. Pure: no model is asked.

Everything that compares is paired: only customers measured in all the arms concerned count. Means are over the
customers of an arm for whom the measure is known, so two of them need not differ by the difference.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import stdev
from typing import TYPE_CHECKING, Literal

from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.outcome import Outcome
from preceptor.errors import NotFound, UserError
from preceptor.evaluation import sequential, significance, statistics
from preceptor.evaluation.comparison import Verdict
from preceptor.evaluation.measures import MEASURES, SATISFACTION, Measure, Value
from preceptor.evaluation.noise import judge_share
from preceptor.evaluation.results import Served
from preceptor.evaluation.statistics import Interval
from preceptor.judging.verdicts import Rating, Unscored

if TYPE_CHECKING:
    import pandas as pd

WIDEST = 4.0
"""Between two ratings from 1 to 5."""
Trait = Literal["topic", "persona", "scenario"]


@dataclass(frozen=True)
class ArmResult:
    """One arm's customers, in the order they were drawn."""

    name: str
    served: tuple[Served, ...]

    @property
    def conversations(self) -> tuple[Conversation, ...]:
        return tuple(served.conversation for served in self.served)

    @property
    def ratings(self) -> tuple[Rating | Unscored, ...]:
        """The judge's first verdict on each."""
        return tuple(served.ratings[0] for served in self.served)

    @property
    def unscored(self) -> int:
        """Conversations without any verdict."""
        return sum(served.satisfaction is None for served in self.served)

    @property
    def reasons(self) -> Mapping[str, int]:
        """Why verdicts are missing, of conversations and of duels, with how often; the most frequent first."""
        ratings = (rating for served in self.served for rating in served.ratings)
        fights = (duel.verdict for served in self.served for duel in served.duels)
        said = Counter(one.reason for one in (*ratings, *fights) if isinstance(one, Unscored))
        return dict(said.most_common())

    @property
    def failed(self) -> Mapping[str, int]:
        """By name, how many conversations failed a check of what came of them; the most frequent first. All trials."""
        found = Counter(check.name for outcome in self.outcomes for check in outcome.checks if not check.kept)
        return dict(found.most_common())

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What came of each conversation, as far as that is known. All trials."""
        talks = (talk for served in self.served for talk in (served.conversation, *served.again))
        return tuple(talk.outcome for talk in talks if talk.outcome)


@dataclass(frozen=True)
class Slice:
    """What an arm gained, or lost, among customers who share a trait."""

    trait: str
    """Id of the topic, persona or scenario; empty for customers whom no scenario was found for."""
    difference: Interval
    better: int
    """Customers measured higher than in the other arm."""
    worse: int
    p: float
    """Chance of a difference so far from 0 if both could as well be swapped, by flipping signs; not adjusted for how
    many slices there are."""


@dataclass(frozen=True)
class Loss:
    """A customer served worse than by the arm it is held against."""

    new: Served
    old: Served
    difference: float
    """Below 0."""


@dataclass(frozen=True)
class Report:
    """Several arms on the same customers. The first arm is what the others are held against."""

    arms: tuple[ArmResult, ...]
    watched: bool = False
    """It was looked at while it went, to stop early: the verdict on the second arm's satisfaction is by one that
    holds however often one looks. All other figures are as if so many customers had been planned."""

    @classmethod
    def of(cls, served: Iterable[Served], *, watched: bool = False) -> "Report":
        """From what was kept. Arms and customers stand in the order in which they first come; customers that not every
        arm has served, because the run was stopped, are left out.

        Raises:
            UserError: nothing was served by all arms.
        """
        by_arm: dict[str, dict[str, Served]] = {}
        for one in served:
            by_arm.setdefault(one.arm, {})[one.customer.key] = one
        first = next(iter(by_arm.values()), {})
        whole = [key for key in first if all(key in arm for arm in by_arm.values())]
        if not whole:
            raise UserError("No customer was served by all arms yet, so there is nothing to report.")
        arms = tuple(ArmResult(name, tuple(arm[key] for key in whole)) for name, arm in by_arm.items())
        return cls(arms, watched)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(arm.name for arm in self.arms)

    @property
    def customers(self) -> int:
        return len(self.arms[0].served)

    @property
    def measured(self) -> tuple[Measure, ...]:
        """Those that say something here: known for somebody, and not nothing for everybody, as money is without
        prices."""
        return tuple(measure for measure in MEASURES if self._tells(measure))

    def arm(self, name: str) -> ArmResult:
        """Raises: NotFound"""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise NotFound(f"There is no arm {name!r}; there are: {', '.join(map(repr, self.names))}.")

    def satisfaction(self, name: str) -> Interval:
        """Mean satisfaction (1 to 5) of an arm over the customers scored in it."""
        return self.mean(name, SATISFACTION)

    def judge_share(self, name: str) -> Interval | None:
        """The share of what differs between an arm's single ratings that is the judge changing its mind, 0 to 1; None
        where nothing was rated twice, or nothing differs."""
        said = [[r.satisfaction for r in one.ratings if isinstance(r, Rating)] for one in self.arm(name).served]
        if all(len(ratings) < 2 for ratings in said) or len({value for ratings in said for value in ratings}) < 2:
            return None
        return judge_share(said)

    def mean(self, name: str, measure: Value) -> Interval:
        """Mean of a measure over the customers of an arm for whom it is known. Yes or no: with Wilson's interval."""
        values = [value for (value,) in self.paired([name], measure)]
        if isinstance(measure, Measure) and measure.unit == "share" and set(values) <= {0.0, 1.0}:
            return statistics.rate(int(sum(values)), len(values))
        return statistics.mean(values)

    def difference(self, new: str, old: str, measure: Value = SATISFACTION) -> Interval:
        """Mean paired difference, new minus old, over customers measured in both arms.

        For a measure that is a comparison with the first arm already (`against_first`), that is its mean.
        """
        return statistics.mean(self._differences(new, old, measure))

    def spread(self, new: str, measure: Value = SATISFACTION, least: int = 20) -> float | None:
        """Standard deviation of an arm's paired differences from the first, as `power` wants it; None for fewer than
        `least` customers, of whom it cannot be told well."""
        found = self._differences(new, self.names[0], measure)
        return stdev(found) if len(found) >= least else None

    def verdict(self, new: str, old: str | None = None, measure: Measure = SATISFACTION) -> Verdict:
        """Is an arm better than another (the first, when not given)? Against the first, among as many as there are.

        ``str()`` of it is the sentence.
        """
        first = self.names[0]
        if (old or first) == first != new:
            place = self.names.index(self.arm(new).name)
            return self.verdicts(measure)[place - 1]
        old = old or first
        p = self._chance(new, old, measure)
        return Verdict(new, old, measure, self.difference(new, old, measure), p, p, 1)

    def verdicts(self, measure: Measure = SATISFACTION) -> tuple[Verdict, ...]:
        """Every other arm against the first, with p-values adjusted for being several (Holm)."""
        first, *others = self.names
        chances = [self._chance(new, first, measure) for new in others]
        found = [
            Verdict(new, first, measure, self.difference(new, first, measure), p, adjusted, len(others))
            for new, p, adjusted in zip(others, chances, significance.holm(chances), strict=True)
        ]
        if self.watched and measure is SATISFACTION and found:
            found[0] = Verdict(others[0], first, measure, self.watch(), math.nan, math.nan, 1)
        return tuple(found)

    def watch(self) -> Interval:
        """The second arm's satisfaction minus the first's, by a confidence sequence over customers as they were drawn:
        valid however often one looked (`sequential.Watch`)."""
        seen = sequential.Watch(-WIDEST, WIDEST)
        for difference in self._differences(self.names[1], self.names[0], SATISFACTION):
            seen.add(difference)
        return seen.interval

    def gap_closed(self, taught: str, alone: str, teacher: str, measure: Value = SATISFACTION) -> Interval:
        """Share of the distance between student and teacher that the library closes."""
        rows = self.paired([taught, alone, teacher], measure)
        a, b, c = ([row[n] for row in rows] for n in range(3))
        return statistics.gap_closed(a, b, c)

    def by(self, trait: Trait, new: str, old: str | None = None, measure: Value = SATISFACTION) -> tuple[Slice, ...]:
        """Gains and losses of an arm against another (the first, when not given), the greatest loss first.

        A customer's scenario is the likeliest one of the first context in which any arm was given strategies.
        """
        groups: dict[str, list[float]] = {}
        for place, (before, after) in self.rows([old or self.names[0], new], measure).items():
            groups.setdefault(self.trait(trait, place), []).append(after - before)
        slices = (
            Slice(
                name,
                statistics.mean(found),
                sum(one > 0 for one in found),
                sum(one < 0 for one in found),
                significance.sign_flip(found),
            )
            for name, found in groups.items()
        )
        return tuple(sorted(slices, key=lambda one: (one.difference.value, one.trait)))

    def losses(self, new: str | None = None, measure: Value = SATISFACTION) -> tuple[Loss, ...]:
        """Customers an arm (any, when not given) served worse than the first one did, the worst first."""
        first = self.arms[0]
        found = [
            Loss(self.arm(name).served[place], first.served[place], after - before)
            for name in ([new] if new else self.names[1:])
            for place, (before, after) in self.rows([first.name, name], measure).items()
            if after < before
        ]
        return tuple(sorted(found, key=lambda loss: loss.difference))

    def paired(self, names: Sequence[str], measure: Value) -> list[tuple[float, ...]]:
        """A row for each customer measured in all of these arms, a value for each arm."""
        return list(self.rows(names, measure).values())

    def rows(self, names: Sequence[str], measure: Value) -> dict[int, tuple[float, ...]]:
        """The same by the customers' places."""
        columns = [[measure(served) for served in self.arm(name).served] for name in names]
        rows = enumerate(zip(*columns, strict=True))
        return {place: known for place, row in rows if len(known := tuple(v for v in row if v is not None)) == len(row)}

    def frame(self) -> "pd.DataFrame":
        """A row for each arm and customer: who it was, how it ended, every measure. Needs pandas."""
        from preceptor.evaluation import frames

        return frames.served(self)

    def turns(self) -> "pd.DataFrame":
        """A row for each turn of each conversation, with what stood in the slot, was broken, and how the duel went."""
        from preceptor.evaluation import frames

        return frames.turns(self)

    def table(self) -> "pd.DataFrame":
        """A row for each arm and measure: mean with interval, difference from the first arm with interval and p."""
        from preceptor.evaluation import frames

        return frames.table(self)

    def _tells(self, measure: Measure) -> bool:
        values = [measure(served) for arm in self.arms for served in arm.served]
        known = [value for value in values if value is not None]
        return any(known) if measure.unit in ("money", "s") else bool(known)

    def _differences(self, new: str, old: str, measure: Value) -> list[float]:
        if isinstance(measure, Measure) and measure.against_first and old == self.names[0]:
            return [value for (value,) in self.paired([new], measure)]
        return [after - before for before, after in self.paired([old, new], measure)]

    def _chance(self, new: str, old: str, measure: Measure) -> float:
        """p-value: exact where both arms say yes or no to each customer, else by flipping signs."""
        rows = self.paired([new, old], measure)
        if measure.unit == "share" and {value for row in rows for value in row} <= {0.0, 1.0}:
            return significance.mcnemar([(bool(after), bool(before)) for after, before in rows])
        return significance.sign_flip(self._differences(new, old, measure))

    def trait(self, trait: Trait, place: int) -> str:
        """Of a customer: the id of its topic, persona or scenario."""
        customer = self.arms[0].served[place].customer
        match trait:
            case "topic":
                return customer.topic.id
            case "persona":
                return customer.persona.id
            case "scenario":
                return self.scenario(place)

    def scenario(self, place: int) -> str:
        """The likeliest scenario of the first context of a customer in which an arm was given strategies; else
        empty."""
        guided = (moment for arm in self.arms for moment in arm.served[place].guided)
        return next((moment.matches[0][0] for moment in guided if moment.strategies and moment.matches), "")
