"""What is different between two releases, or between the library and what is live, in words."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from preceptor.library.model import Guidance, Scenario, Strategy


@dataclass(frozen=True)
class Difference:
    """One thing that was added, removed or changed."""

    kind: Literal["added", "removed", "changed"]
    what: Literal["setting", "scenario", "strategy"]
    id: str
    text: str
    """A sentence for a reader."""


def differences(before: Guidance, after: Guidance) -> tuple[Difference, ...]:
    """What changes for a student; settings first, then scenarios, then strategies, by id."""
    return (*_settings(before, after), *_scenarios(before, after), *_strategies(before, after))


def summary(found: tuple[Difference, ...]) -> str:
    """``2 strategies added, 1 removed; 1 scenario changed``; ``no difference``."""
    parts = []
    for what, many in (("strategy", "strategies"), ("scenario", "scenarios"), ("setting", "settings")):
        counts = [(kind, sum(d.what == what and d.kind == kind for d in found)) for kind in _KINDS]
        told = [f"{n} {kind}" for kind, n in counts if n]
        if told:
            first, _, rest = told[0].partition(" ")
            parts.append(", ".join([f"{first} {what if first == '1' else many} {rest}", *told[1:]]))
    return "; ".join(parts) or "no difference"


def word_diff(before: str, after: str) -> str:
    """The later text with what went in ``[-…-]`` and what came in ``{+…+}``."""
    old, new = before.split(), after.split()
    parts = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            parts.append(" ".join(old[i:j]))
            continue
        if i < j:
            parts.append(f"[-{' '.join(old[i:j])}-]")
        if k < m:
            parts.append(f"{{+{' '.join(new[k:m])}+}}")
    return " ".join(parts)


_KINDS: tuple[Literal["added", "removed", "changed"], ...] = ("added", "removed", "changed")


def _settings(before: Guidance, after: Guidance) -> Iterator[Difference]:
    for name in ("domain", "placement", "false_injections", "foreign"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield Difference("changed", "setting", name, f"{name} was {old!r} and is now {new!r}.")


def _scenarios(before: Guidance, after: Guidance) -> Iterator[Difference]:
    old, new = ({scenario.id: scenario for scenario in side.scenarios} for side in (before, after))
    for id_ in sorted(old.keys() | new.keys()):
        if id_ not in new:
            yield Difference("removed", "scenario", id_, f"No longer known: {old[id_].description}")
        elif id_ not in old:
            yield Difference("added", "scenario", id_, f"Now known: {new[id_].description}")
        elif told := _changed_scenario(old[id_], new[id_]):
            yield Difference("changed", "scenario", id_, told)


def _changed_scenario(old: Scenario, new: Scenario) -> str | None:
    told = []
    if old.description != new.description:
        told.append(f"Described anew: {word_diff(old.description, new.description)}")
    came = {c.key for c in new.examples} - {c.key for c in old.examples}
    went = {c.key for c in old.examples} - {c.key for c in new.examples}
    if came or went:
        told.append(f"Examples: {len(came)} more, {len(went)} fewer ({new.description})")
    return " ".join(told) or None


def _strategies(before: Guidance, after: Guidance) -> Iterator[Difference]:
    old, new = ({strategy.id: strategy for strategy in side.strategies} for side in (before, after))
    homes = {scenario.id: scenario.description for side in (before, after) for scenario in side.scenarios}
    for id_ in sorted(old.keys() | new.keys()):
        if id_ not in new:
            yield Difference("removed", "strategy", id_, f"No longer told {_when(old[id_], homes)}: {old[id_].text}")
        elif id_ not in old:
            yield Difference("added", "strategy", id_, f"Now told {_when(new[id_], homes)}: {new[id_].text}")
        elif told := _changed_strategy(old[id_], new[id_], homes):
            yield Difference("changed", "strategy", id_, told)


def _changed_strategy(old: Strategy, new: Strategy, homes: dict[str, str]) -> str | None:
    told = []
    if old.text != new.text:
        told.append(f"Worded anew: {word_diff(old.text, new.text)}")
    if old.scenario != new.scenario:
        told.append(f"Now told {_when(new, homes)}, before {_when(old, homes)}: {new.text}")
    if round(old.value, 6) != round(new.value, 6):
        told.append(f"Its measured value went from {old.value:.3f} to {new.value:.3f}: {new.text}")
    return " ".join(told) or None


def _when(strategy: Strategy, homes: dict[str, str]) -> str:
    if strategy.scenario is None:
        return "always"
    return f"when {homes.get(strategy.scenario, strategy.scenario)!r}"
