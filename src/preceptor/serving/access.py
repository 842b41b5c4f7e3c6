"""Who is asking: from a request's headers to a caller, and so to the library whose releases it gets."""

import contextlib
import hmac
import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
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

    def admit(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Raises: Refused: with 401, 429, or 503 while it cannot be told."""

    def charge(self, caller: Caller, upstream: str, usage: Usage) -> Amount:
        """Count a reply; what it cost."""
        return Amount(1, usage.prompt_tokens, usage.completion_tokens)

    def running(self, libraries: Callable[[Iterable[str]], None]) -> AbstractAsyncContextManager[None]:
        """What is needed to keep up to date. `libraries`: told whose releases callers are given, as it changes."""
        return contextlib.nullcontext()


@dataclass(frozen=True)
class Watch:
    """Who may read the metrics: they tell of all tenants, so no tenant's key is for them."""

    key: str = field(default="", repr=False)
    """Asked of everybody, as bearer token; empty: none is."""
    anyone: bool = False
    """Without a key, from wherever; otherwise only from this machine."""

    def admit(self, headers: Mapping[bytes, bytes], client: Sequence[object] | None) -> None:
        """`client`: address and port; None: not over a network.

        Raises:
            Refused: 401 or 403.
        """
        if self.key:
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(
                given[7:].strip() if given[:7].lower() == b"bearer " else b"", self.key.encode()
            ):
                asks = {"www-authenticate": "Bearer"}
                raise Refused(401, "The metrics have a key of their own.", code="invalid_api_key", headers=asks)
        elif not self.anyone and client is not None and not _near(str(client[0])):
            said = "The metrics are for this machine only; serving.metrics or serving.metrics_key_env change that."
            raise Refused(403, said, code="metrics_are_local")


LOCAL = Watch()


def _near(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
