"""Topics and personas found in logs, as text for a domain file: a part to begin one with, or the file there is with
them added. What a person wrote stays as it is, to the letter; the result stands beside it.
"""

import difflib
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from preceptor.dialogue.domain import Domain, Persona, Topic
from preceptor.errors import SettingsError, UserError
from preceptor.logs.discovery import Discovery

_HEAD = (
    "# Found in logs by `preceptor logs discover`; a proposal, to be read and corrected. Descriptions are told to the "
    "simulated\n# customers, in the second person. Weights are percent of the conversations.\n"
)


@dataclass(frozen=True)
class Written:
    """A proposal on disk."""

    path: Path
    diff: str
    """Against the file that was there; empty where there was none."""


def write(found: Discovery, path: Path) -> Written:
    """Write topics and personas to a file, or beside it where there is one already.

    Raises:
        SettingsError: the file that is there is no domain file.
        UserError: it cannot be written.
    """
    try:
        before = path.read_text("utf-8") if path.exists() else None
        text = part(found) if before is None else merged(before, found, str(path))
        place = path if before is None else _beside(path)
        with place.open("x", encoding="utf-8") as file:
            file.write(text)
    except (OSError, UnicodeDecodeError) as fault:
        raise UserError(f"The proposal cannot be written to {str(path)!r}: {fault}.") from None
    if before is None:
        return Written(place, "")
    changes = difflib.unified_diff(before.splitlines(True), text.splitlines(True), str(path), str(place))
    return Written(place, "".join(changes))


def part(found: Discovery) -> str:
    """The topics and personas of a domain file."""
    blocks = [_block(key, items, 2) for key, items in _items(found).items()]
    return _HEAD + "\n" + "\n".join(blocks)


def merged(text: str, found: Discovery, origin: str) -> str:
    """A domain file with topics and personas added to its own, which stay as they are.

    Raises:
        SettingsError: it is none.
    """
    try:
        data, node = yaml.safe_load(text), yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as fault:
        raise SettingsError(f"{origin}: not valid YAML: {' '.join(str(fault).split())}.") from None
    if not isinstance(data, dict) or not isinstance(node, yaml.MappingNode) or node.flow_style:
        raise SettingsError(f"{origin}: is no domain file: it must say `name`, `role`, `topics` and so on.")
    result = text if text.endswith("\n") else f"{text}\n"
    for key, items in _items(found).items():
        result = _added(result, key, items, data.get(key))
    _check(data, result, origin)
    return result


def _items(found: Discovery) -> dict[str, list[tuple[Topic | Persona, str]]]:
    """By key of the domain file: what to add, and a line about it."""
    speaking = found.conversations - found.silent
    topics = [
        (topic, f"{subject.conversations:,} of {speaking:,} conversations")
        for topic, subject in zip(found.topics(), found.subjects, strict=True)
    ]
    personas = [
        (persona, f"{manner.conversations:,} of {speaking:,} conversations")
        for persona, manner in zip(found.personas(), found.manners, strict=True)
    ]
    return {"topics": list(topics), "personas": list(personas)}


def _added(text: str, key: str, items: Sequence[tuple[Topic | Persona, str]], before: Any) -> str:
    """The text with items at the end of a list of its top level."""
    listed = before if isinstance(before, list) else []
    mine = {entry["id"] for entry in listed if isinstance(entry, dict) and "id" in entry}
    fresh = [(item, about) for item, about in items if item.id not in mine]
    notes = [f"{item.id}, above: {about}" for item, about in items if item.id in mine]
    lines = text.splitlines(keepends=True)
    spans = _spans(text)
    if key not in spans or not listed or not _in_lines(spans[key].value):
        if key in spans:
            del lines[spans[key].start : spans[key].end]
        kept = [(entry, "") for entry in listed]
        return "".join(lines).rstrip("\n") + "\n\n" + _block(key, [*kept, *fresh], 2, notes)
    indent = spans[key].value.start_mark.column
    added = _entries(fresh, indent, [_FOUND, *notes])
    lines[spans[key].end : spans[key].end] = [added]
    return "".join(lines)


@dataclass(frozen=True)
class _Span:
    """Lines of a key of the top level."""

    value: yaml.Node
    start: int
    end: int
    """After its last line; what stands in comments before the next key belongs to that."""


def _spans(text: str) -> dict[str, _Span]:
    node = yaml.compose(text, yaml.SafeLoader)
    assert isinstance(node, yaml.MappingNode)
    lines = text.splitlines()
    starts = [name.start_mark.line for name, _ in node.value]
    found = {}
    for (name, value), start, after in zip(node.value, starts, [*starts[1:], len(lines)], strict=True):
        end = after
        while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith(("#", "---", "..."))):
            end -= 1
        found[str(name.value)] = _Span(value, start, end)
    return found


def _in_lines(node: yaml.Node) -> bool:
    """Is it a list with a line for each item?"""
    return isinstance(node, yaml.SequenceNode) and not node.flow_style


def _block(key: str, items: Iterable[tuple[Any, str]], indent: int, notes: Sequence[str] = ()) -> str:
    return f"{key}:\n{_entries(items, indent, notes)}"


def _entries(items: Iterable[tuple[Any, str]], indent: int, notes: Sequence[str] = ()) -> str:
    """Items of a list, each with a comment before it."""
    parts = [f"# {note}\n" for note in notes]
    for item, about in items:
        data = item if isinstance(item, dict) else item.model_dump()
        listed = yaml.safe_dump([data], sort_keys=False, allow_unicode=True, width=110)
        parts.append(f"# {about}\n{listed}" if about else listed)
    return textwrap.indent("".join(parts), " " * indent)


def _beside(path: Path) -> Path:
    """A name that is free."""
    number = 1
    while True:
        place = path.with_suffix(f".discovered{'' if number == 1 else f'-{number}'}{path.suffix}")
        if not place.exists():
            return place
        number += 1


def _check(data: Any, text: str, origin: str) -> None:
    """What was a domain is still one."""
    try:
        Domain.parse(data, origin)
    except SettingsError:
        return
    Domain.parse(yaml.safe_load(text), "The proposal")


_FOUND = "Found in logs. Weights are percent of the conversations; weigh those above anew, or take them out."
