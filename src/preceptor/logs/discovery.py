"""What customers come with, and how they write: topics and personas for the domain, from logs, with their shares.

Groups are found in a sample and every conversation is then placed in them, so that logs may be larger than memory.
Names and descriptions here are made of customers' own words; `naming` asks the teacher for better ones.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from heapq import nsmallest
from itertools import islice

import numpy as np

from preceptor.dialogue.conversation import Context, Conversation, Turn
from preceptor.dialogue.domain import Persona, Topic
from preceptor.library.redaction import Redaction
from preceptor.logs.grouping import FREE, Bounds
from preceptor.logs.personas import Manner, Manners
from preceptor.logs.subjects import Subjects, spoken
from preceptor.logs.wording import Wording
from preceptor.retrieval.embedding import Embedder
from preceptor.retrieval.sparse import Index
from preceptor.retrieval.windows import words

SAMPLE = 4_000
"""Conversations that groups are found in: a matrix of their likeness takes 64 MB. More are placed, not grouped."""
EXAMPLES = 10
"""Messages of a subject that are kept."""
SHOWN = 3
"""Of these, in its description."""
_LONGEST = 200
"""Characters of an example."""
_NAME = 40
"""Characters of one that stands as a name."""
_SENTENCE = 4
"""Words of a message that says something by itself."""
_TYPICAL = 1 / 3
"""Share of a subject's conversations, those most like the others, that examples are taken from."""
_EARLY = 3
"""Messages of a customer, from the first, in which they say what they came for."""
_BATCH = 256

Keyed = tuple[bytes, Conversation]


@dataclass(frozen=True)
class Subject:
    """What a share of the customers come with."""

    number: int
    """As `discover` tells `placed`."""
    name: str
    """A few words."""
    description: str
    """Told to the simulated customer, in the second person."""
    terms: tuple[str, ...]
    """Words its customers use and others do not."""
    examples: tuple[str, ...]
    """What typical customers wrote, without their data."""
    conversations: int
    share: float
    """Of all conversations in which a customer says something, 0 to 1."""
    named_by: str = "words"
    """``words``, or ``teacher``."""


@dataclass(frozen=True)
class Discovery:
    """What was found in logs."""

    subjects: tuple[Subject, ...]
    """The commonest first."""
    manners: tuple[Manner, ...]
    """Kinds of customers, the commonest first."""
    conversations: int
    """Read; the same one from two sources counts once."""
    silent: int
    """Conversations in which no customer says anything."""
    unclear: int
    """Conversations that are like none of the subjects."""
    sampled: int
    """Conversations that subjects were found in; none of them says what another says to the letter."""
    stable: float
    """How far the subjects stay the same when a fifth of the sample is left out: adjusted Rand index, 1 is the same."""

    def topics(self) -> tuple[Topic, ...]:
        """For the domain, weighted in percent."""
        ids = _ids([subject.name for subject in self.subjects])
        return tuple(
            Topic(id=id_, description=subject.description, weight=_percent(subject.share))
            for id_, subject in zip(ids, self.subjects, strict=True)
        )

    def personas(self) -> tuple[Persona, ...]:
        """For the domain, weighted in percent."""
        everyone = sum(manner.conversations for manner in self.manners)
        return tuple(
            Persona(id=one.id, description=one.description, weight=_percent(one.conversations / everyone))
            for one in self.manners
        )


def discover(
    logs: Callable[[], Iterable[Conversation]],
    embedder: Embedder,
    *,
    bounds: Bounds = FREE,
    seed: int = 0,
    sample: int = SAMPLE,
    clean: Callable[[Conversation], Conversation] = lambda conversation: conversation,
    placed: Callable[[Conversation, int], None] = lambda _, __: None,
    tell: Callable[[int], None] = lambda _: None,
) -> Discovery:
    """Look at all conversations that `logs` gives; it is called twice. Deterministic by `seed`.

    `sample`: conversations that groups are found in, at most; memory grows with its square. `clean`: takes customers'
    data out of a conversation whose words will be shown. `placed`: hears each conversation with the number of its
    subject, −1 for none. `tell`: hears how many were read.

    Raises:
        ProviderError: from the embedder.
    """
    drawn = _draw(logs(), sample, seed)
    found = Subjects.find([one for _, one in drawn], embedder, bounds, seed)
    known = {key: int(number) for (key, _), number in zip(drawn, found.grouping.groups, strict=True)}
    counted, manners, silent, read = np.zeros(found.grouping.count + 1, np.intp), Manners(), 0, 0
    every = _once(logs())
    while batch := list(islice(every, _BATCH)):
        speaking = [one for one in batch if _said(one[1])]
        for (_, one), number in zip(speaking, _placed(speaking, known, found), strict=True):
            # The last is for those in none: −1.
            counted[number] += 1
            manners.count(one)
            placed(one, number)
        silent, read = silent + len(batch) - len(speaking), read + len(batch)
        tell(read)
    said = [_said(clean(one))[:_EARLY] for _, one in drawn]
    subjects = _subjects(found, said, counted)
    stable = found.grouping.chosen.stable
    return Discovery(subjects, manners.settled(), read, silent, int(counted[-1]), len(drawn), stable)


def redacted(conversation: Conversation) -> Conversation:
    """What was said, without customers' data; for conversations that were stored as they are."""
    redaction = Redaction.of([Context(conversation.turns)], figured=False)
    turns = tuple(Turn(turn.party, redaction.text(turn.text)) for turn in conversation.turns if turn.party != "tool")
    return replace(conversation, turns=turns)


def _draw(logs: Iterable[Conversation], most: int, seed: int) -> list[Keyed]:
    """At most so many of those in which a customer says something, by a hash: the same ones in whatever order.

    Of those that say the same to the letter one: a hundred greetings would be each other's only neighbours.
    """
    salt = seed.to_bytes(8, "big", signed=True)
    return nsmallest(most, _distinct(logs), key=lambda one: blake2b(one[0], key=salt, digest_size=16).digest())


def _distinct(logs: Iterable[Conversation]) -> Iterator[Keyed]:
    met: set[bytes] = set()
    for said, one in _once(logs):
        if said not in met and _said(one):
            met.add(said)
            yield said, one


def _once(logs: Iterable[Conversation]) -> Iterator[Keyed]:
    """Each conversation with a hash of what was said. Sources may overlap."""
    seen: set[bytes] = set()
    for one in logs:
        said = _hash(*(part for turn in spoken(one) for part in (turn.party, turn.text)))
        # A customer is named after the source, and then by the id it has there.
        whose = _hash(one.customer.removeprefix(f"{one.source}:"), said.hex())
        if whose not in seen:
            seen.add(whose)
            yield said, one


def _hash(*parts: str) -> bytes:
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _said(conversation: Conversation) -> list[str]:
    return [turn.text for turn in conversation.turns if turn.party == "customer" and turn.text.strip()]


def _placed(batch: Sequence[Keyed], known: dict[bytes, int], found: Subjects) -> list[int]:
    """The group of each: of those in the sample the one they were found in."""
    others = [one for key, one in batch if key not in known]
    told = iter(found.place(others).tolist())
    return [known[key] if key in known else next(told) for key, _ in batch]


def _subjects(found: Subjects, said: Sequence[Sequence[str]], counted: Index) -> tuple[Subject, ...]:
    wording = Wording.read(said, found.grouping.groups, found.grouping.count)
    everyone = max(1, int(counted.sum()))
    subjects = []
    for number in range(found.grouping.count):
        terms = wording.terms(number)
        examples = _examples(number, found.typical(number), wording, said)
        described = _described(terms, examples)
        name = ", ".join(terms) or _quoted(examples) or f"subject {number + 1}"
        share = int(counted[number]) / everyone
        subjects.append(Subject(number, name, described, terms, examples, int(counted[number]), share))
    return tuple(sorted(subjects, key=lambda one: (-one.conversations, one.number)))


def _examples(number: int, typical: Index, wording: Wording, said: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """What typical customers wrote when they said what they came for, the most telling first, each put differently."""
    some = typical[: max(EXAMPLES, round(len(typical) * _TYPICAL))]
    messages = [max(_sentences(said[at]), key=lambda text: wording.tells(number, text)) for at in some]
    ordered = sorted(messages, key=lambda text: -wording.tells(number, text))
    short = {" ".join(words(text)): _shortened(text, _LONGEST) for text in reversed(ordered)}
    return tuple(reversed(short.values()))[:EXAMPLES]


def _sentences(said: Sequence[str]) -> Sequence[str]:
    """Those that may say what one comes for: fewer words answer a question."""
    return [text for text in said if len(words(text)) >= _SENTENCE] or said


def _shortened(text: str, length: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[:length].rsplit(' ', 1)[0]} …"


def _quoted(examples: Sequence[str]) -> str:
    """A name where no words are distinctive: what a typical customer wrote."""
    return f"“{_shortened(examples[0], _NAME)}”" if examples else ""


def _described(terms: Sequence[str], examples: Sequence[str]) -> str:
    about = f"You come with something about {', '.join(terms)}." if terms else "You come with a matter of your own."
    put = " / ".join(f"“{example}”" for example in examples[:SHOWN])
    return f"{about} Customers like you write, for example: {put}" if put else about


def _ids(names: Sequence[str]) -> list[str]:
    """Short names fit for the domain file, no two the same."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].rstrip("-") or "subject"
        same = 1
        while (id_ := plain if same == 1 else f"{plain}-{same}") in found:
            same += 1
        found.append(id_)
    return found


def _percent(share: float) -> float:
    """A weight must be above zero."""
    return max(0.1, round(100 * share, 1))
