"""What an evaluation will take, before it starts: calls and tokens by role."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from preceptor.dialogue.domain import Domain
from preceptor.dialogue.outlay import TALK, TURN_TOKENS, TURNS, Role, Share, share, system_tokens


@dataclass(frozen=True)
class Effort:
    """What an arm asks of whom at each of its turns."""

    role: Literal["student", "teacher"]
    calls: int
    """Model calls a turn; 0 for an arm that asks nobody."""
    slot_tokens: int
    """Tokens it adds to each prompt, at most."""


def estimate(
    domain: Domain, arms: Sequence[Effort], customers: int, *, repeats: int = 1, duels: int = 0
) -> dict[Role, Share]:
    """Calls and tokens by role, if every conversation is a typical one. The first arm fights no duels."""
    talks = customers * len(arms)
    fought = customers * min(duels, TURNS) * (len(arms) - 1)
    own = system_tokens(domain)
    shares: dict[Role, Share] = {}
    for role in ("teacher", "student"):
        mine = [(place, arm) for place, arm in enumerate(arms) if arm.role == role and arm.calls]
        calls = [arm.calls * customers * (TURNS + (min(duels, TURNS) if place else 0)) for place, arm in mine]
        added = sum(count * arm.slot_tokens for count, (_, arm) in zip(calls, mine, strict=True))
        plain = share(sum(calls), own + TALK, TURN_TOKENS)
        shares[role] = Share(plain.calls, plain.prompt_tokens + added, plain.completion_tokens)
    shares["customer"] = share(talks * (TURNS + 1), TALK + 200, TURN_TOKENS)
    shares["judge"] = share(talks * repeats + 2 * fought, own + TALK + 250, 40)
    return {role: one for role, one in shares.items() if one.calls}
