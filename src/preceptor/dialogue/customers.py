"""Simulated customers: a topic, a persona and a seed, given a voice by a model."""

import random
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import pydantic

from preceptor.dialogue.conversation import Ending, Turn, transcript
from preceptor.dialogue.domain import Domain, Persona, Topic
from preceptor.errors import NotFound
from preceptor.llm.messages import Sampling
from preceptor.llm.model import Model
from preceptor.llm.prompts import Prompt
from preceptor.llm.tasks import Task
from preceptor.storage.canonical import short_id


@dataclass(frozen=True)
class Customer:
    """Who comes, with what, in what mood. The same customer opens the same way in every arm."""

    topic: Topic
    persona: Persona
    seed: int

    @property
    def key(self) -> str:
        return short_id("cu", [self.topic.id, self.persona.id, self.seed])


def draw_customers(domain: Domain, count: int, seed: int) -> tuple[Customer, ...]:
    """Customers of a domain, topics and personas by their weights; the same seed gives the same customers, and a
    larger count continues a smaller one."""
    chance = random.Random(f"customers {seed}")
    topics, personas = domain.topics, domain.personas
    return tuple(
        Customer(
            chance.choices(topics, [topic.weight for topic in topics])[0],
            chance.choices(personas, [persona.weight for persona in personas])[0],
            chance.randrange(2**31),
        )
        for _ in range(count)
    )


def visitor(domain: Domain, topic: str | None = None) -> Customer:
    """A person who talks to the agent: where tools have records for each customer, those of a topic's customer, the
    first one's when it is not given.

    Raises:
        NotFound: there is no such topic.
    """
    topics = {one.id: one for one in domain.topics}
    if topic is not None and topic not in topics:
        raise NotFound(f"There is no topic {topic!r}; the domain has: {', '.join(topics)}.")
    return Customer(topics[topic] if topic else domain.topics[0], domain.personas[0], 0)


class CustomerTurn(pydantic.BaseModel):
    """What a customer says next."""

    message: str = pydantic.Field(min_length=1)
    ends: Literal["no", "resolved", "left"] = "no"
    """Whether this is their last message, because they have what they came for or because they give up."""


CUSTOMER_TURN = Task("customer_turn", CustomerTurn, Prompt.load("preceptor.dialogue", "customer_turn"))


@runtime_checkable
class Speaker(Protocol):
    """Speaks for customers: a model's `Voice`, or another's simulated users."""

    async def say(self, customer: Customer, turns: tuple[Turn, ...]) -> tuple[Turn, Ending]:
        """The customer's next message, and whether the conversation ends with it.

        Raises:
            BadReply: there was nothing to be had; the conversation is broken.
            ProviderError, Stopped: from a model.
        """


@dataclass(frozen=True)
class Voice:
    """Speaks for customers by a model."""

    model: Model
    domain: Domain
    sampling: Sampling = Sampling(temperature=1.0, max_tokens=400)

    async def say(self, customer: Customer, turns: tuple[Turn, ...]) -> tuple[Turn, Ending]:
        """The customer's next message, and whether the conversation ends with it.

        Raises:
            BadReply: the model's reply could not be read, twice.
            ProviderError, Stopped: from the model.
        """
        said = await CUSTOMER_TURN.ask(
            self.model,
            replace(self.sampling, seed=customer.seed),
            company=self.domain.name,
            topic=customer.topic.description,
            persona=customer.persona.description,
            conversation=transcript(turns) or "(nothing yet)",
        )
        ending: Ending = "open" if said.ends == "no" else said.ends
        return Turn("customer", said.message), ending
