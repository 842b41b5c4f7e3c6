"""What a text expresses, by comparing its sentences with the wordings of a world.

The reader is the instrument's eye: simulated models read prompts, replies and customers through it, and `truth` counts
with it. It has seen the world's wordings and nothing else; free text is read by likeness, so it errs, for every arm
alike. Each answer is cached by text.
"""

import html
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from preceptor.simulated.index import Entry, Index, Match
from preceptor.simulated.tools import Digits
from preceptor.simulated.words import (
    clauses,
    conditional,
    content,
    declines,
    inherits,
    instructs,
    may_instruct,
    negative,
    sentences,
    stems,
)
from preceptor.simulated.world import World

SURE = 0.8
"""Cosine from which a sentence *is* a wording, typos and values apart: it is not taken apart any further."""
NEAR = 0.6
"""Cosine from which a text takes a wording's polarity along."""
CLEAR = 0.3
"""Score from which a sentence that is not plainly an instruction is taken for one."""
LIKE = 0.15
"""Score from which a text is taken to express its nearest label."""
LIKE_ORDER = 0.12
"""The same for instructions: their mood has already told them from facts, so less likeness will do."""
MARGIN = 0.04
"""What the nearest must be ahead of the next by: closer than this, the reader does not choose."""
GREETINGS = (
    "Hello, how can I help you today?",
    "Hi there, thank you for contacting us.",
    "Thank you for reaching out to us.",
    "I would be happy to help you with that.",
    "I am here to assist you.",
    "Please let me know if you have any other questions.",
    "Is there anything else I can help you with?",
    "I hope this helps.",
    "Have a great day!",
    "I understand.",
)
"""What agents everywhere say without doing anything; a world's own openers and closers come on top."""
SMALL_TALK = "small talk"
_CACHE = 16384

Among = Literal["replies", "orders", "customers", "descriptions"]


@dataclass(frozen=True)
class Instructions:
    """What a text asks for and forbids."""

    told: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    count: int = 0
    """Sentences that read as instructions, understood or not: what attention is divided among."""

    def __or__(self, other: "Instructions") -> "Instructions":
        return Instructions(self.told | other.told, self.forbidden | other.forbidden, self.count + other.count)


class Reader:
    """Reads texts in the terms of one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        columns = [column for table in world.records.values() for column in table.columns.values()]
        told = [text for some in (*world.placeholders.values(), *columns) for text in _texts(some)]
        values = frozenset(content(" ".join(told)))
        self._replies = Index(_reply_entries(world), values)
        self._orders = Index(_order_entries(world), values)
        self._customers = Index(_customer_entries(world), values)
        self._descriptions = Index(_description_entries(world), values)
        self._partings = Index(_parting_entries(world), values)
        self._topics = Index(Entry(id_, text) for id_, text in world.topics.items())
        self._personas = Index(Entry(id_, text) for id_, text in world.persona_descriptions.items())
        self._cues = {move.id: tuple(stems(" ".join(cue)) for cue in move.cues) for move in world.moves}
        moods = {tuple(mood.lower().split()) for persona in world.personas.values() for mood in persona.moods}
        self._moods = sorted(filter(None, moods), key=lambda mood: (-len(mood), mood))
        self.moves = lru_cache(maxsize=_CACHE)(self._moves)
        self.instructions = lru_cache(maxsize=_CACHE)(self._instructions)
        self.situation = lru_cache(maxsize=_CACHE)(self._situation)
        self.described = lru_cache(maxsize=_CACHE)(self._described)
        self.order = lru_cache(maxsize=_CACHE)(self._order)

    def _moves(self, text: str) -> frozenset[str]:
        """The moves a reply makes."""
        return frozenset().union(*(self._said(sentence) for sentence in sentences(text)))

    def _said(self, sentence: str) -> frozenset[str]:
        match = self._choose(self._replies, sentence)
        if match and match.cosine >= SURE:
            return self._made(sentence, match)
        made = self._made(sentence, match) | self._cued(sentence)
        for clause in clauses(sentence):
            made |= self._made(clause, self._choose(self._replies, clause))
        return made

    def _made(self, text: str, match: Match | None) -> frozenset[str]:
        """The matched move, unless the speaker declines what the wording does (or the other way round)."""
        if match is None or match.label == SMALL_TALK or declines(text) != declines(match.entry.text):
            return frozenset()
        return frozenset() if _recites(text, match) else frozenset({match.label})

    def _cued(self, sentence: str) -> frozenset[str]:
        found = stems(sentence)
        hit = frozenset(move for move, cues in self._cues.items() if any(cue and cue <= found for cue in cues))
        return frozenset() if declines(sentence) else hit

    def _instructions(self, text: str) -> Instructions:
        """What the sentences of a prompt ask for."""
        told: frozenset[str] = frozenset()
        forbidden: frozenset[str] = frozenset()
        count = 0
        for sentence in sentences(text):
            asks, forbids = self.order(sentence)
            told, forbidden = told | asks, forbidden | forbids
            count += bool(asks or forbids or instructs(sentence))
        return Instructions(told, forbidden, count)

    def _order(self, sentence: str) -> tuple[frozenset[str], frozenset[str]]:
        """The moves a sentence asks for, and those it forbids."""
        match = self._choose(self._orders, sentence, LIKE_ORDER)
        asked: dict[str, bool] = {}
        sure = match is not None and match.cosine >= SURE
        if sure or self._instructive(sentence, match):
            asked = self._ordered(match, negative(sentence)) | ({} if sure else self._parts(sentence))
        return frozenset(m for m, asks in asked.items() if asks), frozenset(m for m, asks in asked.items() if not asks)

    def _instructive(self, sentence: str, match: Match | None) -> bool:
        """Facts of a policy are no orders; an imperative with a verb unknown here has to resemble one clearly."""
        return instructs(sentence) or (match is not None and match.score >= CLEAR and may_instruct(sentence))

    def _ordered(self, match: Match | None, denied: bool) -> dict[str, bool]:
        """The matched move, with whether it is asked for (or forbidden)."""
        return {} if match is None or match.label == SMALL_TALK else {match.label: _asks(match, denied)}

    def _parts(self, sentence: str) -> dict[str, bool]:
        asked: dict[str, bool] = {}
        before = False
        for clause in clauses(sentence):
            denied = negative(clause) != (before and inherits(clause))
            before = denied
            if not conditional(clause):
                asked |= self._ordered(self._choose(self._orders, clause, LIKE_ORDER), denied)
        return asked

    def _situation(self, text: str) -> str | None:
        """What a customer's message is about, or None when it says nothing the reader knows."""
        parts = [part for part in sentences(self._without_mood(text)) if not self._small_talk(part)]
        whole = self._choose(self._customers, " ".join(parts))
        if whole is None or whole.cosine < SURE:
            runs = dict.fromkeys(" ".join(run) for run in (*((part,) for part in parts), *pairwise(parts)))
            whole = self._clearest(whole, runs)
        return whole.label if whole and whole.label != SMALL_TALK else None

    def _without_mood(self, text: str) -> str:
        """A message without the words a persona puts before it; one word of a longer mood may be misspelt."""
        words = text.split()
        for mood in self._moods:
            misses = sum(said.lower() != own for said, own in zip(words, mood, strict=False))
            if len(words) > len(mood) and misses <= (len(mood) > 2):
                return " ".join(words[len(mood) :])
        return text

    def _clearest(self, whole: Match | None, runs: Iterable[str]) -> Match | None:
        """A part of a message that is a wording beats a whole that only resembles one, which beats other parts."""
        matches = [match for run in runs if (match := self._choose(self._customers, run)) is not None]
        best = max(matches, key=lambda match: match.cosine, default=None)
        if best and (whole is None or best.cosine >= SURE):
            return best
        return whole

    def ending(self, text: str) -> Literal["resolved", "left"] | None:
        """Whether a customer's message is a thanks or a parting, and the conversation's last."""
        if self.situation(text):
            return None
        match = self._choose(self._partings, text)
        return match.label if match and match.label in ("resolved", "left") else None  # type: ignore[return-value]

    def _small_talk(self, sentence: str) -> bool:
        match = next(iter(self._customers.best(sentence)), None)
        return match is not None and match.label == SMALL_TALK and match.cosine >= SURE

    def _described(self, text: str) -> str | None:
        """The situation a description speaks of."""
        match = self._choose(self._descriptions, text)
        return match.label if match and match.label != SMALL_TALK else None

    def rivals(self, label: str, text: str, among: Among) -> tuple[Match, ...]:
        """Wordings of other labels that a text nearly is: who reads one may mean the other."""
        indexes = {
            "replies": self._replies,
            "orders": self._orders,
            "customers": self._customers,
            "descriptions": self._descriptions,
        }
        return tuple(match for match in indexes[among].best(text) if match.label != label and match.cosine >= SURE)

    def topic(self, text: str) -> str | None:
        """The domain topic whose description stands in a prompt, or comes nearest to one of its sentences."""
        return _mentioned(text, self.world.topics, self._topics)

    def persona(self, text: str) -> str | None:
        """The domain persona whose description stands in a prompt, or comes nearest to one of its sentences."""
        return _mentioned(text, self.world.persona_descriptions, self._personas)

    def _choose(self, index: Index, text: str, like: float = LIKE) -> Match | None:
        """The label a text expresses, if one stands out."""
        matches = index.best(text)
        if not matches or matches[0].cosine >= SURE:
            return next(iter(matches), None)
        ahead = matches[0].score - (matches[1].score if len(matches) > 1 else 0.0)
        return matches[0] if matches[0].score >= like and ahead >= MARGIN else None


def _recites(text: str, match: Match) -> bool:
    """Whether a sentence of a reply is an instruction, word for word and still in the imperative: whoever repeats what
    they were told to do has not done it."""
    return match.entry.kind == "told" and match.cosine >= SURE and instructs(text)


def _asks(match: Match, denied: bool) -> bool:
    """Whether a text asks for the move: it does when it denies nothing, or when it is close to a wording that asks in
    spite of its negation (*do not leave it unsaid*) or forbids without one (*keep it to yourself*)."""
    if match.cosine < NEAR:
        return not denied
    return (match.entry.kind == "told") == (denied == negative(match.entry.text))


def _mentioned(text: str, descriptions: Mapping[str, str], index: Index) -> str | None:
    flat = " ".join(html.unescape(text).split())
    for id_, description in descriptions.items():
        if " ".join(description.split()) in flat:
            return id_
    matches = [match for sentence in sentences(text) for match in index.best(sentence)[:1]]
    best = max(matches, key=lambda match: match.score, default=None)
    return best.label if best and best.score >= LIKE else None


def _texts(values: Digits | Iterable[str]) -> Iterable[str]:
    return () if isinstance(values, Digits) else values


def _reply_entries(world: World) -> Iterator[Entry]:
    for move in world.moves:
        if move.calls:
            continue  # what is a call is not made by talking of it
        yield from (Entry(move.id, text, "said") for text in move.said)
        yield from (Entry(move.id, text, "told") for text in (move.name, *move.told))
        yield from (Entry(move.id, text, "forbidden", wording=False) for text in move.forbidden)
    talk = world.phrases
    yield from (Entry(SMALL_TALK, text) for text in (*GREETINGS, *talk.openers, *talk.closers, *talk.platitudes))


def _order_entries(world: World) -> Iterator[Entry]:
    for move in world.moves:
        yield from (Entry(move.id, text, "told") for text in move.told)
        yield from (Entry(move.id, text, "forbidden") for text in move.forbidden)
        yield from (Entry(move.id, text, "other", wording=False) for text in (move.name, *move.said))
    yield from (Entry(SMALL_TALK, text) for text in world.phrases.vague)


def _customer_entries(world: World) -> Iterator[Entry]:
    for situation in world.situations:
        if situation.result:
            continue  # nobody's words lead there
        yield from (Entry(situation.id, text, "customer") for text in (*situation.customer, *situation.unseen))
        yield from (Entry(situation.id, text, "described", wording=False) for text in situation.described)
    talk = world.phrases
    moods = [mood for persona in world.personas.values() for mood in persona.moods if mood]
    yield from (Entry(SMALL_TALK, text) for text in (*talk.chatter, *talk.thanks, *talk.leaving, *moods))


def _description_entries(world: World) -> Iterator[Entry]:
    for situation in world.situations:
        yield from (Entry(situation.id, text, "described") for text in situation.described)
        others = (*situation.customer, *situation.unseen)
        yield from (Entry(situation.id, text, "customer", wording=False) for text in others)
    yield from (Entry(SMALL_TALK, text) for text in world.phrases.vague_descriptions)


def _parting_entries(world: World) -> Iterator[Entry]:
    yield from (Entry("resolved", text) for text in world.phrases.thanks)
    yield from (Entry("left", text) for text in world.phrases.leaving)
    yield from (Entry(SMALL_TALK, text) for text in world.phrases.chatter)
