"""What an evaluation found."""

from collections.abc import Sequence
from dataclasses import dataclass

from preceptor.dialogue.conversation import Conversation
from preceptor.evaluation import statistics
from preceptor.evaluation.statistics import Interval
from preceptor.judging.verdicts import Rating, Unscored


@dataclass(frozen=True)
class ArmResult:
    """One arm's conversations and their ratings, in the order of the customers."""

    name: str
    conversations: tuple[Conversation, ...]
    ratings: tuple[Rating | Unscored, ...]

    @property
    def unscored(self) -> int:
        return sum(isinstance(rating, Unscored) for rating in self.ratings)


@dataclass(frozen=True)
class Report:
    """Several arms on the same customers. The first arm is what the others are held against."""

    arms: tuple[ArmResult, ...]

    def arm(self, name: str) -> ArmResult:
        return next(arm for arm in self.arms if arm.name == name)

    def satisfaction(self, name: str) -> Interval:
        """Mean satisfaction (1 to 5) of an arm over the customers scored in it."""
        return statistics.mean([r.satisfaction for r in self.arm(name).ratings if isinstance(r, Rating)])

    def difference(self, new: str, old: str) -> Interval:
        """Mean paired difference in satisfaction over customers scored in both arms."""
        first, second = self._paired([new, old])
        return statistics.difference(first, second)

    def gap_closed(self, taught: str, alone: str, teacher: str) -> Interval:
        """Share of the distance between student and teacher that the library closes."""
        a, b, c = self._paired([taught, alone, teacher])
        return statistics.gap_closed(a, b, c)

    def _paired(self, names: Sequence[str]) -> list[list[float]]:
        columns = [self.arm(name).ratings for name in names]
        rows = [row for row in zip(*columns, strict=True) if all(isinstance(rating, Rating) for rating in row)]
        return [[row[n].satisfaction for row in rows] for n in range(len(names))]
