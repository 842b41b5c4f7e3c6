"""What an evaluation found: the arms, and what can be asked of them. Pure: no model is asked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from preceptor.dialogue.conversation import Conversation
from preceptor.errors import UserError
from preceptor.evaluation import measures, statistics
from preceptor.evaluation.measures import Measure
from preceptor.evaluation.results import Served
from preceptor.evaluation.statistics import Interval
from preceptor.judging.verdicts import Rating, Unscored


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


@dataclass(frozen=True)
class Report:
    """Several arms on the same customers. The first arm is what the others are held against."""

    arms: tuple[ArmResult, ...]

    @classmethod
    def of(cls, served: Iterable[Served]) -> "Report":
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
        return cls(tuple(ArmResult(name, tuple(arm[key] for key in whole)) for name, arm in by_arm.items()))

    def arm(self, name: str) -> ArmResult:
        return next(arm for arm in self.arms if arm.name == name)

    def satisfaction(self, name: str) -> Interval:
        """Mean satisfaction (1 to 5) of an arm over the customers scored in it."""
        return self.mean(name, measures.satisfaction)

    def mean(self, name: str, measure: Measure) -> Interval:
        """Mean of a measure over the customers of an arm for whom it is known."""
        return statistics.mean([value for (value,) in self.paired([name], measure)])

    def difference(self, new: str, old: str, measure: Measure = measures.satisfaction) -> Interval:
        """Mean paired difference, new minus old, over customers measured in both arms."""
        rows = self.paired([new, old], measure)
        return statistics.difference([row[0] for row in rows], [row[1] for row in rows])

    def gap_closed(self, taught: str, alone: str, teacher: str) -> Interval:
        """Share of the distance between student and teacher that the library closes."""
        rows = self.paired([taught, alone, teacher], measures.satisfaction)
        a, b, c = ([row[n] for row in rows] for n in range(3))
        return statistics.gap_closed(a, b, c)

    def paired(self, names: Sequence[str], measure: Measure) -> list[tuple[float, ...]]:
        """A row for each customer measured in all of these arms, a value for each arm."""
        columns = [[measure(served) for served in self.arm(name).served] for name in names]
        rows = zip(*columns, strict=True)
        return [known for row in rows if len(known := tuple(v for v in row if v is not None)) == len(names)]
