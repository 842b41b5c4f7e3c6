"""Judges that understand nothing: what a model judge must beat to be worth its calls.

Each says a number of a conversation, the higher the better; only the order of the numbers means anything.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources

from preceptor.dialogue.conversation import Conversation, Party
from preceptor.storage.canonical import content_hash

Baseline = Callable[[Conversation], float]
_WORD = re.compile(r"[a-z']+")


def words(conversation: Conversation, party: Party | None = None) -> int:
    """Words said, by one party or by all; what tools gave is not said."""
    said = [turn for turn in conversation.turns if turn.party != "tool" and party in (None, turn.party)]
    return sum(len(turn.text.split()) for turn in said)


def brevity(conversation: Conversation) -> float:
    """The fewer words were needed, the better: who has to write much to a helpdesk is seldom well served by it."""
    return -float(words(conversation))


def sentiment(conversation: Conversation) -> float:
    """The mean over the sentiment words the customer used, -4 to 4; 0 where there was none."""
    said = " ".join(turn.text for turn in conversation.turns if turn.party == "customer").lower()
    found = [lexicon()[word] for word in _WORD.findall(said) if word in lexicon()]
    return sum(found) / len(found) if found else 0.0


def chance(conversation: Conversation) -> float:
    """Any number from 0 to 1, the same for the same words."""
    return int(content_hash(["chance", conversation.turns])[:12], 16) / 16**12


BASELINES: Mapping[str, Baseline] = {"fewer words": brevity, "sentiment words": sentiment, "chance": chance}
"""By the names tables give them."""


@cache
def lexicon() -> Mapping[str, float]:
    """Sentiment of words, -4 to 4: from VADER (Hutto & Gilbert 2014), those on whose sign its ten raters agree."""
    text = resources.files("preceptor.judging").joinpath("words", "sentiment.txt").read_text("utf-8")
    rows = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return {word: float(value) for word, value in rows}
