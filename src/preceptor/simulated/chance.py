"""Chance from a hash: the same request to the same model draws the same, in any order and on any machine.

The hash is over world seed, model, request seed, schema name, and role, text and tool calls of every message: all of it
crosses the wire, so a model answers the same in process and over HTTP. What is being decided is hashed in with each
draw, so that draws do not depend on how many came before.
"""

import hashlib
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TypeVar

import orjson

from preceptor.llm.messages import Message, Request

OptionT = TypeVar("OptionT")
_STEPS = 2**53


class Chance:
    """Independent draws, each named by what it decides."""

    def __init__(self, *seed: object) -> None:
        self.key = hashlib.blake2b(orjson.dumps(seed), digest_size=16).digest()

    @classmethod
    def of(cls, world_seed: int, model: str, request: Request) -> "Chance":
        said = [[message.role, message.content, *_called(message)] for message in request.messages]
        schema = request.schema.name if request.schema else None
        return cls(world_seed, model, request.sampling.seed, schema, said)

    def draw(self, *what: str) -> float:
        """Uniform in [0, 1)."""
        hashed = hashlib.blake2b("\x1f".join(what).encode(), key=self.key, digest_size=8).digest()
        return (int.from_bytes(hashed, "big") >> 11) / _STEPS

    def happens(self, chance: float, *what: str) -> bool:
        return self.draw(*what) < chance

    def pick(self, options: Sequence[OptionT], *what: str) -> OptionT:
        return options[int(self.draw(*what) * len(options))]

    def weighted(self, weights: Mapping[str, float], *what: str) -> str:
        """A key, with its share of the weights. There is at least one weight above 0."""
        left = self.draw(*what) * sum(weights.values())
        for key, weight in weights.items():
            left -= weight
            if left < 0:
                return key
        return max(weights, key=lambda key: weights[key])

    def normal(self, deviation: float, *what: str) -> float:
        """Around 0."""
        return deviation * NormalDist().inv_cdf(max(self.draw(*what), 1e-12))

    def number(self, digits: int, *what: str) -> str:
        """Of so many digits, the first of which is not 0."""
        first = 10 ** (digits - 1)
        return str(first + int(self.draw(*what) * 9 * first))

    def order(self, options: Sequence[str], *what: str) -> tuple[str, ...]:
        """The options, shuffled."""
        return tuple(sorted(options, key=lambda option: self.draw(*what, option)))


def _called(message: Message) -> list[list[str]]:
    return [[call.name, call.arguments] for call in message.tool_calls]
