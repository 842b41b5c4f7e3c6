"""What one party's own calls took, counted where models are asked.

Of a conversation, only the agent's side is to be counted, though customers and judges are asked in between and several
conversations run at once. So a tally is opened around whoever is counted, and `asked`, through which every call of an
agent goes, adds to the one that is open there. What is started inside counts too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from preceptor.llm.messages import Reply, Request
from preceptor.llm.model import Model
from preceptor.llm.prices import NOTHING, Amount


@dataclass
class Tally:
    """Grows while it is open."""

    amount: Amount = NOTHING
    """Answered calls; what was asked and gave no usable reply is in the run's budget and not here."""
    seconds: float = 0.0
    """Spent waiting for those replies, one after the other."""

    @contextmanager
    def open(self) -> Iterator[None]:
        """Count what is asked inside, instead of any tally opened around this."""
        before = _tally.set(self)
        try:
            yield
        finally:
            _tally.reset(before)

    def add(self, reply: Reply) -> None:
        usage = reply.usage
        self.amount += Amount(1, usage.prompt_tokens, usage.completion_tokens, reply.nano)
        self.seconds += reply.seconds


_tally: ContextVar[Tally | None] = ContextVar("tally", default=None)


async def asked(model: Model, request: Request) -> Reply:
    """The model's reply, added to the tally that is open here, if one is.

    Raises: what the model raises.
    """
    reply = await model.ask(request)
    if tally := _tally.get():
        tally.add(reply)
    return reply
