"""Agents that are a model with the domain's system message and nothing else."""

from dataclasses import dataclass, replace

from preceptor.dialogue.conversation import Context, Turn
from preceptor.dialogue.domain import Domain
from preceptor.errors import BadReply
from preceptor.llm.messages import Message, Reply, Request, Sampling
from preceptor.llm.model import Model
from preceptor.llm.tally import asked
from preceptor.llm.thinking import split_thinking


def system_message(domain: Domain) -> Message:
    """Role, goal and policy, as the owner of the domain wrote them."""
    parts = [domain.role, domain.goal, domain.policy]
    return Message("system", "\n\n".join(part.strip() for part in parts if part.strip()))


def turn_of(reply: Reply) -> Turn:
    """A model's reply as the agent's turn, without what it only thought.

    Raises:
        BadReply: it says nothing and asks for no tool.
    """
    text = split_thinking(reply.text)[0].strip()
    if not text and not reply.message.tool_calls:
        raise BadReply("The model's reply is empty.")
    return Turn("agent", text, reply.message.tool_calls)


@dataclass(frozen=True)
class ModelAgent:
    """A model that answers customers with the domain's system message: the teacher, or a student alone."""

    model: Model
    domain: Domain
    sampling: Sampling = Sampling(temperature=0.7, max_tokens=400)
    name: str = "model"

    async def reply(self, context: Context, seed: int) -> Turn:
        messages = (system_message(self.domain), *context.messages())
        return await ask_for_turn(self.model, self.domain, messages, replace(self.sampling, seed=seed))


async def ask_for_turn(model: Model, domain: Domain, messages: tuple[Message, ...], sampling: Sampling) -> Turn:
    """Ask for the agent's next turn, with the domain's tools on offer."""
    tools = tuple(spec.tool() for spec in domain.tools)
    return turn_of(await asked(model, Request(messages, sampling, tools)))
