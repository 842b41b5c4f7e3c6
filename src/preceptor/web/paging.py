"""A long list in pages."""

import math
from dataclasses import dataclass

from preceptor.web.visits import Visit


@dataclass(frozen=True)
class Paging:
    """Which part of a list is shown."""

    page: int
    """From 1."""
    size: int
    total: int
    """Items of the whole list."""

    @classmethod
    def of(cls, visit: Visit, total: int, size: int = 50) -> "Paging":
        """The page that the URL's ``page`` names; the nearest that there is."""
        text = visit.asked("page", "1")
        page = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1
        return cls(min(max(1, page), max(1, math.ceil(total / size))), size, total)

    @property
    def pages(self) -> int:
        return max(1, math.ceil(self.total / self.size))

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.size

    @property
    def first(self) -> int:
        """Number of the first item shown, from 1; 0: there is none."""
        return min(self.offset + 1, self.total)

    @property
    def last(self) -> int:
        return min(self.offset + self.size, self.total)
