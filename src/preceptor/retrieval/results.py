"""What tools tell, as retrieval reads it: values that go with names, not language.

Of all that a lookup shows, one or two values decide what is to be done, and which they are can be seen from a library's
own contexts: ``state`` differs from scenario to scenario, ``depot`` does not. The others are left out, because in
likeness they are noise. Each value with its name is a word, and has a direction of its own among the vectors.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import orjson

from preceptor.dialogue.conversation import Turn
from preceptor.retrieval.embedding import unit
from preceptor.retrieval.sparse import Index, Matrix

VALUES = 64
"""Values of a result that are read: a row's, or those of a list's first rows."""
DEEPEST = 32
"""Levels of a result that are looked into; what is nested deeper says nothing to anybody."""
LONG = 6
"""Words from which on a value is text: each word counts by itself."""
ENOUGH = 30
"""Conversations in which a name was met before it can be found to tell nothing."""
SURE = 2.33
"""Standard errors from which on a name tells something: one in a hundred that tell nothing is kept."""
_MARK = "\x1f"
_IS = "="


def told(result: str) -> str:
    """A tool's result in the form that `pairs` reads; one in that form stays as it is."""
    if result.startswith(_MARK):
        return result
    if result.lstrip()[:1] in ("{", "["):
        try:
            return "".join(_MARK + pair for pair in islice(_pairs(orjson.loads(result), "", DEEPEST), VALUES))
        except orjson.JSONDecodeError:
            pass
    return "".join(_MARK + _IS + word for word in result.lower().split()[:VALUES])


def pairs(text: str) -> list[str] | None:
    """The values of a result with their names, ``name=value``; None for a text that is none."""
    return [pair for pair in text[1:].split(_MARK) if pair] if text.startswith(_MARK) else None


def unmarked(turn: Turn) -> Turn:
    """What customer or agent say, whatever they write: it is not to be taken for a result."""
    return replace(turn, text=turn.text.replace(_MARK, " ")) if _MARK in turn.text else turn


def named(pair: str) -> str:
    return pair.partition(_IS)[0]


def _pairs(value: object, name: str, levels: int) -> Iterator[str]:
    """`levels`: of objects and lists that are looked into."""
    if isinstance(value, dict | list) and not levels:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _pairs(inner, str(key).lower(), levels - 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _pairs(inner, name, levels - 1)
    else:
        said = str(value).lower().replace(_MARK, " ").split()
        if len(said) >= LONG:
            yield from (f"{name}{_IS}{word}" for word in said)
        else:
            # Numbers are all alike, as in what is said.
            yield f"{name}{_IS}{' '.join('0' if word[0].isdigit() else word for word in said)}"


def telling(contexts: Sequence[Sequence[Turn]], labels: Index, groups: Index) -> frozenset[str]:
    """The names whose values differ between labels, or have been met too seldom to say.

    A chi-squared test of value against label for each name, over contexts that end with a result which has it; a
    conversation counts once for a label and value.
    """
    seen: defaultdict[str, set[tuple[int, int, str]]] = defaultdict(set)
    for turns, label, group in zip(contexts, labels.tolist(), groups.tolist(), strict=True):
        if label >= 0 and turns and turns[-1].party == "tool":
            for pair in pairs(told(turns[-1].text)) or ():
                seen[named(pair)].add((group, label, pair))
    return frozenset(name for name, met in seen.items() if _tells(met))


def _tells(met: set[tuple[int, int, str]]) -> bool:
    if len({group for group, _, _ in met}) < ENOUGH:
        return True
    cells = Counter((label, pair) for _, label, pair in met)
    of_label, of_pair = Counter[int](), Counter[str]()
    for (label, pair), count in cells.items():
        of_label[label] += count
        of_pair[pair] += count
    freedom = (len(of_label) - 1) * (len(of_pair) - 1)
    if not freedom:
        return False
    # The sum over all cells of (found - expected)² / expected, without going through the empty ones.
    total = len(met)
    excess = sum(n * n / of_label[label] / of_pair[pair] for (label, pair), n in cells.items()) - 1
    found = total * max(0.0, excess)  # in floats, values that differ in nothing come out a little below none
    # Wilson and Hilferty (1931): the cube root of chi-squared over its degrees of freedom is all but normal.
    spread = 2 / (9 * freedom)
    return bool(((found / freedom) ** (1 / 3) - (1 - spread)) / spread**0.5 > SURE)


def kept(found: Sequence[str], names: frozenset[str] | None) -> Sequence[str]:
    """The pairs whose names tell something; all where none does."""
    return [pair for pair in found if names is None or named(pair) in names] or found


def direction(found: Sequence[str], dim: int) -> Matrix:
    """(dim,): the sum of a direction for each pair, of length one."""
    if not found or not dim:
        return np.zeros(dim, np.float32)
    return unit(np.sum([_signs(pair, dim) for pair in found], axis=0))


def _signs(pair: str, dim: int) -> Matrix:
    """A corner of the cube, drawn from a hash: any two are all but at right angles."""
    drawn = np.frombuffer(hashlib.shake_128(pair.encode()).digest(-(-dim // 8)), np.uint8)
    return np.unpackbits(drawn)[:dim].astype(np.float32) * 2 - 1
