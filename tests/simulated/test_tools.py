"""Worlds with tools (counter.yaml): records, calls, results, and what should have come of a conversation."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from tests.simulated.conftest import answered, task

from preceptor.errors import SettingsError
from preceptor.llm.messages import Message, Request, Sampling, Tool, ToolCall
from preceptor.simulated.check import inspect
from preceptor.simulated.course import at_hand
from preceptor.simulated.gold import outcome
from preceptor.simulated.model import SimulatedModel, models
from preceptor.simulated.prompt import Call, Said, conversation, turn
from preceptor.simulated.reading import Reader
from preceptor.simulated.records import Records
from preceptor.simulated.world import World

COUNTER = Path(__file__).with_name("counter.yaml")
TOOLS = tuple(Tool(name, "", {}) for name in ("look_up_ticket", "move_ticket", "cancel_ticket"))


@pytest.fixture(scope="module")
def world() -> World:
    return World.load(COUNTER)


@pytest.fixture(scope="module")
def reader(world: World) -> Reader:
    return Reader(world)


@pytest.fixture(scope="module")
def cast(world: World) -> Mapping[str, SimulatedModel]:
    return models(world)


def ticket(world: World, **columns: str) -> str:
    """The number of a ticket that holds this."""
    keys = (str(number) for number in range(100000, 101000))
    return next(key for key in keys if columns.items() <= Records(world).row("tickets", key).items())


def ask(*messages: Message, told: str = "", tools: tuple[Tool, ...] = TOOLS) -> Request:
    return Request((Message("system", f"You answer customers. {told}"), *messages), Sampling(seed=1), tools)


def looked_up(world: World, number: str) -> tuple[Message, ...]:
    """A customer asks to travel on Tuesday, and the agent has looked the ticket up."""
    call = ToolCall("c1", "look_up_ticket", orjson.dumps({"ticket": number}).decode())
    return (
        Message("user", f"Can I take the ferry on Tuesday with ticket {number}?"),
        Message("assistant", "", (call,)),
        Message("tool", Records(world).call(call.name, call.arguments).text, tool_call_id="c1"),
    )


def test_a_row_is_the_same_wherever_it_is_drawn(world: World) -> None:
    first, again = Records(world), Records(world)
    first.call("move_ticket", '{"ticket": "123456", "day": "Tuesday"}')
    assert first.row("tickets", "123456")["day"] == "Tuesday"
    assert again.row("tickets", "123456")["day"] == "Friday"
    rows = [again.row("tickets", str(key))["fare"] for key in range(200000, 201000)]
    assert 430 < rows.count("flexible") < 570


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("{", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ("{}", "'ticket' is missing"),
        ('{"ticket": "12", "day": "Tuesday"}', "nothing under ticket '12'"),
        ('{"ticket": "123456"}', "'day' is missing"),
    ],
)
def test_what_is_wrong_with_a_call_is_told(world: World, arguments: str, said: str) -> None:
    records = Records(world)
    answer = records.call("move_ticket", arguments)
    assert answer.refused
    assert said in answer.body["error"]
    assert not records.changed


def test_a_change_undone_is_no_change(world: World) -> None:
    records = Records(world)
    for day in ("Tuesday", "Friday"):
        records.call("move_ticket", orjson.dumps({"ticket": "123456", "day": day}).decode())
    assert not records.changed


def test_what_a_tool_does_not_allow_is_refused(world: World) -> None:
    records, number = Records(world), ticket(world, fare="saver")
    answer = records.call("cancel_ticket", orjson.dumps({"ticket": number}).decode())
    assert answer.body == {"error": "This fare is not refundable."}
    assert not records.changed


def test_a_told_action_is_a_call_with_what_the_customer_said(cast: Mapping[str, SimulatedModel]) -> None:
    request = ask(
        Message("user", "Can I take the ferry on Tuesday with ticket 123456?"), told="Look up the ticket first."
    )
    reply = cast["obedient"].answer(request)
    (call,) = reply.message.tool_calls
    assert (call.name, orjson.loads(call.arguments)) == ("look_up_ticket", {"ticket": "123456"})
    assert reply.text == ""
    assert reply.finish == "tool_calls"
    assert cast["obedient"].answer(request) == reply


def test_nothing_is_called_that_is_not_on_offer_or_whose_values_are_unknown(cast: Mapping[str, SimulatedModel]) -> None:
    told = "Look up the ticket before anything else."
    without = ask(Message("user", "Can I take the ferry on Tuesday with ticket 123456?"), told=told, tools=())
    unknown = ask(Message("user", "So am I sailing on the other day or not?"), told=told)
    for request in (without, unknown):
        assert not cast["obedient"].answer(request).message.tool_calls
        assert cast["obedient"].answer(request).text == "We love the sea."


def test_a_result_leads_to_another_situation(world: World, cast: Mapping[str, SimulatedModel]) -> None:
    flexible = cast["teacher"].answer(ask(*looked_up(world, ticket(world, fare="flexible", pier="north"))))
    assert [call.name for call in flexible.message.tool_calls] == ["move_ticket"]
    assert "north" in flexible.text
    assert "day" in flexible.message.tool_calls[0].arguments
    saver = cast["teacher"].answer(ask(*looked_up(world, ticket(world, fare="saver"))))
    assert not saver.message.tool_calls
    assert "conomy" in saver.text


def test_after_a_result_that_changes_nothing_only_what_is_missing_is_done(
    world: World, cast: Mapping[str, SimulatedModel]
) -> None:
    number = ticket(world, fare="flexible")
    call = ToolCall("c2", "move_ticket", orjson.dumps({"ticket": number, "day": "Tuesday"}).decode())
    done = (
        Message("assistant", "Your ferry leaves from pier north.", (call,)),
        Message("tool", Records(world).call(call.name, call.arguments).text, tool_call_id="c2"),
    )
    for name in ("teacher", "blunderer"):
        reply = cast[name].answer(ask(*looked_up(world, number), *done))
        assert (reply.text, reply.message.tool_calls) == ("We love the sea.", ())


def test_a_transcript_reads_like_the_messages(world: World, reader: Reader) -> None:
    number = ticket(world, fare="economy")
    text = (
        f"Customer: Can I take the ferry on Tuesday with ticket {number}?\n"
        f'Agent calls look_up_ticket({{"ticket":"{number}"}})\n'
        f"Tool: {Records(world).call('look_up_ticket', orjson.dumps({'ticket': number}).decode()).text}"
    )
    said = conversation(text)
    assert [(one.party, len(one.calls)) for one in said] == [("customer", 0), ("agent", 1), ("tool", 0)]
    here = at_hand(reader, said).situation
    assert here
    assert here.id == "change-economy"


def test_the_right_tool_for_another_ticket_is_not_the_move(reader: Reader) -> None:
    here = at_hand(reader, [Said("customer", "Please refund my crossing, ticket 123456.")])
    assert here.made_in(reader, turn('(calls cancel_ticket with {"ticket":"123456"})')) == {"cancel"}
    assert here.made_in(reader, turn('(calls cancel_ticket with {"ticket":"654321"})')) == set()
    assert here.made_in(reader, turn("I will cancel the ticket and pay it back.")) == set()


def test_a_judge_sees_calls(cast: Mapping[str, SimulatedModel]) -> None:
    request = task(
        "compare_replies",
        conversation="Customer: Please refund my crossing, ticket 123456.",
        first="I am sorry about the trouble this caused.",
        second='(calls cancel_ticket with {"ticket":"123456"})',
    )
    assert answered(cast["judge"], request)["better"] == "second"


def test_a_teacher_asks_for_the_call_that_is_missing(world: World, cast: Mapping[str, SimulatedModel]) -> None:
    said = "Customer: Please refund my crossing, ticket 123456."
    missing = task("write_strategies", conversation=said, student_reply="We love the sea.", strategies="(none)")
    (strategy,) = answered(cast["teacher"], missing)["strategies"]
    assert strategy["text"] in world.move["cancel"].told
    called = '(calls cancel_ticket with {"ticket":"123456"})'
    made = task("write_strategies", conversation=said, student_reply=called, strategies="(none)")
    assert not answered(cast["teacher"], made)["strategies"]


def played(world: World, number: str, *turns: tuple[str, tuple[str, dict[str, str]] | None]) -> tuple[Any, Records]:
    """A request to travel on Tuesday, and the agent's turns: words, and perhaps a call."""
    records, said = Records(world), [Said("customer", f"Can I take the ferry on Tuesday with ticket {number}?")]
    for text, call in turns:
        if call is None:
            said.append(Said("agent", text))
            continue
        made = Call(call[0], orjson.dumps(call[1]).decode())
        said += [Said("agent", text, (made,)), Said("tool", records.call(made.tool, made.arguments).text)]
    return said, records


def test_what_should_have_come_of_it_does_not_depend_on_looking(world: World, reader: Reader) -> None:
    number = ticket(world, fare="flexible", pier="south")
    found = outcome(reader, *played(world, number, ("We love the sea.", None)))
    assert found.state == (f"tickets {number} has nothing changed, and should have day 'Tuesday'",)
    assert found.untold == ("say which pier the ferry leaves from",)
    assert not found.misdeeds


def test_a_conversation_done_right_passes(world: World, reader: Reader) -> None:
    number = ticket(world, fare="flexible", pier="south")
    look = ("look_up_ticket", {"ticket": number})
    move = ("move_ticket", {"ticket": number, "day": "Tuesday"})
    said, records = played(world, number, ("", look), ("Your ferry leaves from pier south.", move), ("Done.", None))
    found = outcome(reader, said, records)
    assert not (found.state)
    assert not (found.untold)
    assert not (found.misdeeds)
    wrong = outcome(reader, *played(world, number, ("", look), ("Your ferry leaves from pier north.", move)))
    assert wrong.untold
    assert not wrong.state


def test_an_action_that_looking_would_have_ruled_out_is_a_misdeed(world: World, reader: Reader) -> None:
    number = ticket(world, fare="saver")
    move = ("move_ticket", {"ticket": number, "day": "Tuesday"})
    found = outcome(reader, *played(world, number, ("", move)))
    assert found.misdeeds == ("move the ticket to the new day",)
    assert found.state
    assert found.untold


def broken(change: Any) -> str:
    raw = yaml.safe_load(COUNTER.read_text())
    change(raw)
    with pytest.raises(SettingsError) as caught:
        World.parse(yaml.safe_dump(raw), "counter")
    return str(caught.value)


def found_by_check(change: Any) -> str:
    raw = yaml.safe_load(COUNTER.read_text())
    change(raw)
    return "\n".join(inspect(World.parse(yaml.safe_dump(raw), "counter")).errors)


def _situation(raw: Any, id_: str) -> Any:
    return next(one for one in raw["situations"] if one["id"] == id_)


def test_a_file_whose_tools_lead_nowhere_is_refused() -> None:
    assert "'cancel_ticket' must be both" in broken(lambda raw: raw["tools"].pop("cancel_ticket"))
    assert "which records does not define" in broken(
        lambda raw: raw["tools"]["look_up_ticket"].update(table="bookings")
    )
    assert "only a tool's result leads to" in broken(
        lambda raw: _situation(raw, "wants-change").update(good={"change-economy": 1})
    )
    assert "not both" in broken(lambda raw: _situation(raw, "change-economy").update(customer=["Hello there."]))
    assert "without 'day'" in broken(lambda raw: raw["moves"][1]["calls"]["with"].pop("day"))


def test_check_finds_what_would_make_measurements_wrong() -> None:
    assert "can come of the same result" in found_by_check(
        lambda raw: _situation(raw, "change-economy")["result"].pop("when")
    )
    assert "which a tool writes" in found_by_check(
        lambda raw: _situation(raw, "change-economy")["result"].update(when={"status": "cancelled"})
    )
    assert "{ticket} may not have been said by then" in found_by_check(
        lambda raw: _situation(raw, "wants-money")["customer"].append("I want the fare of my crossing back.")
    )
    assert "which is a value of {day}" in found_by_check(
        lambda raw: _situation(raw, "asks-hours")["customer"].append("Is the counter open on a Monday?")
    )
    assert "do not all hold the same columns" in found_by_check(
        lambda raw: raw["moves"][3]["said"].append("The pier is over there.")
    )
    assert not [error for error in inspect(World.load(COUNTER)).errors if "fewer than" not in error]


def test_an_agent_that_misunderstands_stays_with_its_kind(world: World, cast: Mapping[str, SimulatedModel]) -> None:
    profile = world.profile("teacher")
    confused = world.model_copy(update={"models": {"x": profile.model_copy(update={"understands": 0.0})}, "roles": {}})
    model = SimulatedModel(confused, "x")
    number = ticket(world, fare="saver")
    replies = [model.answer(replace(ask(*looked_up(world, number)), sampling=Sampling(seed=seed))) for seed in range(5)]
    assert all([call.name for call in reply.message.tool_calls] == ["move_ticket"] for reply in replies)


def test_the_shipped_world_with_tools_passes_its_own_check() -> None:
    parcels = World.shipped("parcels")
    report = inspect(parcels)
    assert not report.errors
    assert not report.warnings
    assert sum(one.result is not None for one in parcels.situations) >= 15
