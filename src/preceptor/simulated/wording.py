"""Writing: placeholders filled with what was heard, typos, and sentences put together."""

import re

from preceptor.simulated.chance import Chance
from preceptor.simulated.world import PLACEHOLDER, Digits, World


def fill(world: World, text: str, heard: str, chance: Chance) -> str:
    """A wording with its placeholders filled: values that occur in `heard`, otherwise plausible ones."""
    return PLACEHOLDER.sub(lambda match: _value(world, match[1], heard, chance), text)


def _value(world: World, name: str, heard: str, chance: Chance) -> str:
    values = world.placeholders[name]
    if isinstance(values, Digits):
        said = re.search(rf"(?<!\d)\d{{{values.digits}}}(?!\d)", heard)
        return said[0] if said else _number(values.digits, chance, name)
    for value in values:
        if re.search(rf"\b{re.escape(value)}\b", heard):
            return value
    return chance.pick(values, "value", name)


def _number(digits: int, chance: Chance, name: str) -> str:
    first = 10 ** (digits - 1)
    return str(first + int(chance.draw("value", name) * 9 * first))


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
