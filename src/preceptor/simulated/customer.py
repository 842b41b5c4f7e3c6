"""Customers: a topic and a persona, reacting to what the agent really did.

A customer keeps no state: from its prompt it reads who it is, from the conversation where it stands, and moves on by
the quality of the agent's last reply.
"""

from dataclasses import dataclass
from typing import Literal

from preceptor.llm.messages import Request
from preceptor.simulated.chance import Chance
from preceptor.simulated.prompt import Said, blocks, conversation
from preceptor.simulated.quality import turn_quality
from preceptor.simulated.reading import Reader
from preceptor.simulated.wording import fill, joined, misspell
from preceptor.simulated.world import Behaviour, CustomerProfile, Situation

Ends = Literal["no", "resolved", "left"]


@dataclass(frozen=True)
class Turn:
    message: str
    ends: Ends


@dataclass(frozen=True)
class Customer:
    """One profile, speaking for one customer after another."""

    reader: Reader
    profile: CustomerProfile

    def turn(self, request: Request, chance: Chance) -> Turn:
        """The customer's next message."""
        text = "\n".join(message.content for message in request.messages)
        given = blocks(request).get("conversation")
        said = conversation(given) if given is not None else _chat(request)
        after = self._next(self._topic(text), self._behaviour(text, chance), said, chance)
        own = " ".join(turn.text for turn in said if turn.party == "customer")
        values = Chance("values", self.reader.world.seed, request.sampling.seed, self._identity(request))
        if after in ("resolved", "left"):
            phrases = self.reader.world.phrases
            parting = chance.pick(phrases.thanks if after == "resolved" else phrases.leaving, "parting")
            return Turn(fill(self.reader.world, parting, own, values), "resolved" if after == "resolved" else "left")
        written = self._written(self.reader.world.situation[after], self._behaviour(text, chance), chance)
        return Turn(fill(self.reader.world, written, own, values), "no")

    def _identity(self, request: Request) -> str:
        """The part of the prompt that says who the customer is: what stands before the conversation."""
        return next((message.content for message in request.messages if message.role == "system"), "")

    def _topic(self, text: str) -> str | None:
        return self.reader.topic(text)

    def _behaviour(self, text: str, chance: Chance) -> Behaviour:
        personas = self.reader.world.personas
        persona = self.reader.persona(text)
        return personas[persona] if persona else next(iter(personas.values()))

    def _next(self, topic: str | None, behaviour: Behaviour, said: tuple[Said, ...], chance: Chance) -> str:
        """The situation that comes next, or an ending."""
        exchanges = self._exchanges(said)
        if not exchanges:
            return chance.weighted(self._openings(topic), "opening")
        here, quality = exchanges[-1]
        if quality >= self.reader.world.quality.good_from:
            return chance.weighted(here.good, "good")
        if self._poor_run(exchanges) >= behaviour.patience:
            return "left"
        return chance.weighted(here.poor, "poor")

    def _openings(self, topic: str | None) -> dict[str, float]:
        situations = self.reader.world.situations
        openings = {one.id: one.opens for one in situations if one.opens > 0 and one.topic == topic}
        return openings or {one.id: one.opens for one in situations if one.opens > 0}

    def _exchanges(self, said: tuple[Said, ...]) -> list[tuple[Situation, float]]:
        """What each of its own messages was about, with the quality of the reply it got."""
        found: list[tuple[Situation, float]] = []
        here: Situation | None = None
        for turn in said:
            if turn.party == "customer":
                id_ = self.reader.situation(turn.text)
                here = self.reader.world.situation[id_] if id_ else here
            elif turn.party == "agent" and here is not None:
                found.append((here, turn_quality(self.reader.world, here, self.reader.moves(turn.text))))
        return found

    def _poor_run(self, exchanges: list[tuple[Situation, float]]) -> int:
        run = 0
        for _, quality in reversed(exchanges):
            if quality >= self.reader.world.quality.good_from:
                break
            run += 1
        return run

    def _written(self, situation: Situation, behaviour: Behaviour, chance: Chance) -> str:
        wordings = situation.unseen if self.profile.wordings == "unseen" else situation.customer
        mood = chance.pick(behaviour.moods, "mood") if behaviour.moods else ""
        chatter = self.reader.world.phrases.chatter
        extra = chance.pick(chatter, "chatter") if chatter and chance.happens(behaviour.chatter, "chatty") else ""
        return misspell(joined(mood, chance.pick(wordings, "wording"), extra), behaviour.typos, chance)


def _chat(request: Request) -> tuple[Said, ...]:
    """A plain chat in which the customer is the assistant; what comes before its first message is stage direction."""
    turns = [
        Said("customer" if message.role == "assistant" else "agent", message.content)
        for message in request.messages
        if message.role in ("assistant", "user")
    ]
    start = next((place for place, turn in enumerate(turns) if turn.party == "customer"), len(turns))
    return tuple(turns[start:])
