"""The report of an experiment: answers first, each with its intervals; then what they rest on. Markdown and JSON."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from preceptor.evaluation.comparison import Verdict
from preceptor.evaluation.measures import POLICY_KEPT, SATISFACTION, TOKENS
from preceptor.evaluation.rendering.document import interval
from preceptor.evaluation.rendering.sentences import SIMULATED
from preceptor.evaluation.rendering.wording import number, signed, spread
from preceptor.experiments.answers import Answer
from preceptor.experiments.coaching import Found
from preceptor.llm.prices import from_nano

FORMAT = 1
"""Raised when a key changes its meaning or goes."""


def markdown(found: Found, *, simulated: bool, currency: str) -> str:
    return "\n".join(_lines(found, simulated, currency)) + "\n"


def document(found: Found, *, simulated: bool) -> str:
    """The same as JSON. Shares from 0 to 1; ends of intervals that are not known are null."""
    body = {
        "format": FORMAT,
        "experiment": found.run.id,
        "simulated": simulated,
        "plan": {"hash": found.plan.hash, **found.plan.plain()},
        "answers": [_answer(answer) for answer in found.answers],
        "arms": {
            name: {measure.name: interval(found.arms.mean(name, measure)) for measure in found.arms.measured}
            for name in found.arms.names
        },
        "libraries": {
            name: {"hash": taught.hash, "strategies": len(taught.strategies), "general": len(taught.of(None))}
            for name, taught in found.libraries.items()
        },
        "runs": dict(found.parts),
        "used": {
            name: {"calls": used.calls, "tokens": used.tokens, "money": str(from_nano(used.nano))}
            for name, used in found.used.items()
        },
    }
    return orjson.dumps(body, option=orjson.OPT_INDENT_2).decode() + "\n"


def _lines(found: Found, simulated: bool, currency: str) -> Iterator[str]:
    plan = found.plan
    yield from (f"# {plan.title}{' (simulated)' if simulated else ''}", "")
    if simulated:
        yield from (SIMULATED, "")
    yield f"Experiment `{found.run.id}`, by the plan with hash `{plan.hash}`, written down before the first call."
    yield f"{found.arms.customers:,} unseen customers, the same in every arm; {plan.others:,} in each transfer."
    yield from ("", "## Answers")
    for answer in found.answers:
        yield from _answered(answer, plan.margin)
    yield from ("", "## Arms", "")
    yield from _arms(found)
    yield from ("", "## Libraries", "")
    rows = [
        [name, str(len(taught.strategies)), str(len(taught.of(None))), f"`{taught.hash[:12]}`"]
        for name, taught in found.libraries.items()
    ]
    yield from _table(("taught", "strategies", "of them general", "hash"), rows)
    yield from ("", "## What it took", "")
    rows = [
        [name, f"`{found.parts[name]}`", f"{used.calls:,}", f"{used.tokens:,}", str(from_nano(used.nano))]
        for name, used in found.used.items()
    ]
    yield from _table(("part", "run", "calls", "tokens", currency), rows)
    yield from ("", "## How", "")
    yield (
        "Differences are paired by customer, with 95 % BCa intervals; p from exact sign-flip (McNemar for yes and no), "
        "adjusted by Holm over the comparisons of one question. An answer counts as decided where the interval leaves "
        f"0 out and the adjusted p is below 0.05. Policy counts as kept where the interval leaves out a loss of "
        f"{plan.margin:.0%} of conversations."
    )


def _answered(answer: Answer, margin: float) -> Iterator[str]:
    yield from ("", f"### {answer.question.text} {answer.word.capitalize()}.", "")
    headings = ("comparison", "where", "measure", "difference [95 %]", "p (Holm)", "customers", "answer")
    rows = [
        [
            f"{verdict.new} − {verdict.old}",
            comparison.where or "here",
            verdict.measure.title,
            _difference(verdict),
            f"{verdict.adjusted:.2g}",
            str(verdict.difference.n),
            word,
        ]
        for comparison, verdict, word in zip(answer.question.comparisons, answer.verdicts, answer.words, strict=True)
    ]
    yield from _table(headings, rows)
    if answer.note:
        yield from ("", answer.note)


def sentence(verdict: Verdict, word: str) -> str:
    """One comparison on a line."""
    return (
        f"{verdict.new} against {verdict.old}: {verdict.measure.title} {_difference(verdict)}, "
        f"{verdict.difference.n} customers, p = {verdict.adjusted:.2g}{'' if word == 'see figures' else f': {word}'}."
    )


def _difference(verdict: Verdict) -> str:
    measure, found = verdict.measure, verdict.difference
    return f"{signed(measure, found.value)} [{spread(measure, found, sign=True)}]"


def _arms(found: Found) -> Iterator[str]:
    measures = [measure for measure in (SATISFACTION, POLICY_KEPT, TOKENS) if measure in found.arms.measured]
    rows = []
    for arm in found.arms.arms:
        means = ((measure, found.arms.mean(arm.name, measure)) for measure in measures)
        told = [f"{number(measure, mean.value)} ({spread(measure, mean)})" for measure, mean in means]
        rows.append([arm.name, *told, str(arm.unscored)])
    yield from _table(("arm", *(measure.title for measure in measures), "unscored"), rows)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '∣') for cell in row)} |"


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "question": answer.question.id,
        "text": answer.question.text,
        "answer": answer.word,
        "note": answer.note,
        "comparisons": [
            {
                "new": verdict.new,
                "old": verdict.old,
                "where": comparison.where,
                "measure": verdict.measure.name,
                "difference": interval(verdict.difference),
                "p_holm": verdict.adjusted,
                "answer": word,
            }
            for comparison, verdict, word in zip(
                answer.question.comparisons, answer.verdicts, answer.words, strict=True
            )
        ],
    }
