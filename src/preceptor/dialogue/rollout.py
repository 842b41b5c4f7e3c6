"""One conversation between a customer and an agent. Judges nothing; a failed one is data, not a crash."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from preceptor.dialogue.agent import Agent
from preceptor.dialogue.conversation import Context, Conversation, Ending, Turn, words
from preceptor.dialogue.customers import Customer, Speaker
from preceptor.dialogue.environment import Environment, NoTools, Session
from preceptor.errors import BadReply, Rejected
from preceptor.storage.canonical import content_hash

TOOL_ROUNDS = 20
"""Tool calls in a row after which the agent has lost its way and the conversation is cut. Errands that people wrote for
airlines and shops take up to 13; an agent with work to do made 16."""


@dataclass(frozen=True)
class Rollout:
    """Plays conversations of at most `max_turns` agent turns."""

    voice: Speaker
    max_turns: int = 8
    environment: Environment = field(default_factory=NoTools)

    async def play(self, agent: Agent, customer: Customer, trial: int = 0) -> Conversation:
        """Let a customer talk to an agent until one ends it. In another `trial` the same customer comes with the same,
        and the agent's luck is drawn anew.

        A model's unusable or refused reply ends the conversation as ``broken`` with the reason as a tag; faults of the
        line and a stop are raised.
        """
        async with self.environment.open(customer) as session:
            conversation = await self._talk(agent, customer, session, luck(customer, trial))
            # What broke off came to no end that says anything of the agent.
            outcome = None if conversation.ending == "broken" else session.outcome(conversation)
            return replace(conversation, outcome=outcome)

    async def _talk(self, agent: Agent, customer: Customer, session: Session, seed: int) -> Conversation:
        turns: tuple[Turn, ...] = ()
        try:
            for _ in range(self.max_turns):
                heard = turns if self.environment.noticed else words(turns)
                said, ending = await self.voice.say(customer, heard)
                turns = (*turns, said)
                if ending != "open":
                    return _ended(turns, ending, customer)
                async for turn in acting(agent, session, turns, seed):
                    turns = (*turns, turn)
            return _ended(turns, "cut", customer)
        except (BadReply, Rejected) as fault:
            return _ended(turns, "broken", customer, str(fault))


async def acting(agent: Agent, session: Session, turns: tuple[Turn, ...], seed: int) -> AsyncIterator[Turn]:
    """What the agent does until it has answered, turn by turn: what it calls, what that gives, what it says.

    Raises:
        BadReply: it has lost its way in its tools.
        ProviderError, Stopped: from its model.
    """
    for _ in range(TOOL_ROUNDS):
        turn = await agent.reply(Context(turns), seed)
        turns = (*turns, turn)
        yield turn
        if not turn.tool_calls:
            return
        for call in turn.tool_calls:
            given = Turn("tool", await session.call(call), tool_call_id=call.id)
            turns = (*turns, given)
            yield given
    raise BadReply(f"The agent called tools {TOOL_ROUNDS} times in a row without answering.")


def luck(customer: Customer, trial: int) -> int:
    """The agent's seed: the customer's own at first, then seeds of their own."""
    return int(content_hash(["trial", customer.key, trial])[:7], 16) if trial else customer.seed


def _ended(turns: tuple[Turn, ...], ending: Ending, customer: Customer, *tags: str) -> Conversation:
    return Conversation(turns, ending, customer.key, tags=tags)
