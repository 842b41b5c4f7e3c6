"""Who is asking: from a request's headers to a caller, and so to the library whose releases it gets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Caller:
    """On whose behalf a request is made."""

    tenant: str
    library: str
    """Whose live release is taught."""
    release: str | None = None
    """The beginning of a release's hash to use instead of the live one."""


class Access(Protocol):
    """Admits callers. Works from memory: nothing in the path of a request waits for a database."""

    def admit(self, headers: Mapping[bytes, bytes], path: str) -> Caller:
        """Raises: Refused: with 401, 403 or 429."""


@dataclass(frozen=True)
class Open:
    """Admits everyone as one tenant: for this machine only."""

    caller: Caller

    def admit(self, headers: Mapping[bytes, bytes], path: str) -> Caller:
        return self.caller
