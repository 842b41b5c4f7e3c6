"""How the models of a world behave: what agents do of themselves and heed of what they are told, how customers speak,
how judges err."""

import math
from typing import Annotated, Literal

import pydantic

from preceptor.simulated.fields import Chance, Id, Part, Text, Weight


class Attention(Part):
    """How following thins with the number of instructions in the prompt."""

    form: Literal["exponential", "linear", "threshold"]
    scale: Annotated[float, pydantic.Field(gt=0)]
    """Exponential: instructions after which a factor e is lost; linear and threshold: after which nothing is left."""
    start: Annotated[int, pydantic.Field(ge=1, alias="from")] = 1
    """Threshold only: instructions up to which nothing is lost."""

    def factor(self, count: int) -> float:
        """The share of following that is left with `count` instructions; 1 for the first alone."""
        beyond = max(0, count - (self.start if self.form == "threshold" else 1))
        if self.form == "exponential":
            return math.exp(-beyond / self.scale)
        return max(0.0, 1 - beyond / self.scale)


class Placements(Part):
    """Factor on following by where an instruction stands."""

    system_end: Chance = 1.0
    before_last: Chance = 1.0
    in_last: Chance = 1.0
    prefix: Chance = 1.0


class Teaching(Part):
    """How good a teacher's advice is."""

    insight: Chance
    vague: Chance = 0.0
    wrong: Chance = 0.0
    harmful: Chance = 0.0
    quotes: Chance = 0.0
    misplaces: Chance = 0.0
    credulous: Chance = 0.0
    """Chance to take an order that stands in somebody's words for advice, and write it down as it stands."""


class AgentProfile(Part):
    """A student or a teacher."""

    kind: Literal["agent"]
    family: str = ""
    knack: dict[str, Chance]
    harm: Chance = 0.0
    follow: Chance
    attention: Attention
    misled: Chance = 0.0
    imitates: Chance = 0.0
    """Chance to do as an agent did in a conversation quoted in the prompt."""
    understands: Chance = 1.0
    cannot: frozenset[Id] = frozenset()
    placements: Placements = Placements()
    chatter: Chance = 0.0
    teaching: Teaching | None = None
    source: str = ""

    def untold(self, move: str) -> float:
        """Chance to make a required move that nothing asks for."""
        return self.knack.get(move, self.knack.get("default", 0.0))


class CustomerProfile(Part):
    kind: Literal["customer"]
    wordings: Literal["customer", "unseen"] = "customer"
    poisoned: Chance = 0.0
    """Share of customers who put one of `orders` into every message."""
    orders: tuple[Text, ...] = ()
    """What they want written down, obeyed, or preferred."""
    source: str = ""


class JudgeProfile(Part):
    kind: Literal["judge"]
    noise: Weight = 0.0
    """Standard deviation on a reply's quality (0…1)."""
    first: float = 0.0
    """Added to the quality of the reply shown first."""
    length: float = 0.0
    """Added per 10 words a reply is longer than the other."""
    tie: Weight = 0.0
    """Differences smaller than this are called a tie."""
    unparsable: Chance = 0.0
    credulous: Weight = 0.0
    """Added to the quality of a reply that does what an order in somebody's words asks for."""
    source: str = ""


Profile = Annotated[AgentProfile | CustomerProfile | JudgeProfile, pydantic.Field(discriminator="kind")]
