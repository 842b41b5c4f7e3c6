"""Runs in words: what happens in them, what came of them."""

from collections.abc import Mapping

from preceptor.errors import Conflict
from preceptor.evaluation import events as evaluation
from preceptor.settings import (
    attributing,
    cases,
    consulting,
    judges,
    measuring,
    series,
    stage,
    teaching,
    transfer,
    watching,
)
from preceptor.settings import evaluation as evaluating
from preceptor.settings.control import COACHING
from preceptor.storage import runs
from preceptor.teaching import events
from preceptor.teaching.events import (
    Finished,
    HeldOutScore,
    IterationBegan,
    Note,
    PlacementChosen,
    Progress,
    ScenarioFound,
    StrategyAccepted,
    StrategyRefused,
)
from preceptor.teaching.trying import Compared

Event = events.Event | evaluation.Event | Compared
KINDS: Mapping[str, str] = {
    teaching.KIND: "Teaching",
    evaluating.KIND: "Evaluation",
    attributing.KIND: "What each strategy does",
    transfer.KIND: "Transfer to others",
    judges.KIND: "Check of the judge",
    measuring.KIND: "Measuring a strategy",
    cases.KIND: "Cases",
    stage.KIND: "Talk",
    consulting.KIND: "Consultation",
    watching.KIND: "Watching",
    COACHING: "Coaching experiment",
}
"""By kind of run: what it is."""


def sentence(event: Event) -> str:
    """An event in words; empty for those that are only figures."""
    match event:
        case IterationBegan():
            return (
                f"Iteration {event.iteration} of {event.of}: the teacher speaks {event.teacher_share:.0%} of the turns."
            )
        case ScenarioFound(scenario):
            return f"New scenario: {scenario.description}"
        case StrategyAccepted(strategy, effect):
            return f"Accepted: {strategy.text}" + (f" ({effect.mean:+.2f})" if effect else "")
        case StrategyRefused(strategy, reason):
            return f"Refused: {strategy.text} Because: {reason}"
        case PlacementChosen(placement):
            return f"This student heeds strategies best at: {placement}."
        case HeldOutScore():
            name = f"after iteration {event.iteration}" if event.iteration else "of the student alone"
            missing = f", {event.unscored} unscored" if event.unscored else ""
            span = f"{event.low:.2f} to {event.high:.2f}"
            return f"Held-out score {name}: {event.mean:.2f} of 5 ({span}, n = {event.n}{missing})."
        case Note(text) | evaluation.Note(text):
            return text
        case Finished(reason) | evaluation.Finished(reason):
            return f"Finished: {reason}."
        case Progress() | evaluation.Measured() | evaluation.Decided() | Compared():
            return ""  # verdicts and replies stand below, in tables


def came_of(run: runs.Run) -> str:
    """What was learned, or why it ended, in words."""
    result = run.result if isinstance(run.result, dict) else {}
    if run.status == "done" and "accepted" in result:
        return f"{result['accepted']} strategies accepted, {result['refused']} refused, {result['scenarios']} scenarios"
    if run.status == "done" and "answers" in result:
        return ", ".join(f"{question}: {word}" for question, word in result["answers"].items())
    if run.status == "done" and "cells" in result:
        return f"{len(result['cells'])} gains: `preceptor transfer --resume {run.id}` shows them"
    if run.status == "done" and "standings" in result:
        return ", ".join(f"{count} {name}" for name, count in result["standings"].items() if count)
    if run.status == "done" and "better" in result:
        return f"{result['better']} better, {result['worse']} worse, {result['same']} neither"
    if run.status == "done" and "verdict" in result:
        return f"{result['verdict'].capitalize()}. {result['reason']}"
    if run.status == "done" and result.get("figures"):
        first = result["figures"][0]
        return f"{first['label']}: {first['value']:.2f}"
    return run.reason if run.status in ("stopped", "failed", "cancelled") or run.kind == consulting.KIND else ""


def recorded(kind: str, event: runs.Event) -> str:
    """What a run has written down, in words; empty for what is only figures."""
    if event.kind == series.PART:
        return f"Begun: {event.body['name']}, run {event.body['run']}"
    if event.kind == Compared.__name__:
        return ""  # shown as a table
    read = evaluating.RECORDED if kind in (evaluating.KIND, judges.KIND) else teaching.RECORDED
    try:
        return sentence(read.read(event.kind, event.body))
    except Conflict:
        return event.kind
