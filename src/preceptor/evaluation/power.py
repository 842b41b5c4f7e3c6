"""What a number of customers can show, before anything is spent on them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import optimize, stats


@dataclass(frozen=True)
class Row:
    """What so many customers can show."""

    customers: int
    detectable: float
    """The smallest true mean difference that is found with the power asked for, in the unit of the spread."""

    def __str__(self) -> str:
        return f"With {self.customers:,} customers you can see a difference of {self.detectable:.2g}."


def detectable(spread: float, n: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest true mean of paired differences that n customers show with a chance of `power`.

    By the non-central t distribution of the paired t-test, two-sided at `alpha`; found means found on the right side.
    Infinite for fewer than two customers.

    Args:
        spread: standard deviation of the paired differences between two arms, as an earlier run or a few
            customers show it. It holds what customers differ by and what the judge's noise adds.
    """
    if n < 2:
        return math.inf
    critical = stats.t.ppf(1 - alpha / 2, n - 1)

    def short_of(shift: float) -> float:
        return float(stats.nct.sf(critical, n - 1, shift)) - power

    # At 0 the power is alpha / 2. Half a critical value on top of one is far above 80 % for every n.
    shift = optimize.brentq(short_of, 0.0, 2 * critical + 10)
    return float(shift) * spread / math.sqrt(n)


def table(spread: float, sizes: Sequence[int], power: float = 0.8, alpha: float = 0.05) -> tuple[Row, ...]:
    """A row for each number of customers; as text, each says what can be seen."""
    return tuple(Row(n, detectable(spread, n, power, alpha)) for n in sizes)
