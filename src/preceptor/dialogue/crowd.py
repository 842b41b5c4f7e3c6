"""Customers ready to talk: who they are and what gives them a voice."""

from dataclasses import dataclass

from preceptor.dialogue.agent import Agent
from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.customers import Customer, Voice, draw_customers
from preceptor.dialogue.domain import Domain
from preceptor.dialogue.environment import Environment, NoTools
from preceptor.dialogue.rollout import Rollout
from preceptor.llm.model import Model


@dataclass(frozen=True)
class Customers:
    """The customers of an evaluation, the same for every arm."""

    who: tuple[Customer, ...]
    rollout: Rollout

    @classmethod
    def draw(
        cls,
        domain: Domain,
        model: Model,
        count: int,
        seed: int = 0,
        max_turns: int = 8,
        environment: Environment | None = None,
    ) -> "Customers":
        """Draw customers of a domain and let `model` speak for them; `environment` stands behind the domain's tools."""
        rollout = Rollout(Voice(model, domain), max_turns, environment or NoTools())
        return cls(draw_customers(domain, count, seed), rollout)

    async def talk(self, agent: Agent, customer: Customer, trial: int = 0) -> Conversation:
        return await self.rollout.play(agent, customer, trial)
