"""What an evaluation will take, before it starts: calls and tokens by role."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from preceptor.dialogue.domain import Domain
from preceptor.dialogue.outlay import TALK, TURN_TOKENS, TURNS, Role, Share, share, system_tokens

FIRING = 0.04
"""Share of turns at which a strategy stands in the slot: the most that was usual in both shipped worlds' libraries."""


@dataclass(frozen=True)
class Effort:
    """What an arm asks of whom at each of its turns."""

    role: Literal["student", "teacher"]
    calls: int
    """Model calls a turn; 0 for an arm that asks nobody."""
    slot_tokens: int
    """Tokens it adds to each prompt, at most."""


def omissions(
    domain: Domain, customers: int, subjects: int, contexts: int, *, slot_tokens: int, repeats: int
) -> dict[Role, Share]:
    """Calls and tokens by role to leave each of `subjects` (strategies and sets) out in so many contexts at most, if
    each stands in the slot as often as `FIRING` says. How often they do is known once the arms have served."""
    moments = customers * TURNS
    looked_at = subjects * min(contexts, round(FIRING * moments))
    pairs = repeats * looked_at
    replies = pairs + repeats * min(moments, looked_at)
    own = system_tokens(domain) + TALK
    return {
        "student": share(replies, own + slot_tokens, TURN_TOKENS),
        "judge": share(2 * pairs, own + 2 * TURN_TOKENS + 250, 40),
    }


def together(*estimates: Mapping[Role, Share]) -> dict[Role, Share]:
    """Several estimates as one."""
    found: dict[Role, Share] = {}
    for role, more in ((role, more) for one in estimates for role, more in one.items()):
        found[role] = found.get(role, Share(0, 0, 0)) + more
    return found


def estimate(
    domain: Domain, arms: Sequence[Effort], customers: int, *, repeats: int = 1, trials: int = 1, duels: int = 0
) -> dict[Role, Share]:
    """Calls and tokens by role, if every conversation is a typical one. The first arm fights no duels."""
    talks = customers * len(arms)
    fought = customers * min(duels, TURNS) * (len(arms) - 1)
    own = system_tokens(domain)
    shares: dict[Role, Share] = {}
    for role in ("teacher", "student"):
        mine = [(place, arm) for place, arm in enumerate(arms) if arm.role == role and arm.calls]
        calls = [arm.calls * customers * (TURNS * trials + (min(duels, TURNS) if place else 0)) for place, arm in mine]
        added = sum(count * arm.slot_tokens for count, (_, arm) in zip(calls, mine, strict=True))
        plain = share(sum(calls), own + TALK, TURN_TOKENS)
        shares[role] = Share(plain.calls, plain.prompt_tokens + added, plain.completion_tokens)
    shares["customer"] = share(talks * trials * (TURNS + 1), TALK + 200, TURN_TOKENS)
    shares["judge"] = share(talks * repeats + 2 * fought, own + TALK + 250, 40)
    return {role: one for role, one in shares.items() if one.calls}
