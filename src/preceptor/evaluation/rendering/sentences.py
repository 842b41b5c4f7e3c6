"""The verdict in plain sentences, the same in every format."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from preceptor.evaluation.comparison import Verdict
from preceptor.evaluation.measures import GOAL_REACHED as SHARE
from preceptor.evaluation.measures import SATISFACTION
from preceptor.evaluation.rendering.figures import Figures, Line
from preceptor.evaluation.rendering.wording import bounded, number, per, plural, signed, spread, title

SIMULATED = "Models were simulated: this shows the method, not your models."


@dataclass(frozen=True)
class Key:
    """A figure for the first screen."""

    label: str
    value: str
    beside: str
    """What it is to be seen against: an interval, another arm."""


def headline(figures: Figures) -> str:
    """Is the arm in question better than the first?"""
    if not figures.compared:
        return f"{_level(figures.first)} There is no other arm to hold it against."
    verdict = figures.asked.verdict
    if verdict is None:
        return f"Nothing can be said of “{figures.asked.name}”: no customer was scored in it and in the first arm."
    return sentence(verdict)


def sentence(verdict: Verdict) -> str:
    """One arm against another, for people."""
    change, new, old = verdict.difference, f"“{verdict.new}”", f"“{verdict.old}”"
    size = number(verdict.measure, abs(change.value))
    ends = f"95\N{NO-BREAK SPACE}% interval {spread(verdict.measure, change, sign=True)}"
    what, direction = verdict.measure.title, "higher" if change.value > 0 else "lower"
    match verdict.word:
        case "better" | "worse" as word:
            return f"{new} serves customers {word} than {old}: {what} is {size} {direction} ({ends})."
        case "not decided":
            differs = signed(verdict.measure, change.value)
            return (
                f"Not decided whether {new} serves customers better than {old}: {what} differs by {differs}, and "
                f"{verdict.reason} ({ends})."
            )
        case _:
            assert_never(verdict.word)


def keys(figures: Figures) -> Iterator[Key]:
    """What a reader asks next: how good, for how many, how far to the teacher, at what cost."""
    asked, first = figures.asked, figures.first
    if mean := asked.satisfaction:
        was = (
            f", was {number(SATISFACTION, first.satisfaction.value)}" if first.satisfaction and figures.compared else ""
        )
        yield Key("Satisfaction, 1 to 5", number(SATISFACTION, mean.value), f"{spread(SATISFACTION, mean)}{was}")
    if counts := asked.customers:
        beside = f"of {plural(counts.n, 'customer')}; {counts.alike:,} alike"
        yield Key("Customers served better / worse", f"{counts.better:,} / {counts.worse:,}", beside)
    if (gap := figures.gap) and bounded(gap):
        yield Key("Of the distance to the teacher, closed", number(SHARE, gap.value), spread(SHARE, gap))
    if figures.cost.name in asked.means:
        yield _cost(figures)


def missing(figures: Figures) -> str:
    """How many conversations count in no mean, in a sentence; empty where none is missing."""
    count = figures.unscored
    return f"{count:,} of {plural(figures.conversations, 'conversation')} could not be scored." if count else ""


def noise(figures: Figures) -> str:
    """How much of what differs between ratings is the judge's own doing; empty where nothing was rated twice."""
    share = figures.report.judge_share(figures.asked.name)
    if share is None or not bounded(share):
        return ""
    return (
        f"Of what differs between its single ratings of “{figures.asked.name}”, {number(SHARE, share.value)} "
        f"is its own noise ({spread(SHARE, share)})."
    )


def _cost(figures: Figures) -> Key:
    cost, asked = figures.cost, figures.asked
    others = [line for line in figures.placed if line is not asked and line in (figures.first, figures.teacher)]
    against = "; ".join(f"{line.name} {number(cost, line.means[cost.name].value)}" for line in others)
    unit = per(cost, figures.provenance.currency)
    return Key(
        unit if cost.unit == "money" else f"{title(cost)} {unit}", number(cost, asked.means[cost.name].value), against
    )


def _level(line: Line) -> str:
    mean = line.satisfaction
    if mean is None:
        return f"“{line.name}” could not be scored."
    return (
        f"“{line.name}” reaches a satisfaction of {number(SATISFACTION, mean.value)} "
        f"on a scale from 1 to 5 (95\N{NO-BREAK SPACE}% interval {spread(SATISFACTION, mean)})."
    )
