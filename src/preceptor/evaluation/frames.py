"""A report as dataframes, for those who compute on. The only module that loads pandas."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from preceptor.evaluation.measures import Measure
from preceptor.evaluation.results import Served
from preceptor.judging.verdicts import Comparison, Unscored

if TYPE_CHECKING:
    from preceptor.evaluation.report import Report


def served(report: "Report") -> pd.DataFrame:
    """Columns: arm, customer, topic, persona, seed, scenario, ending, agent_turns, unscored (why; else empty), and one
    for each of the report's measures, NaN where it is not known."""
    found = report.measured
    return pd.DataFrame(
        _served(one, report.scenario(place), found) for arm in report.arms for place, one in enumerate(arm.served)
    )


def turns(report: "Report") -> pd.DataFrame:
    """Columns: arm, customer, turn, party, text, tools, scenario, probability, strategies, breaches, and for turns of
    the first arm that others answered anew, a column ``duel: ARM`` for each: win, tie or loss; unscored."""
    places = ((place, one) for arm in report.arms for place, one in enumerate(arm.served))
    return pd.DataFrame(row for place, one in places for row in _turns(report, place, one))


def table(report: "Report") -> pd.DataFrame:
    """Columns: arm, measure, unit, higher_is_better, n, value, low, high; against the first arm: difference,
    difference_low, difference_high, p, p_holm, verdict."""
    return pd.DataFrame(row for measure in report.measured for row in _table(report, measure))


def _served(one: Served, scenario: str, found: tuple[Measure, ...]) -> dict[str, Any]:
    missing = [rating.reason for rating in one.ratings if isinstance(rating, Unscored)]
    return {
        "arm": one.arm,
        "customer": one.customer.key,
        "topic": one.customer.topic.id,
        "persona": one.customer.persona.id,
        "seed": one.customer.seed,
        "scenario": scenario,
        "ending": one.conversation.ending,
        "agent_turns": one.agent_turns,
        "unscored": missing[0] if one.satisfaction is None and missing else "",
        **{measure.name: measure(one) for measure in found},
    }


def _turns(report: "Report", place: int, one: Served) -> Iterator[dict[str, Any]]:
    guided = {moment.turn: moment for moment in one.guided}
    fights = _fights(report, place) if one.arm == report.names[0] else {}
    for index, turn in enumerate(one.conversation.turns):
        moment = guided.get(index)
        likeliest = moment.matches[0] if moment and moment.matches else ("", None)
        yield {
            "arm": one.arm,
            "customer": one.customer.key,
            "turn": index,
            "party": turn.party,
            "text": turn.text,
            "tools": tuple(call.name for call in turn.tool_calls),
            "scenario": likeliest[0],
            "probability": likeliest[1],
            "strategies": moment.strategies if moment else (),
            "breaches": tuple(breach.rule for breach in one.breaches if breach.turn == index),
            **fights.get(index, {}),
        }


def _fights(report: "Report", place: int) -> dict[int, dict[str, str]]:
    """By turn of the first arm's conversation: how the others' replies there did."""
    found: dict[int, dict[str, str]] = {}
    for arm in report.arms[1:]:
        for duel in arm.served[place].duels:
            outcome = duel.verdict.outcome if isinstance(duel.verdict, Comparison) else "unscored"
            found.setdefault(duel.turn, {})[f"duel: {arm.name}"] = outcome
    return found


def _table(report: "Report", measure: Measure) -> Iterator[dict[str, Any]]:
    verdicts = {verdict.new: verdict for verdict in report.verdicts(measure)}
    for name in report.names:
        mean, verdict = report.mean(name, measure), verdicts.get(name)
        yield {
            "arm": name,
            "measure": measure.name,
            "unit": measure.unit,
            "higher_is_better": measure.higher_is_better,
            "n": mean.n,
            "value": mean.value,
            "low": mean.low,
            "high": mean.high,
            "difference": verdict.difference.value if verdict else None,
            "difference_low": verdict.difference.low if verdict else None,
            "difference_high": verdict.difference.high if verdict else None,
            "p": verdict.p if verdict else None,
            "p_holm": verdict.adjusted if verdict else None,
            "verdict": verdict.word if verdict else "",
        }
