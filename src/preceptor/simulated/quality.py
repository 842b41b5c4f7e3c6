"""How good an agent's turn and a conversation are, by the world's own rule. No noise, no bias."""

from collections.abc import Sequence
from typing import Literal

from preceptor.simulated.world import Situation, World

Ending = Literal["open", "resolved", "left", "cut"]


def turn_quality(world: World, situation: Situation, made: frozenset[str]) -> float:
    """0…1: the share of required moves made, less harm and clutter."""
    required = made.intersection(situation.required)
    harmful = made.intersection(situation.harmful)
    clutter = made.difference(situation.required, situation.harmful, situation.neutral)
    share = len(required) / len(situation.required) if situation.required else 1.0
    rule = world.quality
    return min(1.0, max(0.0, share - rule.harm * len(harmful) - rule.clutter * len(clutter)))


def satisfaction(world: World, turns: Sequence[float], ending: Ending) -> float:
    """1…5, from the qualities of the agent's turns and how the conversation ended."""
    mean = sum(turns) / len(turns) if turns else 0.5
    ended = {"resolved": 1.0, "left": 0.0}.get(ending, 0.5)
    return 1 + 4 * min(1.0, world.quality.turns * mean + world.quality.ending * ended)
