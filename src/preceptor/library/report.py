"""A library as Markdown, for people: what the student is told in which scenario, how it did, what was decided."""

import re
from collections.abc import Iterator, Sequence

from preceptor.library.model import Effect, Evidence, Scenario, Strategy
from preceptor.library.snapshot import Snapshot

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~])")
_MARKS = {"approved": "✔ approved", "rejected": "✘ rejected", "pending": "undecided"}


def to_markdown(snapshot: Snapshot) -> str:
    """One document; it cannot be read back."""
    return "\n".join(_lines(snapshot)) + "\n"


def _lines(snapshot: Snapshot) -> Iterator[str]:
    strategies = [versions[-1].strategy for versions in snapshot.strategies]
    scenarios = [versions[-1].scenario for versions in snapshot.scenarios if not versions[-1].retired]
    yield f"# Library{f' of {_shown(snapshot.use.domain)}' if snapshot.use.domain else ''}"
    yield ""
    approved = sum(strategy.decision == "approved" for strategy in strategies)
    yield f"{len(scenarios)} scenarios, {len(strategies)} strategies, {approved} of them approved."
    general = [strategy for strategy in strategies if strategy.scenario is None]
    if general:
        yield from ("", "## Always")
        yield from _strategies(general, snapshot)
    for scenario in scenarios:
        yield from _section(scenario, [s for s in strategies if s.scenario == scenario.id], snapshot)


def _section(scenario: Scenario, strategies: Sequence[Strategy], snapshot: Snapshot) -> Iterator[str]:
    yield from ("", f"## {_shown(scenario.description)}", "")
    yield f"`{scenario.id}`, {len(scenario.examples)} examples{''.join(f', {_shown(tag)}' for tag in scenario.tags)}"
    said = scenario.examples[0].customer_turns if scenario.examples else ()
    yield from ("", f"> {_shown(said[-1])}") if said else ()
    yield from _strategies(strategies, snapshot)


def _strategies(strategies: Sequence[Strategy], snapshot: Snapshot) -> Iterator[str]:
    yield ""
    for strategy in sorted(strategies, key=lambda s: (-s.value, s.id)):
        effect = _effect(snapshot.evidence.get(strategy.id, ()))
        yield f"- **{_shown(strategy.text)}**  "
        yield f"  {_MARKS[strategy.decision]}, {strategy.measured}{effect} (`{strategy.id}`)"
        if strategy.reason:
            yield f"  <br>Why: {_shown(strategy.reason)}"
        if strategy.flags:
            yield f"  <br>Look at: {_shown('; '.join(strategy.flags))}"


def _effect(evidence: Sequence[Evidence]) -> str:
    effects: list[Effect] = [item.effect for item in evidence if item.kind == "acceptance" and item.effect is not None]
    if not effects:
        return ""
    last = effects[-1]
    return f", {last.unit} {last.mean:+.2f} (95 % {last.low:+.2f} to {last.high:+.2f}, n = {last.n})"


def _shown(text: str) -> str:
    """On one line, and shown as it is: no text of a model or a customer makes markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
