"""Whether something was said: by words and numbers, however they are written."""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal

_TOKEN = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d+(?:\.\d+)?|[^\W\d_]+")
"""Numbers with or without thousands marked, and words."""
_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
"""Numbers that one writes out, after common guides to English style."""
_NUMBERS = {word: str(number) for number, word in enumerate(_WORDS)}


def said(wanted: str, messages: Iterable[str]) -> bool:
    """Whether one of the messages holds all that is wanted, word for word. $1,628.00 is 1628; ten is 10; case and marks
    do not count. A number is found as a whole number only: 4 is not said by 14."""
    words = tuple(tokens(wanted))
    return any(_holds(tuple(tokens(message)), words) for message in messages)


def tokens(text: str) -> Iterator[str]:
    for found in _TOKEN.findall(text.casefold()):
        yield _number(found) if found[0].isdecimal() else _NUMBERS.get(found, found)


def _number(text: str) -> str:
    plain = text.replace(",", "")
    # An identifier of digits keeps its noughts.
    if plain.startswith("0") and "." not in plain:
        return plain
    exact = f"{Decimal(plain):f}"
    return exact.rstrip("0").rstrip(".") if "." in exact else exact


def _holds(message: tuple[str, ...], words: tuple[str, ...]) -> bool:
    if not words:
        return True
    starts = (at for at, word in enumerate(message) if word == words[0])
    return any(message[at : at + len(words)] == words for at in starts)
