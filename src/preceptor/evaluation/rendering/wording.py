"""Numbers and judgements in words, the same in every format."""

import math
from typing import assert_never

from preceptor.evaluation.measures import Measure
from preceptor.evaluation.statistics import Interval

MINUS = "−"
PERCENT = "\N{NO-BREAK SPACE}%"
POINTS = "\N{NO-BREAK SPACE}pts"


def number(measure: Measure, value: float) -> str:
    """A value with the digits its unit deserves: ``3.42``, ``87 %``, ``1,204``. Money is for a thousand conversations,
    because that for one of a small model is all zeros."""
    if not math.isfinite(value):
        return "unbounded"
    match measure.unit:
        case "share":
            text = f"{100 * value:.0f}{PERCENT}" if abs(value) >= 0.005 or value == 0 else f"{100 * value:.1f}{PERCENT}"
        case "money":
            text = money(1000 * value)
        case "tokens" | "turns":
            text = f"{value:,.0f}" if abs(value) >= 100 or value == 0 else f"{value:,.1f}"
        case "1 to 5" | "-1 to 1" | "s":
            text = f"{value:,.2f}"
        case _:
            assert_never(measure.unit)
    return _minus(text)


def signed(measure: Measure, value: float) -> str:
    """A difference: with its sign; shares in points."""
    text = number(measure, abs(value)).replace(PERCENT, POINTS)
    return f"{MINUS if value < 0 else '+' if value > 0 else ''}{text}"


def money(value: float) -> str:
    """At least two decimals, and at least two digits that say something."""
    if value == 0:
        return "0"
    decimals = max(2, 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def spread(measure: Measure, interval: Interval, *, sign: bool = False) -> str:
    """``3.30 to 3.54``; says so where there is no interval."""
    if not bounded(interval):
        return "no interval"
    say = signed if sign else number
    low, high = say(measure, interval.low), say(measure, interval.high)
    for unit in (PERCENT, POINTS):
        low = low.removesuffix(unit) if high.endswith(unit) else low
    return f"{low} to {high}"


def bounded(interval: Interval) -> bool:
    return math.isfinite(interval.low) and math.isfinite(interval.high)


def short(text: str, length: int) -> str:
    """On one line and no longer than `length`."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _minus(text: str) -> str:
    return text.replace("-", MINUS, 1) if text.startswith("-") else text


def per(measure: Measure, currency: str) -> str:
    """The unit in words: ``of conversations``, ``USD a conversation``."""
    match measure.unit:
        case "1 to 5":
            return "on a scale from 1 to 5"
        case "-1 to 1":
            return "wins less losses, a reply"
        case "share":
            return "of conversations"
        case "turns":
            return "of the agent"
        case "tokens":
            return "a conversation"
        case "money":
            return f"{currency} for 1,000 conversations".strip()
        case "s":
            return "a conversation waits for the model"
        case _:
            assert_never(measure.unit)


def title(measure: Measure) -> str:
    return measure.title[:1].upper() + measure.title[1:]


def chance(p: float) -> str:
    """A p-value: no more digits than it has; none where the interval is a confidence sequence, which needs none."""
    if math.isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"
