"""Who is asking: from a request's headers to a caller, and so to the library whose releases it gets."""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from preceptor.llm.messages import Usage
from preceptor.llm.prices import Amount
from preceptor.serving.refusals import Refused


@dataclass(frozen=True)
class Caller:
    """On whose behalf a request is made."""

    tenant: str
    library: str
    """Whose live release is taught."""
    release: str | None = None
    """The beginning of a release's hash to use instead of the live one."""
    key: str = ""
    """The id of the key; empty where none was asked for."""
    models: frozenset[str] = frozenset()
    """The models that may be asked for; empty: all."""

    def check(self, model: str | None) -> None:
        """Raises: Refused: this model may not be asked for, or none is named where not all may be."""
        if self.models and model not in self.models:
            named = f"The model {model!r}" if model else "A request that names no model"
            raise Refused(403, f"{named} is not for this key.", "model", "model_not_allowed")


class Access(Protocol):
    """Admits callers. Works from memory: nothing in the path of a request waits for a database. Who inherits need only
    admit: nothing is counted then, and nothing has to be kept up to date."""

    @property
    def keyed(self) -> bool:
        """Whether a key is asked for."""
        return False

    def admit(self, headers: Mapping[bytes, bytes], path: str) -> Caller:
        """Raises: Refused: with 401, 429, or 503 while it cannot be told."""

    def charge(self, caller: Caller, upstream: str, usage: Usage) -> Amount:
        """Count a reply; what it cost."""
        return Amount(1, usage.prompt_tokens, usage.completion_tokens)

    def running(self, libraries: Callable[[Iterable[str]], None]) -> AbstractAsyncContextManager[None]:
        """What is needed to keep up to date. `libraries`: told whose releases callers are given, as it changes."""
        return contextlib.nullcontext()


@dataclass(frozen=True)
class Open(Access):
    """Admits everyone as one tenant: for this machine only."""

    caller: Caller

    def admit(self, headers: Mapping[bytes, bytes], path: str) -> Caller:
        return self.caller
