"""What came of a conversation, as far as it can be checked without a model."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One thing that was looked at after a conversation."""

    name: str
    """For tables: ``end state``, ``information given``."""
    kept: bool
    detail: str = ""
    """What was found instead of what was wanted, for the reader; empty where it was kept."""


@dataclass(frozen=True)
class Outcome:
    """All checks of a conversation, or a log's own word for it."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check was kept."""
        return all(check.kept for check in self.checks)
