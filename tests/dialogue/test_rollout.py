"""Conversations between scripted customers and agents."""

import json

import pytest

from preceptor.dialogue.agents import ModelAgent
from preceptor.dialogue.conversation import Conversation, Turn
from preceptor.dialogue.customers import Voice, draw_customers
from preceptor.dialogue.domain import Domain
from preceptor.dialogue.rollout import TOOL_ROUNDS, Rollout
from preceptor.errors import BadReply, Rejected, Unavailable
from preceptor.llm.messages import Message, Reply, Request, ToolCall
from preceptor.llm.scripted import Answer, ScriptedModel

pytestmark = pytest.mark.anyio
DOMAIN = Domain.model_validate(
    {
        "name": "Desk",
        "role": "You answer customers.",
        "goal": "Help them.",
        "topics": [{"id": "bill", "description": "Your bill is wrong."}, {"id": "fault", "description": "It broke."}],
        "personas": [{"id": "calm", "description": "You are calm."}],
    }
)
CUSTOMER = draw_customers(DOMAIN, 1, seed=1)[0]


def say(message: str, ends: str = "no") -> str:
    return json.dumps({"message": message, "ends": ends})


async def play(customer: list[Answer], agent: list[Answer], max_turns: int = 8) -> Conversation:
    rollout = Rollout(Voice(ScriptedModel("customer", customer), DOMAIN), max_turns)
    return await rollout.play(ModelAgent(ScriptedModel("agent", agent), DOMAIN), CUSTOMER)


async def test_the_customer_opens_and_ends() -> None:
    conversation = await play([say("My bill is wrong."), say("Thanks.", "resolved")], ["I will check it."])
    assert [turn.party for turn in conversation.turns] == ["customer", "agent", "customer"]
    assert conversation.ending == "resolved"
    assert conversation.customer == CUSTOMER.key


async def test_the_turn_limit_cuts() -> None:
    conversation = await play([say("One"), say("Two")], ["a", "b"], max_turns=2)
    assert conversation.ending == "cut"
    assert [turn.text for turn in conversation.turns] == ["One", "a", "Two", "b"]


@pytest.mark.parametrize("fault", [BadReply("empty"), Rejected("no such thing")])
async def test_a_model_that_fails_breaks_its_conversation_only(fault: Exception) -> None:
    conversation = await play([say("One")], [fault])
    assert conversation.ending == "broken"
    assert conversation.tags == (str(fault),)


async def test_a_fault_of_the_line_is_raised() -> None:
    with pytest.raises(Unavailable):
        await play([say("One")], [Unavailable("gone")])


async def test_a_customer_that_writes_no_json_twice_breaks_the_conversation() -> None:
    conversation = await play(["hello", "hello again"], [])
    assert conversation.ending == "broken"
    assert "customer_turn" in conversation.tags[0]


async def test_a_tool_that_is_not_connected_is_answered_and_the_agent_goes_on() -> None:
    call = Reply(Message("assistant", "", (ToolCall("1", "look_up", "{}"),)), finish="tool_calls")
    conversation = await play([say("One"), say("Bye", "left")], [call, "I cannot see it."])
    assert [turn.party for turn in conversation.turns] == ["customer", "agent", "tool", "agent", "customer"]
    assert "not connected" in conversation.turns[2].text


async def test_a_customer_hears_what_is_said_and_not_what_is_done() -> None:
    call = Reply(Message("assistant", "One moment.", (ToolCall("1", "look_up", "{}"),)), finish="tool_calls")
    customer = ScriptedModel("customer", [say("One"), say("Bye", "left")])
    agent = ModelAgent(ScriptedModel("agent", [call, "It is late."]), DOMAIN)
    await Rollout(Voice(customer, DOMAIN)).play(agent, CUSTOMER)
    told = customer.requests[-1].messages[-1].content
    assert "Customer: One\nAgent: One moment.\nAgent: It is late.\n" in told
    assert "look_up" not in told


async def test_an_agent_lost_in_its_tools_is_cut_off() -> None:
    call = Reply(Message("assistant", "", (ToolCall("1", "look_up", "{}"),)), finish="tool_calls")
    conversation = await play([say("One")], [call] * TOOL_ROUNDS)
    assert conversation.ending == "broken"


async def test_the_agent_sees_the_domain_and_the_conversation() -> None:
    asked: list[Request] = []

    def answer(request: Request) -> str:
        asked.append(request)
        return "Yes."

    rollout = Rollout(Voice(ScriptedModel("c", [say("Hi {policy} <b>"), say("Bye", "left")]), DOMAIN))
    await rollout.play(ModelAgent(ScriptedModel("agent", answer), DOMAIN), CUSTOMER)
    assert [message.role for message in asked[0].messages] == ["system", "user"]
    assert asked[0].messages[0].content == "You answer customers.\n\nHelp them."
    assert asked[0].messages[1].content == "Hi {policy} <b>"
    assert asked[0].sampling.seed == CUSTOMER.seed


def test_the_same_seed_draws_the_same_customers_and_a_longer_list_continues_a_shorter() -> None:
    assert draw_customers(DOMAIN, 5, 3) == draw_customers(DOMAIN, 9, 3)[:5]
    assert draw_customers(DOMAIN, 5, 3) != draw_customers(DOMAIN, 5, 4)
    assert {customer.topic.id for customer in draw_customers(DOMAIN, 50, 0)} == {"bill", "fault"}


def test_contexts_are_the_moments_the_agent_acts() -> None:
    conversation = Conversation((Turn("customer", "a"), Turn("agent", "b"), Turn("customer", "c"), Turn("agent", "d")))
    pairs = list(conversation.contexts())
    assert [said.text for _, said in pairs] == ["b", "d"]
    assert pairs[1][0].customer_turns == ("a", "c")
    assert pairs[0][0].key != pairs[1][0].key
