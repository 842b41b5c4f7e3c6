"""The tools of a simulated world, and what came of a conversation with them by the world's own account. Simulated."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from preceptor.dialogue.conversation import Conversation, Turn
from preceptor.dialogue.customers import Customer
from preceptor.dialogue.outcome import Check, Outcome
from preceptor.llm.messages import ToolCall
from preceptor.simulated.gold import outcome
from preceptor.simulated.prompt import Call, Said
from preceptor.simulated.reading import Reader
from preceptor.simulated.records import Records
from preceptor.simulated.world import World


class WorldTools:
    """Stands behind the tools of a world. Every conversation finds the same records, and its own changes to them."""

    repeatable = True
    noticed = True
    """A world's customers go by what was done for them."""

    def __init__(self, world: World) -> None:
        self._reader = Reader(world)

    @asynccontextmanager
    async def open(self, customer: Customer) -> AsyncIterator["WorldSession"]:
        yield WorldSession(self._reader, Records(self._reader.world))


@dataclass(frozen=True)
class WorldSession:
    """The tools in one conversation."""

    reader: Reader
    records: Records

    async def call(self, call: ToolCall) -> str:
        return self.records.call(call.name, call.arguments).text

    def outcome(self, conversation: Conversation) -> Outcome | None:
        """End state, information and policy, as the customer's messages called for them."""
        found = outcome(self.reader, lines(conversation.turns), self.records)
        return Outcome(
            (
                _check("end state", "", found.state),
                _check("information given", "It was not done to: ", found.untold),
                _check("policy kept", "It was wrong to: ", found.misdeeds),
            )
        )


def lines(turns: Sequence[Turn]) -> list[Said]:
    """Turns as a world's own account takes them."""
    return [
        Said(turn.party, turn.text, tuple(Call(call.name, call.arguments) for call in turn.tool_calls))
        for turn in turns
    ]


def _check(name: str, opening: str, faults: Sequence[str]) -> Check:
    return Check(name, not faults, f"{opening}{'; '.join(faults)}." if faults else "")
