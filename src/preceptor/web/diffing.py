"""Two texts side by side, with the words that differ marked in each."""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LONGEST = 4000
"""Words of both texts together: beyond, matching takes noticeable time, and nobody reads the marks."""
ISLAND = 2
"""Words in common that stand alone between changes say nothing, and make both harder to read."""
_WORDS = re.compile(r"\s*\S+\s*?(?=\s|$)|\s+$")
_Run = tuple[bool, Sequence[str], Sequence[str]]


@dataclass(frozen=True)
class Piece:
    text: str
    differs: bool


@dataclass(frozen=True)
class Sides:
    """Pieces that, put together, are the texts."""

    before: tuple[Piece, ...]
    after: tuple[Piece, ...]


def sides(before: str, after: str) -> Sides:
    """Mark what differs, word by word."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if not before or not after or len(old) + len(new) > LONGEST:
        return Sides((Piece(before, False),), (Piece(after, False),))
    runs = list(_joined(_bridged(list(_runs(old, new)))))
    return Sides(tuple(_side(runs, 1)), tuple(_side(runs, 2)))


def _runs(old: Sequence[str], new: Sequence[str]) -> Iterator[_Run]:
    """Whether they differ, and the words of each."""
    mine, theirs = ([word.strip() for word in words] for words in (old, new))
    for tag, i, j, k, m in difflib.SequenceMatcher(None, mine, theirs, autojunk=False).get_opcodes():
        yield tag != "equal", old[i:j], new[k:m]


def _bridged(runs: Sequence[_Run]) -> Iterator[_Run]:
    for place, (differs, old, new) in enumerate(runs):
        lonely = 0 < place < len(runs) - 1 and len(old) < ISLAND
        yield differs or lonely, old, new


def _joined(runs: Iterator[_Run]) -> Iterator[_Run]:
    """Neighbours of one kind as one."""
    last: _Run | None = None
    for differs, old, new in runs:
        if last is not None and last[0] == differs:
            last = (differs, [*last[1], *old], [*last[2], *new])
            continue
        if last is not None:
            yield last
        last = (differs, old, new)
    if last is not None:
        yield last


def _side(runs: Sequence[_Run], side: int) -> Iterator[Piece]:
    """Space before a change stands outside its mark."""
    for run in runs:
        text = "".join(run[1] if side == 1 else run[2])
        bare = text.lstrip()
        if run[0] and bare != text:
            yield Piece(text[: len(text) - len(bare)], False)
            text = bare
        if text:
            yield Piece(text, run[0])
