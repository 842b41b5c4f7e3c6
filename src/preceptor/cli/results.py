"""What an evaluation found, as tables for a terminal."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from preceptor.evaluation.attribution import Attribution, Contribution
    from preceptor.evaluation.measures import Measure
    from preceptor.evaluation.report import Report
    from preceptor.evaluation.statistics import Interval


def show_report(
    report: "Report",
    currency: str,
    mark: str = "",
    *,
    title: str = "Arms",
    measures: "Sequence[Measure] | None" = None,
) -> None:
    """Arms × measures (all that say something, when not given) with intervals, what is missing, and the verdicts.

    `mark`: what must stand beside the figures, such as ``simulated``.
    """
    from preceptor.cli import tables

    headings = ("", *report.names)
    rows = [
        (_heading(measure, currency), *(_cell(report.mean(name, measure), measure) for name in report.names))
        for measure in measures or report.measured
    ]
    marked = f" ({mark})" if mark else ""
    typer.echo(f"\n{title}{marked}: means over {report.customers:,} customers [95 %]")
    tables.show(headings, rows)
    for arm in report.arms:
        for reason, count in arm.reasons.items():
            typer.echo(f"Unscored, {arm.name}: {count} × {reason}")
    for arm in report.arms:
        if arm.failed:
            counts = ", ".join(f"{name} {count:,}" for name, count in arm.failed.items())
            typer.echo(f"Not as it should be, {arm.name}, of {len(arm.outcomes):,} conversations: {counts}")
    for name in report.names:
        if share := report.judge_share(name):
            typer.echo(f"Judge's own noise, {name}: {_percent(share)} of what differs between single ratings")
    typer.echo("")
    for verdict in report.verdicts():
        typer.echo(str(verdict))


def _percent(share: "Interval") -> str:
    return f"{share.value:.0%} [{share.low:.0%}, {share.high:.0%}]"


def _heading(measure: "Measure", currency: str) -> str:
    unit = {"share": "", "1 to 5": "1 to 5", "money": currency, "s": "s", "turns": "", "tokens": ""}
    said = unit.get(measure.unit, measure.unit)
    return f"{measure.title} ({said})" if said else measure.title


def _cell(interval: "Interval", measure: "Measure") -> str:
    if not interval.n:
        return ""
    value, low, high = (_number(end, measure) for end in (interval.value, interval.low, interval.high))
    if not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return value
    return f"{value} [{low}, {high}]"


def _number(value: float, measure: "Measure") -> str:
    match measure.unit:
        case "share":
            return f"{value:.0%}"
        case "tokens":
            return f"{value:,.0f}"
        case "money":
            return f"{value:.4f}"
        case _:
            return f"{value:.2f}"


SHOWN = 5
"""Strategies that help, or hurt, named on a terminal; the report has all."""


def show_attribution(found: "Attribution") -> None:
    """Strategies and sets that clearly help or hurt, and how many there is nothing to say of."""
    typer.echo(
        f"\nWhat the strategies of {found.arm!r} do: replies better with them less replies worse, -1 to 1 [95 %]"
    )
    for word, rows in (("hurt", found.hurting[::-1]), ("help", found.helping)):
        for row in rows[:SHOWN]:
            typer.echo(f"  {word}s {row.effect}, {row.customers:,} customers: {_of(row)}")
        if len(rows) > SHOWN:
            typer.echo(f"  {len(rows) - SHOWN:,} more {word}.")
    others = [row.verdict for row in (*found.strategies, *found.scenarios)]
    typer.echo(
        f"  Not decided: {others.count('not decided'):,}; met by too few customers: {others.count('not measured'):,}; "
        f"of {len(found.strategies):,} strategies and {len(found.scenarios):,} sets."
    )


def _of(row: "Contribution") -> str:
    return row.text if row.kind == "strategy" else f"all for “{row.text}”"


def figures(report: "Report") -> dict[str, object]:
    """For programs: every figure of `show_report`; what is not known is null."""
    return {
        "customers": report.customers,
        "arms": {
            name: {measure.name: parts(report.mean(name, measure)) for measure in report.measured}
            for name in report.names
        },
        "unscored": {arm.name: arm.reasons for arm in report.arms},
        "judge_share": {name: (share := report.judge_share(name)) and parts(share) for name in report.names},
        "verdicts": [
            {
                "arm": verdict.new,
                "against": verdict.old,
                "measure": verdict.measure.name,
                "verdict": verdict.word,
                "difference": parts(verdict.difference),
                "p": verdict.p,
                "p_holm": verdict.adjusted,
                "sentence": str(verdict),
            }
            for verdict in report.verdicts()
        ],
    }


def parts(interval: "Interval") -> dict[str, object]:
    ends: dict[str, float] = {"value": interval.value, "low": interval.low, "high": interval.high}
    return {**{name: end if math.isfinite(end) else None for name, end in ends.items()}, "n": interval.n}
