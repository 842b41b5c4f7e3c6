"""A context as seen through windows: the customer's last turn, the last two with what the agent said between, all.

Openings say little, and a whole conversation forgets a change of subject; so likeness is measured through every window
(`weighing` learns how much each counts).
A window's vector is the weighted sum of its turns' vectors, and its words are theirs together: a new turn costs one
turn, however long the conversation.
"""

import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

import numpy as np
import snowballstemmer
from numpy.typing import NDArray

from preceptor.dialogue.conversation import Turn
from preceptor.retrieval.embedding import Embedder, Vectors

WINDOWS: tuple[int | None, ...] = (1, 2, None)
"""How many of the customer's turns each window reaches back; None: all."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+")
_stemmer = snowballstemmer.stemmer("english")
_stemming = Lock()
"""A stemmer keeps the word it is at, so that two threads would get each other's."""


@dataclass(frozen=True)
class Read:
    """What one turn says."""

    vector: NDArray[np.float32]
    """(dim,); as long as the root of its number of words, so that "yes" does not weigh like a paragraph."""
    words: Counter[str]
    """Stems; every number is the word ``0``."""


class Reader:
    """Reads turns, each text once while it is remembered."""

    def __init__(self, embedder: Embedder, memory: int = 8_192) -> None:
        """`memory`: texts remembered; about 2 kB each."""
        self.embedder = embedder
        self._memory = memory
        self._read: OrderedDict[str, Read] = OrderedDict()

    def read(self, texts: Iterable[str]) -> dict[str, Read]:
        """By text."""
        wanted = dict.fromkeys(texts)
        new = [text for text in wanted if text not in self._read]
        fresh = dict(zip(new, self._fresh(new), strict=True))
        found = {text: fresh[text] if text in fresh else self._read[text] for text in wanted}
        self._remember(found)
        return found

    def _fresh(self, texts: list[str]) -> list[Read]:
        vectors: Vectors = self.embedder.embed(texts) if texts else np.zeros((0, self.embedder.dim), np.float32)
        counts = [Counter(stems(text)) for text in texts]
        return [
            Read(vector * np.float32(np.sqrt(max(1, words.total()))), words)
            for vector, words in zip(vectors, counts, strict=True)
        ]

    def _remember(self, found: dict[str, Read]) -> None:
        for text, read in found.items():
            self._read[text] = read
            self._read.move_to_end(text)
        while len(self._read) > self._memory:
            self._read.popitem(last=False)


def spoken(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns that count: what customer and agent said. Tool results are data, not speech."""
    return tuple(turn for turn in turns if turn.party != "tool" and turn.text.strip())


def starts(turns: Sequence[Turn]) -> list[int]:
    """Where each of `WINDOWS` begins in the turns."""
    customers = [index for index, turn in enumerate(turns) if turn.party == "customer"]
    return [0 if reach is None or len(customers) <= reach else customers[-reach] for reach in WINDOWS]


def stems(text: str) -> list[str]:
    """The words of a text, stemmed, lower case; numbers are all alike."""
    return ["0" if word[0].isdigit() else _stem(word) for word in _WORD.findall(text.lower())]


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    with _stemming:
        return str(_stemmer.stemWord(word))
