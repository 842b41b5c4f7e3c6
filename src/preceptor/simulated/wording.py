"""Writing: placeholders filled with what was heard, typos, and sentences put together."""

import re
from collections.abc import Mapping

from preceptor.simulated.chance import Chance
from preceptor.simulated.references import PLACEHOLDER
from preceptor.simulated.tools import Digits
from preceptor.simulated.world import World

Given = Mapping[str, str]
"""What tools have told, by ``table.column``."""


def fill(world: World, text: str, heard: str, chance: Chance, given: Given | None = None) -> str:
    """A wording with its placeholders filled: values that occur in `heard` or were `given`, otherwise likely ones."""
    return PLACEHOLDER.sub(lambda match: _value(world, match[1], heard, chance, given or {}), text)


def filled(world: World, text: str, heard: str, given: Given) -> str | None:
    """The same with nothing made up; None where a value is not known."""
    names = PLACEHOLDER.findall(text)
    values = {name: given.get(name) if "." in name else said_value(world, name, heard) for name in names}
    if None in values.values():
        return None
    return PLACEHOLDER.sub(lambda match: values[match[1]] or "", text)


def said_value(world: World, name: str, heard: str) -> str | None:
    """The value of a placeholder that occurs in a text."""
    values = world.placeholders[name]
    if isinstance(values, Digits):
        said = re.search(rf"(?<!\d)\d{{{values.digits}}}(?!\d)", heard)
        return said[0] if said else None
    return next((value for value in values if re.search(rf"\b{re.escape(value)}\b", heard)), None)


def _value(world: World, name: str, heard: str, chance: Chance, given: Given) -> str:
    if "." in name:
        return given.get(name) or _invented(world, name, chance)
    said = said_value(world, name, heard)
    if said is not None:
        return said
    values = world.placeholders[name]
    if isinstance(values, Digits):
        return chance.number(values.digits, "value", name)
    return chance.pick(values, "value", name)


def _invented(world: World, name: str, chance: Chance) -> str:
    """What a column might hold, said by somebody who has not looked."""
    table, column = name.split(".")
    values = world.records[table].columns[column]
    if isinstance(values, Digits):
        return chance.number(values.digits, "value", name)
    return chance.weighted(values, "value", name)


def misspell(text: str, rate: float, chance: Chance) -> str:
    """A text with each longer word misspelt at a rate: two letters swapped, one left out, or one doubled."""
    words = text.split(" ")
    return " ".join(
        _slip(word, chance, str(place)) if chance.happens(rate, "typo", str(place)) else word
        for place, word in enumerate(words)
    )


def _slip(word: str, chance: Chance, place: str) -> str:
    if len(word) < 4 or not word.isalpha():
        return word
    at = 1 + int(chance.draw("slip", place) * (len(word) - 2))
    match chance.pick(("swap", "drop", "double"), "kind of slip", place):
        case "swap":
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        case "drop":
            return word[:at] + word[at + 1 :]
        case _:
            return word[:at] + word[at] + word[at:]


def joined(*parts: str) -> str:
    """Sentences one after the other, blanks left out, each with a stop at its end."""
    said = (part.strip() for part in parts)
    return " ".join(part if part[-1] in ".!?:;,…)" else f"{part}." for part in said if part)
