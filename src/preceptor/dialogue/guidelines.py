"""Guidelines that people wrote, read as statements, each with where it stands: Markdown, plain text and JSON.

Nothing is understood here. A paragraph or an item of a list is a statement; what is listed below a line that ends in a
colon, or below an item, belongs to it. In JSON prose is a statement, what is listed beside it belongs to it, and keys
that occur once are headings, while those that occur again and again are the names of fields.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from preceptor.errors import NotFound

TEXTS = (".md", ".markdown", ".txt", ".text")
SUFFIXES = (*TEXTS, ".json")
LARGEST = 2_000_000
"""Bytes of a file; more is no guideline."""
MOST = 2_000
"""Statements of a file; a JSON file with more of them holds data."""
_HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.+?)\s*#*\s*$")
_UNDERLINE = re.compile(r"^ {0,3}(=+|-{3,})\s*$")
_ITEM = re.compile(r"^(\s*)(?:[-*+•]|\d{1,3}[.)])\s+(.*)$")
_FENCE = re.compile(r"^\s*(```|~~~)")
_RULE = re.compile(r"^\s*(?:[-*_]\s*){3,}$|^\s*\|?(?:\s*:?-+:?\s*\|)+\s*:?-*:?\s*$")
_EMPHASIS = re.compile(r"\*\*|__|`")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True)
class Statement:
    """A sentence or a few of guidelines."""

    text: str
    """In one line."""
    file: str
    headings: tuple[str, ...]
    """What it stands under, outermost first."""
    place: str
    """Line of a text, path in a JSON file."""

    @property
    def source(self) -> str:
        under = f" ({' > '.join(self.headings)})" if self.headings else ""
        return f"{self.file}:{self.place}{under}"


@dataclass(frozen=True)
class Guidelines:
    """What was read, and what could not be."""

    statements: tuple[Statement, ...]
    faults: tuple[str, ...]
    """A sentence for each file that could not be used."""


def read(path: Path) -> Guidelines:
    """A file, or all that are in a folder; files of other kinds in it are passed over.

    Raises:
        NotFound: there is neither.
    """
    if not path.exists():
        raise NotFound(f"There is no file or folder {str(path)!r}.")
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if _wanted(one, path))
    statements: list[Statement] = []
    faults: list[str] = []
    for file in files:
        name = file.name if file == path else file.relative_to(path).as_posix()
        try:
            found = tuple(_statements(file, name))
        except _Unusable as fault:
            faults.append(f"{name}: {fault}")
            continue
        statements += found
        if not found:
            faults.append(f"{name}: holds no text.")
    return Guidelines(tuple(statements), tuple(faults))


class _Unusable(Exception):
    """Why, in a sentence."""


def _wanted(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return file.is_file() and file.suffix.lower() in SUFFIXES and not hidden


def _statements(file: Path, name: str) -> Iterable[Statement]:
    if file.suffix.lower() not in SUFFIXES:
        raise _Unusable(f"is none of {', '.join(SUFFIXES)}.")
    try:
        if file.stat().st_size > LARGEST:
            raise _Unusable(f"has {file.stat().st_size / 1e6:.0f} MB: that is data, not guidelines.")
        content = file.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as fault:
        raise _Unusable(f"cannot be read: {fault.strerror}.") from None
    except UnicodeDecodeError as fault:
        raise _Unusable(f"is not UTF-8 text (byte {fault.start}).") from None
    try:
        found = list(_of_json(text, name) if file.suffix.lower() == ".json" else _of_text(text, name))
    except RecursionError:
        raise _Unusable("is nested too deeply.") from None
    if len(found) > MOST:
        raise _Unusable(f"holds {len(found):,} texts: that is data, not guidelines.")
    return found


# -- text ------------------------------------------------------------------------------------------------------------


@dataclass
class _Open:
    """A statement that may go on."""

    parts: list[str]
    line: int
    indent: int
    """Of the item; −1 for a paragraph."""
    waits: bool = False
    """A blank line came: only what is listed below a colon still belongs to it."""


def _of_text(text: str, file: str) -> Iterator[Statement]:
    headings: list[tuple[int, str]] = []
    open_: _Open | None = None
    fenced = False

    def done() -> Iterator[Statement]:
        if open_ is not None and (said := _joined(open_.parts)):
            yield Statement(said, file, tuple(title for _, title in headings), str(open_.line))

    lines = _COMMENT.sub(lambda match: "\n" * match[0].count("\n"), text).splitlines()
    for number, line in enumerate(lines, 1):
        fenced ^= bool(_FENCE.match(line))
        if _FENCE.match(line):
            continue
        underlined = _UNDERLINE.match(line) and open_ and open_.indent < 0 and len(open_.parts) == 1 and not open_.waits
        if not fenced and underlined and open_:
            level = 1 if line.strip().startswith("=") else 2
            headings = [*(one for one in headings if one[0] < level), (level, _plain(open_.parts[0]))]
            open_ = None
        elif not fenced and (heading := _HEADING.match(line)):
            yield from done()
            open_, level = None, len(heading[1])
            headings = [*(one for one in headings if one[0] < level), (level, _plain(heading[2]))]
        elif not line.strip() or (not fenced and _RULE.match(line)):
            if open_:
                open_.waits = True
        elif item := _ITEM.match(line):
            indent = len(item[1].expandtabs(4))
            if open_ and (open_.parts[-1].rstrip().endswith(":") or _below(open_, indent)):
                first = len(open_.parts) == 1 and open_.indent < 0
                open_.indent = indent - 1 if first else open_.indent
                open_.parts.append(item[2])
                open_.waits = False
            else:
                yield from done()
                open_ = _Open([item[2]], number, indent)
        elif open_ and not open_.waits:
            open_.parts[-1] += f" {line.strip()}"
        else:
            yield from done()
            open_ = _Open([line.strip()], number, -1)
    yield from done()


def _below(open_: _Open, indent: int) -> bool:
    """Is an item a part of what is open: listed below it, and deeper?"""
    return indent > open_.indent and (len(open_.parts) > 1 or open_.indent >= 0)


def _joined(parts: Iterable[str]) -> str:
    """A statement with what is listed below it."""
    first, *others = [said for said in map(_plain, parts) if said] or [""]
    if not others:
        return first
    listed = "; ".join(one.rstrip(".;") for one in others).replace(":; ", ": ")
    return f"{first} {listed}." if first.endswith((":", ".")) else f"{first}: {listed}."


def _plain(text: str) -> str:
    return " ".join(_EMPHASIS.sub("", text).split())


# -- JSON ------------------------------------------------------------------------------------------------------------


def _of_json(text: str, file: str) -> Iterator[Statement]:
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as fault:
        raise _Unusable(f"is not valid JSON: {fault.msg} (line {fault.lineno}).") from None
    names = Counter(_keys(data))
    yield from _walk(data, file, (), names)


def _keys(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield from one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _walk(value: Any, file: str, path: tuple[str, ...], names: Counter[str]) -> Iterator[Statement]:
    headings = tuple(_plain(part) for part in path if names[part] == 1)
    if isinstance(value, str) and _is_prose(value):
        yield Statement(_plain(value), file, headings, "/".join(path))
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from _walk(one, file, (*path, str(place)), names)
    elif isinstance(value, dict):
        prose = [key for key, one in value.items() if isinstance(one, str) and _is_prose(one)]
        listed = [key for key, one in value.items() if _is_list_of_texts(one)]
        if prose:
            parts = [value[prose[-1]], *(text for key in listed for text in value[key])]
            for key in prose[:-1]:
                yield Statement(_plain(value[key]), file, headings, "/".join((*path, key)))
            yield Statement(_joined(parts), file, headings, "/".join((*path, prose[-1])))
        for key, one in value.items():
            if key not in prose and not (prose and key in listed):
                yield from _walk(one, file, (*path, key), names)


def _is_prose(text: str) -> bool:
    """A sentence, or four words: less is a value."""
    return len(text.split()) >= (2 if text.rstrip().endswith((".", "!", "?")) else 4)


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)
