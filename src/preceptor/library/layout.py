"""YAML made to be read and diffed: block style throughout, long texts folded, and always the same for the same value.

Written here because both emitters of PyYAML (C and Python) fold differently, so that a file's bytes would depend on
which is installed. Everything written reads back exactly, with any YAML reader that takes scalars as text.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

WIDTH = 100
"""Columns of a folded line, indentation included; a longer word stands alone."""

_PLAIN = re.compile(r"[A-Za-z][^:#]*")
_WORDS_WITH_MEANING = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def layout(value: Mapping[str, Any]) -> str:
    """A mapping of strings, numbers, booleans, lists and mappings as a YAML document."""
    return "\n".join(_mapping(value, "")) + "\n"


def _mapping(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, item in value.items():
        yield from _entry(f"{indent}{key}:", item, indent + "  ")


def _entry(head: str, item: Any, indent: str) -> Iterator[str]:
    """A value after its key or dash; what does not fit on that line follows, indented."""
    if isinstance(item, Mapping):
        yield from _nested(head, list(_mapping(item, indent)), "{}")
    elif isinstance(item, Sequence) and not isinstance(item, str):
        yield from _nested(head, [line for one in item for line in _item(one, indent)], "[]")
    elif isinstance(item, str):
        yield from _text(head, item, indent)
    else:
        yield f"{head} {json.dumps(item)}"


def _nested(head: str, lines: list[str], empty: str) -> Iterator[str]:
    yield head if lines else f"{head} {empty}"
    yield from lines


def _item(item: Any, indent: str) -> Iterator[str]:
    if not isinstance(item, Mapping) or not item:
        yield from _entry(f"{indent}-", item, indent + "  ")
        return
    first, *rest = _mapping(item, indent + "  ")
    yield f"{indent}- {first.removeprefix(indent + '  ')}"
    yield from rest


def _text(head: str, text: str, indent: str) -> Iterator[str]:
    room = WIDTH - len(head) - 1
    if len(text) <= room and _plain(text):
        yield f"{head} {text}"
    elif len(text) > room and _foldable(text):
        yield f"{head} >-"
        yield from (indent + line for line in _folded(text, WIDTH - len(indent)))
    elif "\n" in text and _literal(text):
        yield f"{head} {'|' if text.endswith(chr(10)) else '|-'}"
        yield from (indent + line if line else "" for line in text.removesuffix("\n").split("\n"))
    else:
        yield f"{head} {_quoted(text)}"


def _plain(text: str) -> bool:
    return (
        bool(_PLAIN.fullmatch(text))
        and text.isprintable()
        and not text.endswith(" ")
        and text.casefold() not in _WORDS_WITH_MEANING
    )


def _foldable(text: str) -> bool:
    return text.isprintable() and "  " not in text and text == text.strip(" ") and " " in text


def _folded(text: str, width: int) -> Iterator[str]:
    """Lines that end where a sentence or the room does, so that a changed word moves the rest of its sentence only."""
    line = ""
    for word in text.split(" "):
        if line and (line[-1] in ".!?;" or len(line) + 1 + len(word) > width):
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line


def _literal(text: str) -> bool:
    lines = text.removesuffix("\n").split("\n")
    ends = bool(lines[0]) and not lines[0].startswith(" ") and bool(lines[-1])
    return ends and all(line.isprintable() and (line.strip(" ") or not line) for line in lines)


def _quoted(text: str) -> str:
    return "".join(c if c.isprintable() else _escape(c) for c in json.dumps(text, ensure_ascii=False))


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
