"""One arm against another, in words that are right when there is little to go by."""

import math
from dataclasses import dataclass
from typing import Literal

from preceptor.evaluation.measures import Measure
from preceptor.evaluation.statistics import Interval

LEVEL = 0.05
Word = Literal["better", "worse", "not decided"]


@dataclass(frozen=True)
class Verdict:
    """``str()`` gives a sentence."""

    new: str
    old: str
    measure: Measure
    difference: Interval
    """New minus old."""
    p: float
    """How often chance alone would do as much; NaN where the interval is a confidence sequence, which needs none."""
    adjusted: float
    """p, adjusted for being one of `comparisons` (Holm)."""
    comparisons: int

    @property
    def word(self) -> Word:
        """Decided only where the interval leaves 0 out and the adjusted p is small: among many arms one is bound to
        look good."""
        if not self._apart or self.adjusted > LEVEL:
            return "not decided"
        return "better" if (self.difference.value > 0) == self.measure.higher_is_better else "worse"

    @property
    def reason(self) -> str:
        """Why it is not decided; empty where it is."""
        if self.word != "not decided":
            return ""
        if self.difference.n < 2:
            return "too few customers were measured in both"
        if not self._apart:
            return "the interval holds 0"
        return f"chance could do as much in {self.comparisons} comparisons"

    def __str__(self) -> str:
        head = f"{self.new} against {self.old}: {self.word}{': ' if self.reason else ''}{self.reason}"
        holm = f" after Holm for {self.comparisons}" if self.comparisons > 1 else ""
        figures = f"{self.measure.title} {self.difference.value:+.2f} [{self.difference.low:.2f}, "
        figures += f"{self.difference.high:.2f}], {self.difference.n} customers, "
        figures += "looked at while it went" if math.isnan(self.adjusted) else f"p = {self.adjusted:.2g}{holm}"
        return f"{head} ({figures})."

    @property
    def _apart(self) -> bool:
        return self.difference.n > 1 and not self.difference.low <= 0 <= self.difference.high
