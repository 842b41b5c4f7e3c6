"""How far a piece of work is, for whoever watches."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """`done` of `total` pieces of a phase; a phase begins with 0 done."""

    phase: str
    done: int
    total: int
