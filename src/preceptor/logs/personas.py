"""How customers write and how they take it, as far as logs can honestly tell: the length of their messages, words of
annoyance and of worry, and how long they stay.

Words are counted, feelings are not known: somebody who is angry in polite words counts as calm. English only.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median_low
from typing import Literal

from preceptor.dialogue.conversation import Conversation
from preceptor.retrieval.windows import words

Length = Literal["brief", "plain", "wordy"]
Mood = Literal["calm", "upset", "worried"]

BRIEF = 8
"""Words of a message up to which it is brief: a phrase, or one short sentence."""
WORDY = 20
"""Words from which on a message is wordy: longer than most sentences."""
LEAST = 0.02
"""Share of conversations that a persona stands for; rarer ones are counted with the calm ones, or the commonest."""
_UPSET = (
    "absurd angry annoyed annoying appalling atrocious awful complain complaint complaints crap damn disappointed "
    "disappointing disgraceful disgusted disgusting dreadful frustrated frustrating frustration furious garbage hate "
    "hell horrible incompetent infuriating insane insulting joke lousy mad nonsense outraged outrageous pathetic "
    "pissed poor ridiculous rubbish rude shame sick stupid suck sucks terrible unacceptable unbelievable upset useless "
    "waste wasted worse worst wtf"
)
_WORRIED = (
    "afraid alarmed anxious asap concerned desperate desperately distressed emergency frightened nervous panic "
    "panicking scared scary stressed terrified urgent urgently worried worry worrying"
)
UPSET = frozenset(_UPSET.split())
WORRIED = frozenset(_WORRIED.split())
_SHOUTED = re.compile(r"!!|\?!|!\?")
_CAPITALS = re.compile(r"\b[A-Z]{4,}\b")


@dataclass
class Manner:
    """Customers of one kind, counted."""

    length: Length
    mood: Mood
    conversations: int = 0
    words: Counter[int] = field(default_factory=Counter)
    """Words of a message, by conversation: its median."""
    messages: Counter[int] = field(default_factory=Counter)
    """Messages of a conversation."""
    left: int = 0
    """Conversations known to have been given up by the customer."""
    known: int = 0
    """Conversations whose ending is known."""

    @property
    def id(self) -> str:
        return self.length if self.mood == "calm" else f"{self.length}-{self.mood}"

    def add(self, other: "Manner") -> None:
        self.conversations += other.conversations
        self.words += other.words
        self.messages += other.messages
        self.left += other.left
        self.known += other.known

    @property
    def description(self) -> str:
        """Told to the simulated customer, in the second person."""
        told = [_LENGTHS[self.length].format(_usual(self.words, "word"))]
        if self.mood != "calm":
            told.append(_MOODS[self.mood])
        told.append(f"You write {_usual(self.messages, 'message')} before you are done.")
        if self.known and self.left:
            told.append(f"About {max(1, round(100 * self.left / self.known))} in 100 like you give up.")
        return " ".join(told)


@dataclass
class Manners:
    """Of all conversations, one after the other."""

    kinds: dict[tuple[Length, Mood], Manner] = field(default_factory=dict)

    def count(self, conversation: Conversation) -> None:
        said = [turn.text for turn in conversation.turns if turn.party == "customer" and turn.text.strip()]
        if not said:
            return
        usual = median_low([len(words(text)) for text in said])
        length: Length = "brief" if usual <= BRIEF else "wordy" if usual >= WORDY else "plain"
        mine = length, mood(said)
        known = conversation.ending in ("resolved", "left")
        one = Manner(*mine, 1, Counter([usual]), Counter([len(said)]), int(conversation.ending == "left"), int(known))
        self.kinds.setdefault(mine, Manner(*mine)).add(one)

    def settled(self) -> tuple[Manner, ...]:
        """The kinds worth telling apart, the commonest first; the rare ones are counted with others."""
        everyone = sum(kind.conversations for kind in self.kinds.values())
        ordered = sorted(self.kinds.values(), key=lambda kind: (-kind.conversations, kind.id))
        kept: dict[tuple[Length, Mood], Manner] = {}
        for kind in ordered:
            calm = (kind.length, "calm")
            rare = kept and kind.conversations < LEAST * everyone
            place = (calm if calm in kept else next(iter(kept))) if rare else (kind.length, kind.mood)
            kept.setdefault(place, Manner(*place)).add(kind)
        return tuple(sorted(kept.values(), key=lambda kind: (-kind.conversations, kind.id)))


def mood(said: Sequence[str]) -> Mood:
    """By words, and by shouting."""
    met = {word for text in said for word in words(text)}
    if met & UPSET or any(_shouts(text) for text in said):
        return "upset"
    return "worried" if met & WORRIED else "calm"


def _shouts(text: str) -> bool:
    """Several marks, or several words in capitals; one is an abbreviation."""
    return bool(_SHOUTED.search(text)) or len(_CAPITALS.findall(text)) >= 3


def _usual(counts: Counter[int], what: str) -> str:
    """The middle half, in words."""
    low, high = (_at(counts, share) for share in (0.25, 0.75))
    if low == high:
        return f"about {low} {what}{'' if low == 1 else 's'}"
    return f"{low} to {high} {what}s"


def _at(counts: Counter[int], share: float) -> int:
    wanted = share * counts.total()
    so_far = 0
    for value in sorted(counts):
        so_far += counts[value]
        if so_far >= wanted:
            return value
    return 0


_LENGTHS: dict[Length, str] = {
    "brief": "You write brief messages, {}.",
    "plain": "You write a sentence or two, {} a message.",
    "wordy": "You explain at length, {} a message.",
}
_MOODS: dict[Mood, str] = {
    "calm": "",
    "upset": "You are annoyed and show it, in strong words or exclamation marks.",
    "worried": "You are worried, and it is urgent to you.",
}
