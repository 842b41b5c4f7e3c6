"""How far a file was read, so that one that is looked at again and again is not read from the beginning each time."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from preceptor.logs.rows import Place

_BEFORE = 4096
"""Bytes before a place that tell whether the file is still the one that was read."""


@dataclass(frozen=True)
class Mark:
    """A file as it was when it was read."""

    size: int
    """Bytes."""
    changed: int
    """When it was last changed, in nanoseconds since 1970."""
    place: Place | None
    """Up to where it need not be read again if it has grown; None: it has to be read as a whole."""
    before: str
    """Hash of what stands before `place`."""

    @classmethod
    def of(cls, path: Path, state: os.stat_result, place: Place | None) -> "Mark":
        """`state`: from before it was read, so that what is written meanwhile counts as a change."""
        return cls(state.st_size, state.st_mtime_ns, place, _before(path, place) if place else "")

    def unchanged(self, path: Path) -> bool:
        state = path.stat()
        return (state.st_size, state.st_mtime_ns) == (self.size, self.changed)

    def grown(self, path: Path) -> Place | None:
        """Where to go on reading; None: at the beginning."""
        if self.place is None or path.stat().st_size < self.place.offset or _before(path, self.place) != self.before:
            return None
        return self.place


def _before(path: Path, place: Place) -> str:
    start = max(0, place.offset - _BEFORE)
    with path.open("rb") as file:
        file.seek(start)
        return hashlib.sha256(file.read(place.offset - start)).hexdigest()[:32]
