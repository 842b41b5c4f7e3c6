"""Word lists that name what a text may not say, and where a text says it: read word by word, in step with its length.

A list is a file in `words` for people to read and to add to; its opening lines say how.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

APART = 8
"""Words between which the two sides of a rule are still about each other: about a clause."""
NEAR = 3
"""Words before a rule's left side from where a negation reaches it."""
_LONGER = 6
"""Letters a word may go on for after a beginning of it: endings, and not other words."""
_KEY = 2
"""Letters by which beginnings are looked up; no shorter ones are listed."""
_TOKEN = re.compile(r"(?P<word>\w+(?:['’]\w+)*)|(?P<end>[.!?;](?!\w)|\n)|(?P<quote>[\"“”])")
_FORBIDS = frozenset(
    ("never", "not", "no", "cannot", "avoid", "refrain", "without", "unless", "instead", "rather", "nor", "forbidden")
)


class _Said(NamedTuple):
    """A word or phrase of a list, and what it stands for there."""

    words: tuple[str, ...]
    """Beginnings; with a full stop at the end: whole words."""
    rule: int
    left: bool
    """Of a rule's sides; what is enough alone has none and is told by the rule."""


@dataclass(frozen=True)
class Lexicon:
    """What a list says."""

    said: Mapping[str, tuple[_Said, ...]]
    """By the first letters."""
    alone: frozenset[int]
    """Rules of which one side is all."""
    guarded: frozenset[int]
    """Rules that a negation makes harmless."""

    @classmethod
    @cache
    def load(cls, name: str) -> "Lexicon":
        """The list of a file in `words`."""
        text = (Path(__file__).parent / "words" / f"{name}.txt").read_text("utf-8")
        said: dict[str, list[_Said]] = {}
        alone, guarded, part = set[int](), set[int](), ""
        for rule, line in enumerate(text.splitlines()):
            if line.startswith("["):
                part = line.strip("[]")
            elif line and not line.startswith("#"):
                sides = line.split("|")
                alone |= {rule} if part == "alone" else set()
                guarded |= {rule} if part == "unless forbidden" else set()
                for side, phrases in enumerate(sides):
                    for phrase in phrases.split():
                        words = tuple(phrase.split("_"))
                        said.setdefault(words[0][:_KEY], []).append(_Said(words, rule, side == 0))
        return cls({key: tuple(those) for key, those in said.items()}, frozenset(alone), frozenset(guarded))

    def found(self, text: str) -> bool:
        """Whether a text says what any rule names."""
        return any(self._sentence(words) for words in _sentences(text))

    def _sentence(self, words: list[str]) -> bool:
        opened: dict[int, int] = {}
        denied = -NEAR - 1
        for at, word in enumerate(words):
            if word in _FORBIDS or word.endswith("n't"):
                denied = at
            for one in self.said.get(word[:_KEY], ()):
                if not _stands(one.words, words, at):
                    continue
                if one.rule in self.alone:
                    return True
                if one.left:
                    opened[one.rule] = at
                    continue
                since = opened.get(one.rule, -APART - 1)
                if at - since <= APART and (one.rule not in self.guarded or denied < since - NEAR):
                    return True
        return False


def _stands(phrase: tuple[str, ...], words: list[str], at: int) -> bool:
    there = words[at : at + len(phrase)]
    return len(there) == len(phrase) and all(map(_is, phrase, there))


def _is(beginning: str, word: str) -> bool:
    if beginning.endswith("."):
        return word == beginning[:-1]
    return word.startswith(beginning) and len(word) <= len(beginning) + _LONGER


def _sentences(text: str) -> Iterator[list[str]]:
    """Words by sentence, in small letters; a quotation mark is a word."""
    words: list[str] = []
    for match in _TOKEN.finditer(text.casefold().replace("_", " ").replace("’", "'")):
        if match["end"]:
            yield words
            words = []
        else:
            words.append(match[0] if match["word"] else '"')
    yield words
