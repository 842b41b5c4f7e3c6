"""How far a piece of work is, for whoever watches."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """`done` of `total` pieces of a phase; a phase begins with 0 done."""

    phase: str
    done: int
    total: int


def duration(seconds: float) -> str:
    """Such as ``45 s`` or ``3 min``."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
