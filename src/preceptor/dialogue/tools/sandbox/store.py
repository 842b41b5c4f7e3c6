"""A database that can be opened again and again, each time as it was at first: one small contract for all kinds."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from preceptor.dialogue.tools.sandbox.changes import Changes

T = TypeVar("T")
Patch = Mapping[str, Mapping[str, Any]]
"""By table and key: fields to set, those of rows within rows beside what is there; or None to take the row away. A key
that is not there is added."""


class Copy(Protocol):
    """The database of one conversation."""

    def change(self, run: Callable[[Any], T]) -> T:
        """Give the open database to a function. If it raises, nothing that it did stays."""

    def patch(self, patch: Patch) -> None:
        """Raises: SettingsError: it does not fit the tables."""

    def changes(self) -> Changes:
        """What is no longer as in the file."""

    def close(self) -> None: ...


class Store(Protocol):
    """A database as in its file."""

    def copy(self) -> Copy:
        """A copy of its own for a conversation."""
