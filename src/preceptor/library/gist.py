"""What an instruction is about, in stems: by it two strategies are doubles, or contradict each other."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import Stemmer

Relation = Literal["much like", "contradicts"]
"""What a strategy can be to its neighbour."""
SAME = 0.8
"""Share of content words in common from which two strategies say the same."""
OPPOSED = 0.6
"""Share of content words in common from which an instruction and a prohibition are about the same thing."""

NEGATION = re.compile(
    r"\b(?:never|not|no|none|don't|doesn't|can't|cannot|won't|shouldn't|mustn't|avoid|refrain|stop|without|instead of|"
    r"rather than|unless|forbidden|nor)\b|n't\b",
    re.IGNORECASE,
)
"""What turns an instruction into a prohibition."""
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
# fmt: off
_FILLER = frozenset((
    "a", "an", "and", "any", "are", "as", "at", "be", "before", "after", "by", "can", "customer", "customers", "do",
    "does", "for", "from", "have", "if", "in", "is", "it", "its", "of", "on", "or", "so", "that", "the", "their",
    "them", "then", "there", "they", "this", "to", "up", "what", "when", "who", "will", "with", "you", "your",
    "always", "please", "should", "must",
))
# fmt: on
_stemmer = Stemmer.Stemmer("english", 0)


@dataclass(frozen=True)
class Gist:
    """What the likeness of two strategies goes by."""

    words: frozenset[str]
    """Stems of the content words."""
    forbids: bool
    """A prohibition, and no instruction."""

    def __str__(self) -> str:
        return ("! " if self.forbids else "") + " ".join(sorted(self.words))

    @classmethod
    def read(cls, text: str) -> "Gist":
        """What `str` made of it."""
        forbids = text.startswith("!")
        return cls(frozenset(text[forbids:].split()), forbids)


def relation(one: Gist, other: Gist) -> Relation | None:
    """What two strategies that can stand in one prompt are to each other; None: nothing."""
    shared = len(one.words & other.words)
    union = len(one.words) + len(other.words) - shared
    likeness = shared / union if union else 0.0
    if one.forbids == other.forbids:
        return "much like" if likeness >= SAME else None
    return "contradicts" if likeness >= OPPOSED else None


@lru_cache(maxsize=4096)
def gist(text: str) -> Gist:
    """The gist of a strategy's text."""
    negations = len(NEGATION.findall(text))
    words = _WORD.findall(NEGATION.sub(" ", text.casefold()))
    return Gist(frozenset(_stemmer.stemWords([w for w in words if w not in _FILLER])), negations % 2 == 1)
