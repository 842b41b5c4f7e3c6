"""A conversation that ends in a tool's result is taught through the gateway as it was in teaching."""

import json

import pytest

from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.model import Guidance, Scenario, Strategy
from preceptor.llm.messages import ToolCall
from preceptor.retrieval.embedding import StaticEmbedder
from preceptor.retrieval.windows import spoken
from preceptor.serving.guide import Finder, Guide
from preceptor.serving.protocols.chat import Chat

pytestmark = pytest.mark.anyio
STATES = ("cancelled", "delayed")


def flights(state: str, rows: int) -> str:
    """A long result, of which more words can be read than a reader takes."""
    about = {"crew on board": "not assigned to the flight yet", "catering company": "Sky Kitchens of the north"}
    return json.dumps([{"status": state, "flight": f"HAT{n}"} | about for n in range(rows)])


def talk(state: str, rows: int) -> tuple[Turn, ...]:
    call = ToolCall("c1", "find_flights", "{}")
    return (
        Turn("customer", "What about my flight?"),
        Turn("agent", "", (call,)),
        Turn("tool", flights(state, rows), tool_call_id="c1"),
    )


def body(turns: tuple[Turn, ...]) -> bytes:
    said: list[dict[str, object]] = [{"role": "user", "content": turns[0].text}]
    call = {"id": "c1", "type": "function", "function": {"name": "find_flights", "arguments": "{}"}}
    said.append({"role": "assistant", "content": None, "tool_calls": [call]})
    said.append({"role": "tool", "tool_call_id": "c1", "content": turns[2].text})
    return json.dumps({"model": "m", "messages": said}).encode()


@pytest.mark.parametrize("rows", [1, 60])
async def test_the_gateway_finds_what_teaching_found(rows: int) -> None:
    scenarios = [
        Scenario(f"sc-{state}", f"The flight is {state}.", tuple(Context(talk(state, n)) for n in range(1, 9)))
        for state in STATES
    ]
    strategies = tuple(
        Strategy(f"st-{state}", f"Say that it is {state}.", "", f"sc-{state}", 0.5, "accepted") for state in STATES
    )
    guide = Guide.of(Guidance("Desk", tuple(scenarios), strategies), "default", StaticEmbedder(), None)
    finder = Finder(limit=60)
    try:
        for state in STATES:
            turns = talk(state, rows)
            assert spoken(spoken(turns)) == spoken(turns), "the gateway's matcher reads what was read before"
            taught = guide.retriever.find(Context(turns))
            served = (await finder.find(guide, Chat().read(body(turns)).turns)).found
            assert [strategy.id for strategy in served.strategies] == [strategy.id for strategy in taught.strategies]
            assert dict(served.matches) == pytest.approx(dict(taught.matches))
            assert served.matches[0][0] == f"sc-{state}", "the result decides, the customer says the same"
    finally:
        finder.close()
