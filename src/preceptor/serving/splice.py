"""JSON read with the place of every part, so that a text can be put in while every other byte stays as it came.

Re-serialising would change what we have no business with: spacing, the order of keys, how numbers and characters are
written, keys given twice. The scanner is the one of Python's own json module, which runs in C and says where a value
ends; what stands between values is one pattern. So only objects and lists that are walked into cost Python's time, two
calls for each member.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_space = re.compile(r"[ \t\n\r]*").match
_open = re.compile(r"[ \t\n\r]*([{\[])[ \t\n\r]*").match
_named = re.compile(r'"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*').match
"""A key that needs no decoding, and its colon."""
_next = re.compile(r"[ \t\n\r]*(?:([}\]])|,[ \t\n\r]*)").match
"""What follows a value: the end, or a comma."""


class Malformed(ValueError):
    """The text is not JSON; says where."""


_FAULTS = (ValueError, StopIteration, RecursionError)
"""What the scanner raises."""


class Part(NamedTuple):
    """A value and where it stands: characters ``start`` to before ``end`` of the text."""

    value: Any
    start: int
    end: int


class Member(NamedTuple):
    """A key of an object and its value."""

    key: str
    begin: int
    """Where the key stands."""
    part: Part


class Edit(NamedTuple):
    """Replace characters ``start`` to before ``end``; both the same: put in."""

    start: int
    end: int
    text: str


def decoded(body: bytes) -> str:
    """The text of a body.

    Raises:
        Malformed: not UTF-8.
    """
    try:
        return body.decode()
    except UnicodeDecodeError as fault:
        raise Malformed(f"not UTF-8 at byte {fault.start}") from None


def edited(text: str, edits: Iterable[Edit]) -> bytes:
    """The text with edits that do not overlap; those at one place in the order given."""
    pieces, at = [], 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        pieces += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join([*pieces, text[at:]]).encode()


def value(text: str, at: int) -> Part:
    """The value that stands at a place.

    Raises:
        Malformed
    """
    try:
        found, end = _scan(text, at)
    except _FAULTS as fault:
        raise _malformed(fault, at) from None
    return Part(found, at, end)


def _malformed(fault: Exception, at: int) -> Malformed:
    """What the scanner stumbled over, at or after a place."""
    match fault:
        case Malformed():
            return fault
        case StopIteration():
            return Malformed(f"a value was expected at character {fault.value}")
        case json.JSONDecodeError():
            return Malformed(f"{fault.msg[:1].lower()}{fault.msg[1:]} at character {fault.pos}")
        case RecursionError():
            return Malformed(f"nested too deeply at character {at}")
        case _:
            # Python refuses to read numbers of thousands of digits, whose reading takes quadratic time.
            return Malformed(f"a number too long at character {at}")


def skip(text: str, at: int) -> int:
    """Past white space."""
    found = _space(text, at)
    assert found is not None, "white space may be none"
    return found.end()


def members(text: str, at: int = 0, lists: Collection[str] = ()) -> tuple[list[Member], int]:
    """The members of the object that stands at a place, and where it ends.

    The value of a list under a key of `lists` is the list of its `Part`s.

    Raises:
        Malformed: not an object, or not JSON.
    """
    found: list[Member] = []
    _, at = _opened(text, at, "{")
    if text[at : at + 1] == "}":
        return found, at + 1
    try:
        while True:
            begin = at
            if named := _named(text, at):
                key, at = named[1], named.end()
            else:
                key, at = _key(text, at)
            if key in lists and text[at : at + 1] == "[":
                part = elements(text, at)
            else:
                # Not by `value`: the calls of this loop are a good part of what a request costs.
                here, end = _scan(text, at)
                part = Part(here, at, end)
            found.append(Member(key, begin, part))
            at, over = _after(text, part.end, "}")
            if over:
                return found, at
    except _FAULTS as fault:
        raise _malformed(fault, at) from None


def elements(text: str, at: int) -> Part:
    """The list that stands at a place, as the `Part`s in it.

    Raises:
        Malformed: not a list, or not JSON.
    """
    found: list[Part] = []
    begins, at = _opened(text, at, "[")
    if text[at : at + 1] == "]":
        return Part(found, begins, at + 1)
    try:
        while True:
            here, end = _scan(text, at)
            found.append(Part(here, at, end))
            at, over = _after(text, end, "]")
            if over:
                return Part(found, begins, at)
    except _FAULTS as fault:
        raise _malformed(fault, at) from None


def _opened(text: str, at: int, mark: str) -> tuple[int, int]:
    """Where a list or an object begins, and its first part."""
    found = _open(text, at)
    if found is None or found[1] != mark:
        raise Malformed(f"{mark!r} was expected at character {skip(text, at)}")
    return found.start(1), found.end()


def _key(text: str, at: int) -> tuple[str, int]:
    """A key that is written in an uncommon way, or is none; and where its value stands."""
    if text[at : at + 1] != '"':
        raise Malformed(f"'\"' was expected at character {at}")
    key = value(text, at)
    colon = skip(text, key.end)
    if text[colon : colon + 1] != ":":
        raise Malformed(f"':' was expected at character {colon}")
    return key.value, skip(text, colon + 1)


def _after(text: str, at: int, closing: str) -> tuple[int, bool]:
    """Past what follows a value; whether that was the end."""
    found = _next(text, at)
    if found is None or found[1] not in (None, closing):
        raise Malformed(f"',' was expected at character {skip(text, at)}")
    return found.end(), found[1] is not None


def quoted(text: str) -> str:
    """A text as JSON writes it, quotes included."""
    return orjson.dumps(text).decode()


@dataclass(frozen=True)
class Document:
    """A body that is a JSON object, read with places."""

    text: str
    members: tuple[Member, ...]
    """In the order they stand; a key may stand twice, and then the last counts, as for every common parser."""
    end: int
    """Where the object's closing brace is."""
    parts: Mapping[str, Part]
    """By key."""

    @classmethod
    def read(cls, body: bytes, lists: Collection[str] = ()) -> "Document":
        """`lists`: keys whose lists are read element by element.

        Raises:
            Malformed: not a JSON object.
        """
        text = decoded(body)
        found, end = members(text, 0, lists)
        if (rest := skip(text, end)) != len(text):
            raise Malformed(f"the end was expected at character {rest}")
        return cls(text, tuple(found), end - 1, {member.key: member.part for member in found})

    def part(self, key: str) -> Part | None:
        """The value of a key."""
        return self.parts.get(key)

    def get(self, key: str) -> Any:
        """The value of a key as plain data; None also where there is none."""
        part = self.parts.get(key)
        return None if part is None else part.value

    def added(self, key: str, written: str) -> Edit:
        """A new member at the end, `written` as JSON."""
        comma = "," if self.members else ""
        at = self.members[-1].part.end if self.members else self.end
        return Edit(at, at, f"{comma}{quoted(key)}:{written}")

    def without(self, key: str) -> list[Edit]:
        """Every member of this name taken out, with its comma."""
        edits, kept = [], False
        for index, member in enumerate(self.members):
            if member.key != key:
                kept = True
            elif kept:
                edits.append(Edit(self.members[index - 1].part.end, member.part.end, ""))
            else:
                after = self.members[index + 1].begin if index + 1 < len(self.members) else member.part.end
                edits.append(Edit(member.begin, after, ""))
        return edits
