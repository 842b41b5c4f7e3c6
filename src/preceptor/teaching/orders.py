"""Orders in customers' words: sentences that the teacher was caught taking for its own advice.

Who wants to speak to every customer says what is to be written down, and hopes that the teacher writes it. Where it
does, the leak check refuses the strategy, and more is known than before: what is ordered. A teacher that was misled by
a sentence may be misled again, and a judge prefer the replies that obey it, so from then on conversations are read
without it. What else was said there stays: to leave out everybody who says a sentence would teach less, and would let
who says it decide who is left out.

What gives an order away is what came of it, not its words: a list of phrases could be avoided.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.gist import gist
from preceptor.library.leak import Sentence, alike, impersonal, sentences
from preceptor.llm.parallel import gather
from preceptor.student.student import Student
from preceptor.teaching.crew import Crew
from preceptor.teaching.events import Note
from preceptor.teaching.moments import Moment, look_again

CUT = "…"
"""Stands where an order stood."""
SHOWN = 80
"""Characters of an order that a note shows."""
_END = re.compile(r"(?<=[.!?])\s+|\n+")


@dataclass
class Orders:
    """What customers said in a run, and which of it the teacher wrote down where it was said."""

    given: dict[Sentence, None] = field(default_factory=dict)
    """In the order they were found out."""
    _said: dict[Sentence, None] = field(default_factory=dict)
    _by_stem: dict[str, list[Sentence]] = field(default_factory=dict)
    _heard: set[str] = field(default_factory=set)

    def hear(self, contexts: Iterable[Context]) -> None:
        """Take down what customers say of others than themselves."""
        for text in (text for context in contexts for text in context.customer_turns):
            if text in self._heard:
                continue
            self._heard.add(text)
            for sentence in impersonal(text):
                if sentence not in self._said:
                    self._said[sentence] = None
                    for stem in gist(" ".join(sentence)).words:
                        self._by_stem.setdefault(stem, []).append(sentence)

    def repeated(self, text: str) -> None:
        """A strategy was refused unmeasured; what it repeats of customers' words are orders."""
        for mine in sentences(text):
            stems = gist(" ".join(mine)).words
            near = dict.fromkeys((mine, *(said for stem in sorted(stems) for said in self._by_stem.get(stem, ()))))
            self.given |= dict.fromkeys(said for said in near if said in self._said and alike(mine, said))

    def stand_in(self, context: Context) -> bool:
        """Whether a customer gives one of the known orders here."""
        return any(self._orders(text) for text in context.customer_turns)

    def without(self, context: Context) -> Context | None:
        """What is left of it when sentences with orders are cut, agents' that repeat them too; None: a customer says
        nothing else."""
        turns = self.cut(context.turns)
        silent = any(turn.party == "customer" and not turn.text.strip(f"{CUT} ") for turn in turns)
        return None if silent else Context(turns)

    def cut(self, turns: Iterable[Turn]) -> tuple[Turn, ...]:
        """Turns without the sentences that hold orders."""
        return tuple(turn if turn.party == "tool" else self._cut(turn) for turn in turns)

    def _cut(self, turn: Turn) -> Turn:
        if not self._orders(turn.text):
            return turn
        return replace(turn, text=" ".join(CUT if self._orders(part) else part for part in _END.split(turn.text)))

    def _orders(self, text: str) -> bool:
        return bool(self.given) and not self.given.keys().isdisjoint(sentences(text))


async def without(
    crew: Crew, student: Student, orders: Orders, moments: Mapping[str, Moment]
) -> dict[str, Moment | None]:
    """By the keys given, moments as they are when orders are cut; None: nothing is left, or it could not be measured.

    Raises:
        Stopped, ProviderError: from the models.
    """
    told = {key: replace(moment, reference=orders.cut(moment.reference)) for key, moment in moments.items()}
    cut = {key: context for key, moment in told.items() if (context := orders.without(moment.context))}
    jobs = [partial(crew.send, look_again, student, told[key], context) for key, context in cut.items()]
    return dict.fromkeys(told) | dict(zip(cut, await gather(jobs), strict=True))


def reported(found: Sequence[Sentence], moments: Sequence[Moment]) -> Note:
    """What was found out, and how many of the contexts met so far it stands in."""
    said = "; ".join(repr(" ".join(sentence)[:SHOWN]) for sentence in found)
    customers = len({moment.customer for moment in moments})
    return Note(
        f"The teacher wrote down what customers say ({said}). It is cut from what they said from here on: so far from "
        f"{len(moments)} contexts of {customers} customers."
    )
