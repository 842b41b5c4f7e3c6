"""The report as Markdown, short enough for a pull request: the verdict, the arms, where they gain and lose."""

import re
from collections.abc import Iterable, Iterator, Sequence

from preceptor.evaluation.measures import DUEL_SCORE, SATISFACTION, Measure
from preceptor.evaluation.rendering import sentences, talks
from preceptor.evaluation.rendering.figures import Figures, Line
from preceptor.evaluation.rendering.wording import chance, number, per, short, signed, spread, title

LOSSES = 5
"""Customers lost that are listed, for the arm in question."""
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~])")


def render(figures: Figures, *, redact: bool = False) -> str:
    """One document. With `redact`, nothing in it may quote a customer."""
    return "\n".join(_lines(figures, redact=redact)) + "\n"


def _lines(figures: Figures, *, redact: bool) -> Iterator[str]:
    p = figures.provenance
    mark = " (simulated)" if p.simulated else ""
    yield from (f"## {_shown(p.title)}: evaluation{mark}", "", f"**{_shown(sentences.headline(figures))}**", "")
    yield " · ".join(_shown(f"{key.label}: {key.value} ({key.beside})") for key in sentences.keys(figures))
    said = [sentences.missing(figures), sentences.SIMULATED if p.simulated else "", *p.notes]
    yield from ("", _shown(" ".join(text for text in said if text))) if any(said) else ()
    yield ""
    measured = ([_heading(m, p.currency), *(_value(line, m) for line in figures.lines)] for m in figures.measures)
    verdicts = ["**Verdict**", *(_word(line) for line in figures.lines)]
    yield from _table(("", *(_shown(line.name) for line in figures.lines)), [*measured, verdicts])
    yield from ("", f"Means with 95 % intervals, {figures.customers:,} customers, the same in each arm.")
    if figures.compared:
        yield f"Verdicts are on satisfaction against “{_shown(figures.first.name)}”, paired; p adjusted by Holm."
        yield from _losses(figures, redact=redact)
    yield from _strategies(figures)
    yield from ("", f"The judge itself: {_shown(_judge(figures))}. {_shown(sentences.noise(figures))}".rstrip(), "")
    hashes = [f"release `{p.release[:12]}`" if p.release else "", f"settings `{p.settings[:12]}`" if p.settings else ""]
    models = [f"{model.role} {_shown(model.name)}" for model in p.models]
    yield ", ".join(text for text in (f"Run `{p.run}`", f"preceptor {p.version}", *models, *hashes) if text) + "."


def _judge(figures: Figures) -> str:
    found = [f"{one.label} {one.value}" for one in figures.provenance.judge]
    return "; ".join(found) or "not held against people (preceptor judge check does that)"


def _losses(figures: Figures, *, redact: bool) -> Iterator[str]:
    losses = figures.losses[figures.asked.name]
    yield from ("", f"<details><summary>{len(losses):,} customers lost, the worst first</summary>", "")
    headings = ["customer", "topic", "persona", _shown(figures.first.name), _shown(figures.asked.name)]
    rows = [
        [
            f"No. {figures.place(loss.new) + 1}",
            _shown(loss.new.customer.topic.id),
            _shown(loss.new.customer.persona.id),
            talks.score(loss.old),
            talks.score(loss.new),
            *([] if redact else [_shown(short(talks.reason(loss.new), 160))]),
        ]
        for loss in losses[:LOSSES]
    ]
    yield from _table([*headings, *([] if redact else ["reason"])], rows)
    yield from ("", "</details>")


def _strategies(figures: Figures) -> Iterator[str]:
    """Those that clearly hurt, then those that clearly help."""
    rows = [
        [fired.measured.verdict, signed(DUEL_SCORE, fired.effect.value), spread(DUEL_SCORE, fired.effect, sign=True),
         _shown(short(fired.text, 160)), _shown(short(fired.scenario or "always", 80))]
        for verdict in ("hurts", "helps")
        for fired in figures.strategies
        if fired.measured and fired.effect and fired.measured.verdict == verdict
    ]  # fmt: skip
    if rows:
        yield from ("", f"<details><summary>{len(rows):,} strategies that clearly hurt or help</summary>", "")
        yield from _table(["verdict", "effect", "95 % interval", "strategy", "where"], rows)
        yield from ("", "</details>")


def _heading(measure: Measure, currency: str) -> str:
    return _shown(f"{title(measure)}, {per(measure, currency)}")


def _value(line: Line, measure: Measure) -> str:
    mean = line.means.get(measure.name)
    return "–" if mean is None else f"{number(measure, mean.value)} ({spread(measure, mean)})"


def _word(line: Line) -> str:
    verdict = line.verdict
    if verdict is None:
        return "–"
    return f"{verdict.word} ({signed(SATISFACTION, verdict.difference.value)}, p {chance(verdict.adjusted)})"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _shown(text: str) -> str:
    """On one line, and shown as it is: no text of a model or a customer makes markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
