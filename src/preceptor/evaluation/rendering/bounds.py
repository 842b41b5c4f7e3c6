"""What continuous integration insists on: the least that a measure of the arm in question may be."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from preceptor.errors import UserError
from preceptor.evaluation.measures import MEASURES, SATISFACTION, Measure
from preceptor.evaluation.rendering.figures import Figures, Line
from preceptor.evaluation.rendering.wording import number, signed, spread
from preceptor.evaluation.statistics import Interval

GAIN = "gain"
"""The paired difference in satisfaction from the first arm."""
_FORM = re.compile(r"(?:(?P<arm>[^:=]+):)?(?P<name>[a-z_0-9]+)(?P<low>\.low)?=(?P<value>[-+]?\d+(\.\d+)?)")


@dataclass(frozen=True)
class Bound:
    """One `--fail-under`."""

    text: str
    """As it was given."""
    arm: str | None
    """None: the arm in question."""
    measure: Measure
    gain: bool
    """The difference from the first arm, instead of the arm's own mean."""
    low: bool
    """The low end of the 95 % interval, instead of the mean."""
    value: float

    @classmethod
    def parse(cls, text: str) -> "Bound":
        """From ``MEASURE=VALUE``, ``MEASURE.low=VALUE`` or ``ARM:MEASURE=VALUE``.

        Raises:
            UserError: not of this form, no such measure, or one of which less is better.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise UserError(f"--fail-under {text!r}: expected MEASURE=VALUE, such as satisfaction=3.5 or gain.low=0.")
        name, gain = found["name"], found["name"] == GAIN
        measure = SATISFACTION if gain else next((m for m in MEASURES if m.name == name), None)
        if measure is None or not measure.higher_is_better:
            known = ", ".join([GAIN, *(m.name for m in MEASURES if m.higher_is_better)])
            why = "less is better there" if measure else "there is no such measure"
            raise UserError(f"--fail-under {text!r}: {why}. It takes: {known}.")
        return cls(text, found["arm"], measure, gain, bool(found["low"]), float(found["value"]))


@dataclass(frozen=True)
class Held:
    """A bound, and whether it held."""

    bound: Bound
    arm: str
    ok: bool
    sentence: str


def check(figures: Figures, bounds: Sequence[Bound]) -> tuple[Held, ...]:
    """Hold the bounds against a report. What was not measured does not hold: a missing case is not a passing one.

    Raises:
        NotFound: a bound names an arm that is not there.
    """
    return tuple(_held(figures, bound) for bound in bounds)


def _held(figures: Figures, bound: Bound) -> Held:
    name = figures.report.arm(bound.arm).name if bound.arm else figures.asked.name
    line = next(line for line in figures.lines if line.name == name)
    found, what = _found(line, bound), f"{'gain in ' if bound.gain else ''}{bound.measure.title} of “{name}”"
    if found is None:
        return Held(bound, name, False, f"--fail-under {bound.text}: the {what} was not measured.")
    reached = found.low if bound.low else found.value
    ok = math.isfinite(reached) and reached >= bound.value
    say = signed if bound.gain else number
    which = "low end of the interval" if bound.low else "mean"
    ends = f"{say(bound.measure, found.value)}, 95 % interval {spread(bound.measure, found, sign=bound.gain)}"
    verb = "holds" if ok else "does not hold"
    return Held(bound, name, ok, f"--fail-under {bound.text} {verb}: {what} is {ends}; its {which} counts.")


def _found(line: Line, bound: Bound) -> Interval | None:
    if not bound.gain:
        return line.means.get(bound.measure.name)
    return line.verdict.difference if line.verdict else None
