"""Which conversations go untaught, or are taught by another release, so that it can be told what teaching does.

Drawn at random and kept by every conversation from its first turn to its last, in every process and after every
restart: a hash of the conversation decides. Shares may grow without moving conversations that are in already.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

from preceptor.serving.access import Caller
from preceptor.serving.protocols.asked import Asked

Arm = Literal["live", "untaught", "other"]
"""``live``: taught by the release in force. ``untaught``: the holdout. ``other``: taught by the release it is held
against."""


@dataclass(frozen=True)
class Trial:
    """How conversations are shared out."""

    holdout: float = 0.0
    """The share that goes untaught."""
    other: str | None = None
    """The beginning of the hash of the release that is held against the live one."""
    share: float = 0.5
    """The share of what is taught that `other` teaches."""
    salt: str = ""
    """Another one draws anew."""

    @property
    def on(self) -> bool:
        return self.holdout > 0 or self.other is not None

    def arm(self, conversation: str) -> Arm:
        """The arm of a conversation."""
        digest = hashlib.blake2b(f"{self.salt}\0{conversation}".encode(), digest_size=16).digest()
        first, second = (int.from_bytes(part) / 2**64 for part in (digest[:8], digest[8:]))
        if first < self.holdout:
            return "untaught"
        return "other" if self.other is not None and second < self.share else "live"

    def chance(self, arm: Arm) -> float:
        """How likely an arm is."""
        share = self.share if self.other is not None else 0.0
        return self.holdout if arm == "untaught" else (1 - self.holdout) * (share if arm == "other" else 1 - share)


def conversation_of(asked: Asked, caller: Caller, named: str | None) -> str:
    """What a conversation is called here: a hash of the application's name for it or, without one, of what the customer
    said before anybody answered. Tenants never share one."""
    if named is None:
        opening = []
        for turn in asked.turns:
            if turn.party == "agent":
                break
            opening.append(turn.text)
        named = "\0".join(["", *opening])
    return name_of(caller.tenant, named)


def name_of(tenant: str, named: str) -> str:
    """The hash of a name, such as ``cv-1f09ab23cd45…``; one that is such a hash already stays as it is."""
    if named.startswith("cv-") and len(named) == 27:
        return named
    digest = hashlib.blake2b(f"{tenant}\0{named}".encode("utf-8", "replace"), digest_size=12)
    return f"cv-{digest.hexdigest()}"
