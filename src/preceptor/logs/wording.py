"""What sets groups of conversations apart in words: terms that customers of one use and others do not.

A term is a word, or two or three with at most `BETWEEN` small ones between each two: "reserve a room" says more to a
reader than "room" and "reserve". How distinctive it is, says the log-odds ratio with an informative Dirichlet
prior, in standard errors (Monroe, Colaresi, Quinn, *Fightin' Words*, Political Analysis 2008), of how many
conversations have it: words everybody uses come out near zero, rare ones are not overrated.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from preceptor.retrieval.sparse import Index
from preceptor.retrieval.windows import stemmed, words

STAND_IN = re.compile(r"\[[a-z][a-z -]* \d+\]")
"""What redaction leaves, such as ``[name 1]``."""
_FUNCTION_WORDS = (
    "a about after all also am an and any are as at be because been before but by can cannot could did do does doing "
    "done for from get getting go going got had has have having he hello her here hey hi him his how however i if in "
    "into is it its just know let like make may me might mine more much must my need no not now of off oh ok okay on "
    "one only or our out over please really say see she should so some something still such sure take tell than thank "
    "thanks that the their them then there these they thing things this those to too try trying up us use using very "
    "want wanted wants was way we well were what when where which while who why will with would yes you your yours "
    "i'm i'd i've i'll it's that's don't didn't can't won't doesn't isn't wasn't what's there's let's you're"
)
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""English words that name no subject. In other languages rarity alone has to tell."""
PRIOR = 10.0
"""Conversations' worth of what is usual, that a group's words are drawn towards for each of its own terms."""
TOGETHER = (1.0, 1.3, 1.4)
"""What one, two and three words are worth: "exchange rate" says more to a reader than "rate" and "exchange"."""
BETWEEN = 2
"""Small words that may stand between two telling ones: "lost my debit card", "status of my ride"."""
COMPLETE = 0.2
"""Share of the conversations with a term in which a longer one must be, to stand in its place."""
_SHORTEST = 3
"""Letters of a word that names something: less is what is left of figures and abbreviations ("th", "pm")."""
_PAUSE = re.compile(r"[.!?;:,()\"“”\n]+")
_LONGEST = 400
"""Words of a conversation's customer that are read: a pasted document is no subject."""


@dataclass(frozen=True)
class Wording:
    """What customers of each group say, and how distinctive it is."""

    scores: tuple[dict[str, float], ...]
    """By group: term (of stems) → standard errors above what is usual; only those above 2."""
    counts: tuple[dict[str, int], ...]
    """By group, of these: in how many of its conversations."""
    spelled: dict[str, str]
    """The form a term of stems is written in most often."""

    @classmethod
    def read(cls, said: Sequence[Sequence[str]], groups: Index, count: int) -> "Wording":
        """`said`: each conversation's customer, message by message; `groups`: its group, −1 for none."""
        spelled: dict[str, Counter[str]] = {}
        held = [Counter[str]() for _ in range(count)]
        usual = Counter[str]()
        for messages, group in zip(said, groups, strict=True):
            met: set[str] = set()
            for stem, form in terms(messages):
                spelled.setdefault(stem, Counter())[form] += 1
                met.add(stem)
            usual.update(met)
            if group >= 0:
                held[group].update(met)
        sizes = np.bincount(groups[groups >= 0], minlength=count)
        scores = tuple(_distinct(mine, size, usual, len(said)) for mine, size in zip(held, sizes, strict=True))
        counts = tuple({stem: mine[stem] for stem in told} for mine, told in zip(held, scores, strict=True))
        return cls(scores, counts, {stem: _commonest(forms) for stem, forms in spelled.items()})

    def terms(self, group: int, most: int = 3) -> tuple[str, ...]:
        """The most distinctive, each of their words telling, and none that repeats a word of another."""
        found: list[str] = []
        known: set[str] = set()
        scores = self.scores[group]
        telling = {stem: score for stem, score in scores.items() if set(stem.split()) <= scores.keys()}
        worth = {stem: score * TOGETHER[stem.count(" ")] for stem, score in telling.items()}
        for stem in sorted(worth, key=lambda stem: (-worth[stem], stem)):
            if len(found) < most and not set(stem.split()) & known:
                whole = self._completed(group, stem, known)
                found.append(self.spelled[whole])
                known.update(whole.split())
        return tuple(found)

    def _completed(self, group: int, stem: str, known: set[str]) -> str:
        """The commonest longer term with these words in it and none of those in `known`, each of its words telling;
        itself if it stands alone."""
        counts, parts = self.counts[group], set(stem.split())
        longer = {
            other: count * TOGETHER[other.count(" ")]
            for other, count in counts.items()
            if parts < set(other.split()) <= counts.keys()
            and count >= COMPLETE * counts[stem]
            and not known & set(other.split())
        }
        return max(longer, key=lambda other: (longer[other], other), default=stem)

    def tells(self, group: int, text: str) -> float:
        """How much of what is distinctive for a group a message says, a word less the longer it is."""
        met = {stem for stem, _ in terms([text])}
        return sum(self.scores[group].get(stem, 0.0) for stem in met) / (8 + len(words(text)))


def terms(messages: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(stems, as written) of each word that may name a subject, and of each two and three that stand together."""
    left = _LONGEST
    for message in messages:
        for part in _PAUSE.split(STAND_IN.sub(" . ", message)):
            said = words(part)[:left]
            left -= len(said)
            yield from _terms(said)


def _terms(said: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Of what is said without a pause."""
    stems = stemmed(list(said))
    at = [n for n, (stem, form) in enumerate(zip(stems, said, strict=True)) if _tells(stem, form)]
    for size in range(1, len(TOGETHER) + 1):
        for places in zip(*(at[n:] for n in range(size)), strict=False):
            first, last = places[0], places[-1]
            parts = [stems[place] for place in places]
            # A figure between two words is no small word: what is left out would be what matters.
            if last - first <= size - 1 + BETWEEN and len(set(parts)) == size and "0" not in stems[first:last]:
                yield " ".join(parts), " ".join(said[first : last + 1])


def _tells(stem: str, form: str) -> bool:
    return len(form) >= _SHORTEST and form not in FUNCTION_WORDS and stem != "0"


def without_stand_ins(text: str) -> str:
    return STAND_IN.sub(" ", text)


def _distinct(mine: Counter[str], size: int, usual: Counter[str], everyone: int) -> dict[str, float]:
    """Of the terms at least two customers of a group use."""
    names = [name for name, met in mine.items() if met >= min(2, size)]
    here = np.array([mine[name] for name in names], float)
    everywhere = np.array([usual[name] for name in names], float)
    rate = (everywhere + 0.5) / (everyone + 1)
    with_it, without = PRIOR * rate, PRIOR * (1 - rate)
    # With the term and without it; here, and among all others.
    table = (
        here + with_it,
        size - here + without,
        everywhere - here + with_it,
        everyone - size - everywhere + here + without,
    )
    odds = np.log(table[0] * table[3] / (table[1] * table[2]))
    scores = odds / np.sqrt(sum(1 / cell for cell in table))
    return {name: float(score) for name, score in zip(names, scores, strict=True) if score > 2}


def _commonest(forms: Counter[str]) -> str:
    return min(forms, key=lambda form: (-forms[form], form))
