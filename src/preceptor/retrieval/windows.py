"""A context as seen through windows: the customer's last turn, the last two with what the agent said between, all.

A tool's result that the agent has yet to act on is heard like a customer's turn: it decides what is to be done, too.

Openings say little, and a whole conversation forgets a change of subject; so likeness is measured through every window
(`weighing` learns how much each counts).
A window's vector is the weighted sum of its turns' vectors, and its words are theirs together: a new turn costs one
turn, however long the conversation.
"""

import math
import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
import Stemmer
from numpy.typing import NDArray

from preceptor.dialogue.conversation import Turn
from preceptor.retrieval.embedding import Embedder, Vectors
from preceptor.retrieval.results import direction, kept, pairs, told, unmarked

WINDOWS: tuple[int | None, ...] = (1, 2, None)
"""How many of the turns that the agent hears each window reaches back; None: all."""

WORDS = 65_536
"""Words whose numbers a reader remembers, whatever their endings; some 100 bytes each."""
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+")
_stemmer = Stemmer.Stemmer("english", 0)
_stemming = Lock()
"""A stemmer keeps the word it is at, so that two threads would get each other's."""


@dataclass(frozen=True)
class Read:
    """What one turn says."""

    vector: NDArray[np.float32]
    """(dim,); as long as the root of its number of words, so that "yes" does not weigh like a paragraph."""
    words: NDArray[np.intp]
    """Numbers of its stems in the reader's `words`, each once."""
    counts: NDArray[np.float32]
    """How often each is said."""


class Reader:
    """Reads turns, each text once while it is remembered."""

    def __init__(
        self,
        embedder: Embedder,
        words: dict[str, int] | None = None,
        memory: int = 8_192,
        telling: frozenset[str] | None = None,
    ) -> None:
        """`words`: the stems there are, with their numbers; without, they are those of the first turns read. A word
        that is not among them has the number of the first that is none. `memory`: texts remembered; about 2 kB each.
        `telling`: the names in tools' results whose values count; all when not given."""
        self.embedder, self.telling = embedder, telling
        self.words = {} if words is None else words
        self._settled = words is not None
        self._memory = memory
        self._read: OrderedDict[str, Read] = OrderedDict()
        self._known: dict[str, int] = {}

    def fresh(self) -> "Reader":
        """One like this, with the same words, that has read nothing."""
        return Reader(self.embedder, self.words, self._memory, self.telling)

    def read(self, texts: Iterable[str]) -> dict[str, Read]:
        """By text."""
        wanted = dict.fromkeys(texts)
        new = [text for text in wanted if text not in self._read]
        fresh = dict(zip(new, self._fresh(new), strict=True)) if new else {}
        found = {text: fresh[text] if text in fresh else self._read[text] for text in wanted}
        self._remember(found)
        return found

    def _fresh(self, texts: list[str]) -> list[Read]:
        results = {text: kept(found, self.telling) for text in texts if (found := pairs(text)) is not None}
        vectors = self._vectors(texts, results)
        said = [list(results[text]) if text in results else words(text) for text in texts]
        if not self._settled:
            met = dict.fromkeys(stem for some in said for stem in stemmed(some))
            self.words.update((stem, number) for number, stem in enumerate(met))
            self._settled = True
        return [self._made(vector, some) for vector, some in zip(vectors, said, strict=True)]

    def _vectors(self, texts: list[str], results: dict[str, Sequence[str]]) -> list[NDArray[np.float32]]:
        """Of what is said, the embedder's; of results, their own."""
        spoken = [text for text in texts if text not in results]
        embedded: Vectors = self.embedder.embed(spoken) if spoken else np.zeros((0, self.embedder.dim), np.float32)
        said = iter(embedded)
        return [direction(results[text], self.embedder.dim) if text in results else next(said) for text in texts]

    def _made(self, vector: NDArray[np.float32], said: list[str]) -> Read:
        counts = Counter(self._numbers(said))
        return Read(
            vector * np.float32(math.sqrt(max(1, len(said)))),
            np.fromiter(counts.keys(), np.intp, len(counts)),
            np.fromiter(counts.values(), np.float32, len(counts)),
        )

    def _numbers(self, said: list[str]) -> list[int]:
        known, unknown = self._known, len(self.words)
        if new := [word for word in said if word not in known]:
            if len(known) > WORDS:
                known.clear()
                new = said
            known.update(zip(new, [self.words.get(stem, unknown) for stem in stemmed(new)], strict=True))
        return [known[word] for word in said]

    def _remember(self, found: dict[str, Read]) -> None:
        for text, read in found.items():
            self._read[text] = read
            self._read.move_to_end(text)
        while len(self._read) > self._memory:
            self._read.popitem(last=False)


def spoken(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns that count: what customer and agent said, and in words what tools have told since.

    Results from before the customer's last turn are data, not speech: what mattered of them was said.
    """
    last = max((index for index, turn in enumerate(turns) if turn.party == "customer"), default=-1)
    said = (
        Turn("tool", told(turn.text)) if turn.party == "tool" else unmarked(turn)
        for index, turn in enumerate(turns)
        if turn.party != "tool" or index > last
    )
    return tuple(turn for turn in said if turn.text.strip())


def heard(turns: Sequence[Turn]) -> list[int]:
    """Where the agent hears something: the customer's turns, and at the end the results of tools it has just called."""
    found = [index for index, turn in enumerate(turns) if turn.party == "customer"]
    if turns and turns[-1].party == "tool":
        found.append(next(n for n in range(len(turns), 0, -1) if n == 1 or turns[n - 2].party != "tool") - 1)
    return found


def starts(turns: Sequence[Turn]) -> list[int]:
    """Where each of `WINDOWS` begins in the turns."""
    found = heard(turns)
    return [0 if reach is None or len(found) <= reach else found[-reach] for reach in WINDOWS]


def words(text: str) -> list[str]:
    """The words and numbers of a text, lower case."""
    return _WORD.findall(text.lower())


def stemmed(said: list[str]) -> list[str]:
    """Words without their endings; numbers are all alike, the word ``0``."""
    with _stemming:
        stems = _stemmer.stemWords(said)
    return ["0" if stem[0].isdigit() else stem for stem in stems]
