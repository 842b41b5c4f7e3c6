"""The map's places, kept while its scenarios stay the same."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

from preceptor.library.areas import Area
from preceptor.retrieval.embedding import StaticEmbedder
from preceptor.retrieval.plane import Places, lay_out

WIDTH, HEIGHT = 960, 560
MARGIN = 40
NUMBERED = 120
"""Scenarios up to which each has its number in the drawing."""
SMALLEST, LARGEST = 7.0, 26.0
"""Radius in pixels: of a scenario that is hardly met, and of the most frequent."""
KEPT = 4


@dataclass(frozen=True)
class Dot:
    """A scenario in the drawing."""

    number: int
    """Its line in the table, from 1."""
    area: Area
    x: float
    y: float
    radius: float
    """Its area is the share of turns in which the scenario is met."""


class Atlas:
    """Draws maps. One for each process; threads may share it."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, Places] = OrderedDict()
        self._lock = Lock()

    def chart(self, areas: Sequence[Area]) -> tuple[Dot, ...]:
        """The areas as dots, in their order."""
        places = self._places(areas)
        most = max((area.reach.share for area in areas), default=0.0)
        return tuple(
            Dot(
                number,
                area,
                round(MARGIN + (WIDTH - 2 * MARGIN) * float(x), 1),
                round(MARGIN + (HEIGHT - 2 * MARGIN) * float(y), 1),
                _radius(area.reach.share / most if most else 0.0, len(areas)),
            )
            for number, (area, (x, y)) in enumerate(zip(areas, places, strict=True), 1)
        )

    def _places(self, areas: Sequence[Area]) -> Places:
        order = sorted(range(len(areas)), key=lambda n: areas[n].scenario)
        texts = [areas[n].description for n in order]
        key = hash(tuple(texts))
        with self._lock:
            if key not in self._known:
                self._known[key] = lay_out(texts, self._embedder)
                while len(self._known) > KEPT:
                    self._known.popitem(last=False)
            found = self._known[key]
        places = found.copy()
        places[order] = found
        return places

    @cached_property
    def _embedder(self) -> StaticEmbedder:
        return StaticEmbedder()


def _radius(share: float, count: int) -> float:
    """Smaller where there are many, so that they do not cover each other."""
    crowd = math.sqrt(min(1.0, 40 / max(count, 1)))
    return round((SMALLEST + (LARGEST - SMALLEST) * math.sqrt(share)) * max(crowd, 0.3), 1)
