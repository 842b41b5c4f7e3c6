"""A curve of means with their intervals, laid out for a template to draw."""

from collections.abc import Sequence
from dataclasses import dataclass

from preceptor.evaluation.rendering.charts import Scale

WIDTH, HEIGHT = 640, 200
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 12, 28
"""Pixels kept free around the curve, for its labels."""


@dataclass(frozen=True)
class Point:
    label: str
    value: float
    x: float
    y: float
    low: float
    high: float
    """The interval's ends, as heights."""


@dataclass(frozen=True)
class Curve:
    """In pixels of a drawing of `WIDTH` by `HEIGHT`."""

    points: tuple[Point, ...]
    ticks: tuple[tuple[float, str], ...]
    """Heights and what stands beside them."""

    width: int = WIDTH
    height: int = HEIGHT

    @classmethod
    def of(cls, values: Sequence[tuple[str, float, float, float]]) -> "Curve | None":
        """Of (label, mean, low, high), from left to right; None: there are fewer than two."""
        if len(values) < 2:
            return None
        scale = Scale.over([end for _, mean, low, high in values for end in (mean, low, high)], 4)

        def height(value: float) -> float:
            return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - scale.at(value) / 100), 1)

        step = (WIDTH - LEFT - RIGHT - 40) / (len(values) - 1)
        points = (
            Point(label, mean, round(LEFT + 20 + n * step, 1), height(mean), height(low), height(high))
            for n, (label, mean, low, high) in enumerate(values)
        )
        return cls(tuple(points), tuple((height(t.value), f"{t.value:.{scale.digits}f}") for t in scale.ticks))

    @property
    def line(self) -> str:
        """The points as an SVG polyline has them."""
        return " ".join(f"{point.x},{point.y}" for point in self.points)
