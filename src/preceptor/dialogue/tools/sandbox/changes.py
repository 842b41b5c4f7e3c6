"""What rows are no longer as they were at first, and whether two conversations left the same."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

Row = Any
"""Fields by their names, as a rule; a JSON file's row may be anything."""
Place = tuple[str, str]
"""A table and a row's key."""
Changes = Mapping[Place, Row | None]
"""Rows that differ from the first state; None for one that is gone. An empty mapping is the first state."""
SHOWN = 4
"""Rows, and fields of a row, that a difference names before it counts the rest."""


def same(one: Any, other: Any) -> bool:
    """Whether two values of a row are equal: whole numbers exactly, others as money reckoned in another order is."""
    if _number(one) and _number(other) and not (isinstance(one, int) and isinstance(other, int)):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-6)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if _listed(one) and _listed(other):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def differences(found: Changes, wanted: Changes) -> tuple[Place, ...]:
    """The rows that two conversations left differently, in order."""
    places = found.keys() | wanted.keys()
    # A place that only one of them names is as at first for the other, so it differs.
    return tuple(sorted(at for at in places if at not in found or at not in wanted or not same(found[at], wanted[at])))


def told(found: Changes, wanted: Changes) -> str:
    """Which rows and fields differ, with what was found. What was wanted is left out: it would give the task away."""
    places = differences(found, wanted)
    lines = [f"{table} {key}: {_row(found, wanted, (table, key))}" for table, key in places[:SHOWN]]
    more = len(places) - len(lines)
    return "; ".join(lines) + (f"; and {more} more rows" if more else "")


def _row(found: Changes, wanted: Changes, at: Place) -> str:
    if at not in found:
        return "unchanged, but should have been changed"
    if at not in wanted:
        return "changed, but should not have been"
    one, other = found[at], wanted[at]
    if one is None:
        return "removed, but should not have been"
    if other is None:
        return "there, but should have been removed"
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return f"is {_short(one)}"
    names = one.keys() | other.keys()
    fields = sorted(name for name in names if not (name in one and name in other and same(one[name], other[name])))
    said = [f"{name} is {_short(one[name])}" if name in one else f"{name} is missing" for name in fields[:SHOWN]]
    more = len(fields) - len(said)
    return ", ".join(said) + (f" and {more} more fields differ" if more else "")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _listed(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
