"""Where things stand in a drawing. Horizontal places are shares of the width, so that a drawing fits any window
without its letters shrinking; vertical ones are pixels. The templates draw."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from preceptor.evaluation.rendering.figures import Figures, Line
from preceptor.evaluation.rendering.wording import bounded
from preceptor.evaluation.statistics import Interval

WIDTH = 720
"""Pixels of a scatter at which labels are kept apart; the width it has on a desk."""
HEIGHT = 340
"""Pixels of a scatter."""
LETTER = 7.2
"""Pixels of a letter of a label, on average."""
FAR = 8
"""Costs that differ by more than this factor would leave the cheap ones on one spot of a linear scale."""


@dataclass(frozen=True)
class Tick:
    at: float
    """Per cent of the width."""
    value: float


@dataclass(frozen=True)
class Scale:
    """Values to per cent of a width, linear between `low` and `high`."""

    low: float
    high: float
    step: float
    """Between ticks."""

    @classmethod
    def over(cls, values: Iterable[float], wanted: int = 5, around: Sequence[float] = ()) -> "Scale":
        """Round ends that hold all finite values, and those of `around`."""
        finite = [value for value in (*values, *around) if math.isfinite(value)] or [0.0, 1.0]
        low, high = min(finite), max(finite)
        if low == high:
            low, high = low - 0.5, high + 0.5
        step = _round_step((high - low) / wanted)
        return cls(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step)

    def at(self, value: float) -> float:
        """Per cent; values beyond the ends stand at the ends."""
        share = (value - self.low) / (self.high - self.low)
        return round(2 + 96 * min(1.0, max(0.0, share)), 2)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        count = round((self.high - self.low) / self.step)
        return tuple(Tick(self.at(v), v) for v in (round(self.low + n * self.step, 10) for n in range(count + 1)))

    @property
    def digits(self) -> int:
        """Decimals its ticks need."""
        return max(0, -math.floor(math.log10(self.step) + 1e-9))


@dataclass(frozen=True)
class Axis:
    """Costs to per cent of the width."""

    linear: Scale
    log: tuple[float, float] | None
    """Powers of ten at the ends of a logarithmic scale; None: it is linear. What costs nothing stands left of it."""

    @classmethod
    def over(cls, values: Sequence[float]) -> "Axis":
        """Logarithmic where the costs differ by more than `FAR`."""
        priced = [value for value in values if value > 0]
        log = None
        if priced and max(priced) / min(priced) > FAR:
            log = (math.log10(min(priced)) - 0.1, math.log10(max(priced)) + 0.1)
        return cls(Scale.over(values, around=[0]), log)

    def at(self, value: float) -> float:
        if self.log is None:
            return round(10 + 0.88 * self.linear.at(value), 2)
        if value <= 0:
            return 10.0
        low, high = self.log
        return round(18 + 78 * (math.log10(value) - low) / (high - low), 2)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        if self.log is None:
            return tuple(Tick(self.at(tick.value), tick.value) for tick in self.linear.ticks)
        low, high = self.log
        steps = (1, 2, 5) if high - low < 2.5 else (1,)
        values = [m * 10.0**n for n in range(math.floor(low), math.ceil(high) + 1) for m in steps]
        return tuple(Tick(self.at(value), value) for value in values if low <= math.log10(value) <= high)


@dataclass(frozen=True)
class Point:
    """A dot of the scatter, with its label."""

    line: Line
    x: float
    """Per cent."""
    y: float
    """Pixels."""
    low: float
    high: float
    """Ends of the whisker, in pixels; `low` is further down."""
    best: bool
    """On the frontier."""
    label: float
    """Pixels from the dot down to the middle of its label."""
    left: bool
    """The label stands to the left of the dot."""


@dataclass(frozen=True)
class Scatter:
    """Quality against cost."""

    height: int
    points: tuple[Point, ...]
    path: tuple[Point, ...]
    """The frontier, the cheapest first."""
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    """`at` in pixels."""
    log: bool
    """Costs stand on a logarithmic scale; what cost nothing stands left of it."""


def forest(intervals: Iterable[Interval | None], around: Sequence[float] = ()) -> Scale:
    """A scale for intervals under one another."""
    ends = [end for i in intervals if i for end in (i.value, *((i.low, i.high) if bounded(i) else ()))]
    return Scale.over(ends, around=around)


def scatter(figures: Figures) -> Scatter | None:
    """Quality against cost; None where nothing was scored."""
    placed = figures.placed
    if not placed:
        return None
    costs = {line.name: line.means[figures.cost.name].value for line in placed}
    quality, axis = forest([line.satisfaction for line in placed]), Axis.over(list(costs.values()))

    def y(value: float) -> float:
        return round(HEIGHT - 10 - (HEIGHT - 48) * (quality.at(value) - 2) / 96, 1)

    best, points = figures.frontier, list[Point]()
    for line in placed:
        s = line.satisfaction
        assert s is not None
        low, high = (y(s.low), y(s.high)) if bounded(s) else (y(s.value), y(s.value))
        points.append(Point(line, axis.at(costs[line.name]), y(s.value), low, high, line in best, 0, left=False))
    points = _labelled(points)
    by_name = {point.line.name: point for point in points}
    path = tuple(by_name[line.name] for line in best)
    up = tuple(Tick(y(tick.value), tick.value) for tick in quality.ticks)
    return Scatter(HEIGHT, tuple(points), path, axis.ticks, up, axis.log is not None)


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * (1 - 1e-9))


Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels."""


def _labelled(points: Sequence[Point]) -> list[Point]:
    """Each label at the nearest free place beside its dot; where none is free, at its dot."""
    taken = [(p.x / 100 * WIDTH - 9, p.y - 9, p.x / 100 * WIDTH + 9, p.y + 9) for p in points]
    found = []
    for point in points:
        tries = [replace(point, label=dy, left=left) for dy in (0, -16, 16, -32, 32, -48, 48) for left in (False, True)]
        free = (p for p in tries if _inside(box := _box(p)) and not any(_overlap(box, t) for t in taken))
        chosen = next(free, tries[0])
        taken.append(_box(chosen))
        found.append(chosen)
    return found


def _box(point: Point) -> Box:
    x, y, width = point.x / 100 * WIDTH, point.y + point.label, len(point.line.name) * LETTER
    return (x - 13 - width, y - 8, x - 13, y + 8) if point.left else (x + 13, y - 8, x + 13 + width, y + 8)


def _inside(box: Box) -> bool:
    return box[0] >= 0 and box[2] <= WIDTH and box[1] >= 0 and box[3] <= HEIGHT


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
