"""The report as JSON: all figures, with keys that stay. docs/reference/report.md says what they mean."""

import math
from dataclasses import asdict
from typing import Any

import orjson

from preceptor.evaluation.comparison import Verdict
from preceptor.evaluation.measures import Measure
from preceptor.evaluation.rendering import sentences, talks
from preceptor.evaluation.rendering.figures import Counts, Figures, Fired, Line
from preceptor.evaluation.report import Loss
from preceptor.evaluation.statistics import Interval

FORMAT = 1
"""Raised when a key changes its meaning or goes; new keys may come without."""


def render(figures: Figures, *, redact: bool = False) -> str:
    """Indented JSON. Values are plain: shares from 0 to 1, money for one conversation; an end of an interval that is
    not known is null. With `redact`, no reason of a judge and none for a missing verdict."""
    p = figures.provenance
    body = {
        "format": FORMAT,
        "simulated": p.simulated,
        "verdict": sentences.headline(figures),
        "run": {
            "id": p.run,
            "domain": p.title,
            "created": p.created,
            "version": p.version,
            "currency": p.currency,
            "models": [asdict(model) for model in p.models],
            "seeds": dict(p.seeds),
            "prompts": dict(p.prompts),
            "release": p.release,
            "settings": p.settings,
            "notes": list(p.notes),
            "judge": [{"label": figure.label, "value": _figure(figure.value)} for figure in p.judge],
        },
        "customers": figures.customers,
        "measures": [_measure(measure) for measure in figures.measures],
        "arms": [_arm(line, redact=redact) for line in figures.lines],
        "gap_closed": figures.gap and interval(figures.gap),
        "frontier": [line.name for line in figures.frontier],
        "groups": [
            {
                "trait": grouping.trait,
                "name": group.name,
                "customers": group.customers,
                "arms": {
                    line.name: {
                        "mean": cell.mean,
                        "difference": cell.difference and interval(cell.difference),
                        "q": cell.q if cell.difference else None,
                    }
                    for line, cell in zip(figures.lines, group.cells, strict=True)
                },
            }
            for grouping in figures.groupings
            for group in grouping.groups
        ],
        "strategies": [_fired(fired) for fired in figures.strategies],
        "sets": [_fired(fired) for fired in figures.sets],
        "losses": {
            name: [_loss(figures, loss, redact=redact) for loss in losses] for name, losses in figures.losses.items()
        },
    }
    return orjson.dumps(body, option=orjson.OPT_INDENT_2).decode() + "\n"


def _measure(measure: Measure) -> dict[str, Any]:
    return {
        "name": measure.name,
        "title": measure.title,
        "unit": measure.unit,
        "higher_is_better": measure.higher_is_better,
    }


def _arm(line: Line, *, redact: bool) -> dict[str, Any]:
    return {
        "name": line.name,
        "conversations": line.conversations,
        "unscored": line.unscored,
        "unscored_reasons": None if redact else dict(line.reasons),
        "means": {name: interval(mean) for name, mean in line.means.items()},
        "against_first": {name: _verdict(verdict) for name, verdict in line.verdicts.items()},
        "customers": _counts(line.customers),
        "replies": _counts(line.replies),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "difference": interval(verdict.difference),
        "p": _known(verdict.p),
        "p_holm": _known(verdict.adjusted),
        "verdict": verdict.word,
        "reason": verdict.reason,
    }


def _counts(counts: Counts | None) -> dict[str, int] | None:
    return counts and asdict(counts)  # type: ignore[return-value]


def _fired(fired: Fired) -> dict[str, Any]:
    return {
        "id": fired.id,
        "text": fired.text,
        "scenario": fired.scenario,
        "turns": fired.turns,
        "customers": fired.customers,
        "effect": fired.effect and interval(fired.effect),
        "verdict": fired.measured.verdict if fired.measured else "not measured",
        "q": fired.measured.q if fired.measured else None,
    }


def _loss(figures: Figures, loss: Loss, *, redact: bool) -> dict[str, Any]:
    return {
        "customer": loss.new.customer.key,
        "number": figures.place(loss.new) + 1,
        "topic": loss.new.customer.topic.id,
        "persona": loss.new.customer.persona.id,
        "before": loss.old.satisfaction,
        "after": loss.new.satisfaction,
        "difference": loss.difference,
        "reason": None if redact else talks.reason(loss.new),
    }


def _figure(value: Interval | float) -> dict[str, Any] | float:
    return interval(value) if isinstance(value, Interval) else value


def interval(found: Interval) -> dict[str, Any]:
    """Its value, ends and customers; what is not finite is null."""
    ends = {"value": found.value, "low": found.low, "high": found.high}
    return {name: _known(value) for name, value in ends.items()} | {"n": found.n}


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
