"""What the agent can act on: tools, behind one small contract.

An `Environment` stands behind the domain's tools for a whole run; a `Session` is what one conversation finds there.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.customers import Customer
from preceptor.dialogue.outcome import Outcome
from preceptor.llm.messages import ToolCall


class Session(Protocol):
    """The tools in one conversation. Where an environment can keep conversations apart, none sees what another did."""

    async def call(self, call: ToolCall) -> str:
        """Run a tool and give its result as text (JSON, usually). Failures are results too, told to the agent."""

    def outcome(self, conversation: Conversation) -> Outcome | None:
        """What came of a conversation that has ended and did not break off; None where the environment cannot tell."""


class Environment(Protocol):
    @property
    def repeatable(self) -> bool:
        """Whether all that calls change is gone with their session, so that making them again in a new one brings it
        back. Not so: what they changed outside stays changed, and nobody may make them again unasked."""

    @property
    def noticed(self) -> bool:
        """Whether customers notice what is done with tools, as by a confirmation they get; else they know what the
        agent tells them, and nothing more."""

    def open(self, customer: Customer) -> AbstractAsyncContextManager[Session]:
        """The tools as they stand when this customer comes. The same customer finds the same."""


class NoTools:
    """Tools are declared but nothing stands behind them: the agent is told so."""

    repeatable = True
    noticed = False

    @asynccontextmanager
    async def open(self, customer: Customer) -> AsyncIterator["NoTools"]:
        yield self

    async def call(self, call: ToolCall) -> str:
        return '{"error": "This tool is not connected."}'

    def outcome(self, conversation: Conversation) -> Outcome | None:
        return None
