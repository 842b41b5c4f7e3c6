"""What the expressions that find personal data have in common: words from files, capitals of all alphabets, bounds."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

Finder = Callable[[str], Iterator[tuple[int, int]]]
"""Where in a text something stands: (start, end)."""


def words_of(name: str) -> frozenset[str]:
    """Of a file in `words`; lines after # are for readers."""
    lines = (Path(__file__).parent / "words" / f"{name}.txt").read_text("utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


CAPITAL = f"[{''.join(letter for letter in map(chr, range(0x41, 0x530)) if letter.isupper())}]"
"""Latin, Greek and Cyrillic ones."""


def wide(expression: str) -> re.Pattern[str]:
    """With capitals of all kinds for those of English."""
    return re.compile(re.sub(r"\[A-Z(?:ÄÖÜ|ÁÉÍÓÚÑ|À-Ý)?\](?=\[)", lambda _: CAPITAL, expression))


BEFORE = 80
"""Characters before a datum that may say what it is. Like every bound in the expressions below it keeps the time to
read a text in step with its length: what a stranger sends may be a megabyte of the same three letters."""
MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)


def every(pattern: re.Pattern[str], group: int = 0) -> Finder:
    return lambda text: (match.span(group) for match in pattern.finditer(text))


def without_stop(text: str, start: int, end: int) -> int:
    """The end of a word without the stop after it."""
    while end - 1 > start and text[end - 1] in ".,;:?\"'”’`)":
        end -= 1
    return end
