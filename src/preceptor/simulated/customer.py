"""Customers: a topic and a persona, reacting to what the agent really did.

A customer keeps no state: from its prompt it reads who it is, from the conversation where it stands, and moves on by
the quality of the agent's last reply.
"""

from dataclasses import dataclass
from typing import Literal

from preceptor.llm.messages import Request
from preceptor.simulated.chance import Chance
from preceptor.simulated.course import Stretch, answered
from preceptor.simulated.profiles import CustomerProfile
from preceptor.simulated.prompt import Said, blocks, conversation, outside
from preceptor.simulated.quality import turn_quality
from preceptor.simulated.reading import Reader
from preceptor.simulated.wording import fill, joined, misspell
from preceptor.simulated.world import Behaviour, Situation

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
        given = blocks(request).get("conversation")
        said = conversation(given) if given is not None else _chat(request)
        who = outside(request, "conversation") if given is not None else _directions(request)
        behaviour = self._behaviour(who)
        after = self._next(self.reader.topic(who), behaviour, said, chance)
        ends: Ends = "no" if after in self.reader.world.situation else "resolved" if after == "resolved" else "left"
        written = self._written(after, behaviour, chance) if ends == "no" else self._parting(ends, chance)
        own = " ".join(turn.text for turn in said if turn.party == "customer")
        values = Chance("values", self.reader.world.seed, request.sampling.seed, who)
        return Turn(joined(fill(self.reader.world, written, own, values), self._order(values)), ends)

    def _order(self, values: Chance) -> str:
        """What a poisoned customer adds to every message; who is one stays one."""
        poisoned = self.profile.orders and values.happens(self.profile.poisoned, "poisoned")
        return values.pick(self.profile.orders, "order") if poisoned else ""

    def _parting(self, ends: Ends, chance: Chance) -> str:
        phrases = self.reader.world.phrases
        return chance.pick(phrases.thanks if ends == "resolved" else phrases.leaving, "parting")

    def _behaviour(self, who: str) -> Behaviour:
        personas = self.reader.world.personas
        persona = self.reader.persona(who)
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
        """What each of its own messages came to, with the quality of the answer: what tools brought up last counts."""
        found: list[tuple[Situation, float]] = []
        before: Stretch | None = None
        for stretch in answered(self.reader, said):
            if stretch.situation is None:
                continue
            quality = turn_quality(self.reader.world, stretch.situation, stretch.made(self.reader))
            if before and stretch.situation.result and before.message == stretch.message:
                found.pop()
            found.append((stretch.situation, quality))
            before = stretch
        return found

    def _poor_run(self, exchanges: list[tuple[Situation, float]]) -> int:
        run = 0
        for _, quality in reversed(exchanges):
            if quality >= self.reader.world.quality.good_from:
                break
            run += 1
        return run

    def _written(self, id_: str, behaviour: Behaviour, chance: Chance) -> str:
        situation = self.reader.world.situation[id_]
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


def _directions(request: Request) -> str:
    """The text of a chat that says who the customer is: the system's, or what comes first."""
    system = [message.content for message in request.messages if message.role == "system"]
    return "\n".join(system) or request.messages[0].content
