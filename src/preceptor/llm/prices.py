"""What a call costs, and the most it can cost before it is made.

Money is counted in whole billionths (nano units) of the currency of the price list, rounded up, so that sums are exact
and never too small.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from preceptor.llm.messages import Request, Usage
from preceptor.storage.canonical import canonical

NANO = 1_000_000_000
_PER_MILLION = Fraction(NANO, 1_000_000)
_PREAMBLE = 1024
"""Tokens a chat template may add on its own: a default system message, the date, how to call tools."""


@dataclass(frozen=True)
class Amount:
    """What was, or may be, used up. `calls` are attempts: each is a request to the provider."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    nano: int = 0
    """Money, in billionths."""

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.nano + other.nano,
        )

    def __sub__(self, other: "Amount") -> "Amount":
        return self + Amount(-other.calls, -other.prompt_tokens, -other.completion_tokens, -other.nano)


NOTHING = Amount()


@dataclass(frozen=True)
class Price:
    """Per million tokens."""

    prompt: Decimal = Decimal(0)
    completion: Decimal = Decimal(0)

    def amount(self, usage: Usage) -> Amount:
        """What one call of this usage costs."""
        nano = _PER_MILLION * (
            Fraction(self.prompt) * usage.prompt_tokens + Fraction(self.completion) * usage.completion_tokens
        )
        return Amount(1, usage.prompt_tokens, usage.completion_tokens, ceil(nano))

    def worst(self, request: Request) -> Amount:
        """The most one call can cost: a token of a byte-level tokeniser is at least one byte long, the JSON around each
        message is longer than any template's marks for it, and a reply ends at `max_tokens`."""
        bound = Usage(len(canonical(request)) + _PREAMBLE, request.sampling.max_tokens)
        return self.amount(bound)


FREE = Price()


def to_nano(money: Decimal) -> int:
    """Rounded down: a limit must not grow."""
    return floor(Fraction(money) * NANO)


def from_nano(nano: int) -> Decimal:
    return Decimal(nano) / NANO
