"""Sandboxes, from end to end: conversations with tools over a database, and what came of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from preceptor import ToolFailed
from preceptor.dialogue.agents import ModelAgent
from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.customers import Customer, Voice
from preceptor.dialogue.domain import Domain, Persona, Topic
from preceptor.dialogue.outcome import Outcome
from preceptor.dialogue.rollout import Rollout
from preceptor.dialogue.tools.arithmetic import calculated
from preceptor.dialogue.tools.sandbox.sandbox import Sandbox
from preceptor.dialogue.tools.sandbox.tables import JsonStore
from preceptor.dialogue.tools.sandbox.tasks import parse_tasks
from preceptor.errors import Rejected, SettingsError
from preceptor.llm.messages import Message, Reply, ToolCall
from preceptor.llm.scripted import Answer, ScriptedModel

pytestmark = pytest.mark.anyio
HERE = Path(__file__).parent
PERSONA = Persona(id="calm", description="You are calm.")
DATA = {
    "hires": {"h1": {"customer": "ann", "thing": "ladder", "days": 3}},
    "customers": {"ann": {"owes": 0.0}},
}
TASKS: list[dict[str, Any]] = [
    {
        "id": "longer",
        "customer": "You want to keep the ladder longer.",
        "actions": [{"tool": "extend", "with": {"number": "h1", "days": 8}}],
        "information": ["40.00"],
    },
    {"id": "nothing", "customer": "You want the impossible.", "actions": []},
    {
        "id": "careful",
        "customer": "You want it to end.",
        "patch": {"hires": {"h1": {"days": 13}}},
        "before": [{"tool": "extend", "with": {"number": "h1", "days": 1}}],
        "required": [{"tool": "look_up", "with": {"number": "h1"}}],
        "forbidden": ["end"],
    },
]


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    (tmp_path / "db.json").write_text(json.dumps(DATA))
    (tmp_path / "tasks.json").write_text(json.dumps(TASKS))
    return Sandbox.load(tmp_path / "db.json", HERE / "hire.py", tmp_path / "tasks.json")


def calls(*made: tuple[str, dict[str, Any]]) -> Reply:
    called = tuple(ToolCall(f"c{n}", name, json.dumps(arguments)) for n, (name, arguments) in enumerate(made))
    return Reply(Message("assistant", "", called), finish="tool_calls")


def customer(sandbox: Sandbox, topic: str, seed: int = 0) -> Customer:
    known = {one.id: one for one in sandbox.topics}
    return Customer(known.get(topic) or Topic(id=topic, description="Anything."), PERSONA, seed)


async def play(
    sandbox: Sandbox, topic: str, agent: Sequence[Answer], seed: int = 0
) -> tuple[Conversation, list[ScriptedModel]]:
    domain = Domain(
        name="Hire", role="You hire out.", goal="", topics=sandbox.topics, personas=(PERSONA,), tools=sandbox.specs
    )
    voice = ScriptedModel("customer", ['{"message": "Hello."}', '{"message": "Thanks.", "ends": "resolved"}'])
    model = ScriptedModel("agent", agent)
    async with sandbox.environment() as tools:
        rollout = Rollout(Voice(voice, domain), environment=tools)
        conversation = await rollout.play(ModelAgent(model, domain), customer(sandbox, topic, seed))
    return conversation, [voice, model]


def kept(outcome: Outcome | None) -> dict[str, bool]:
    assert outcome is not None
    return {check.name: check.kept for check in outcome.checks}


async def test_who_does_and_says_what_is_wanted_passes(sandbox: Sandbox) -> None:
    done = calls(("extend", {"number": "h1", "days": 8}))
    conversation, _ = await play(sandbox, "longer", [done, "You owe $40 now."])
    assert kept(conversation.outcome) == {"end state": True, "information given": True}
    assert json.loads(conversation.turns[2].text)["days"] == 11


async def test_it_is_the_end_state_that_counts_not_the_way(sandbox: Sandbox) -> None:
    half = calls(("extend", {"number": "h1", "days": 4}))
    conversation, _ = await play(sandbox, "longer", [half, half, "40"])
    assert kept(conversation.outcome) == {"end state": True, "information given": True}


async def test_who_does_nothing_passes_only_where_nothing_is_to_be_done(sandbox: Sandbox) -> None:
    conversation, _ = await play(sandbox, "longer", ["Sorry."])
    assert kept(conversation.outcome) == {"end state": False, "information given": False}
    conversation, _ = await play(sandbox, "nothing", ["Sorry."])
    assert kept(conversation.outcome) == {"end state": True}
    conversation, _ = await play(sandbox, "nothing", [calls(("end", {"number": "h1"})), "Sorry."])
    assert kept(conversation.outcome) == {"end state": False}


async def test_a_conversation_that_broke_off_has_come_to_nothing_one_could_tell(sandbox: Sandbox) -> None:
    conversation, _ = await play(sandbox, "nothing", [Rejected("too long")])
    assert conversation.ending == "broken"
    assert conversation.outcome is None, "else nothing done would pass where nothing was to be done"


async def test_the_state_a_task_begins_with_and_its_policy(sandbox: Sandbox) -> None:
    look = calls(("look_up", {"number": "h1"}))
    conversation, _ = await play(sandbox, "careful", [look, "It is until the 14th."])
    assert json.loads(conversation.turns[2].text)["days"] == 14
    assert kept(conversation.outcome) == {"policy": True}
    conversation, _ = await play(sandbox, "careful", [calls(("end", {"number": "h1"})), "Ended."])
    assert conversation.outcome is not None
    (check,) = conversation.outcome.checks
    assert not check.kept
    assert check.detail == "not called as required: look_up; called against policy: end"


async def test_nobody_who_talks_is_told_what_is_wanted(sandbox: Sandbox) -> None:
    conversation, models = await play(sandbox, "longer", [calls(("look_up", {"number": "h1"})), "I see."])
    told = "".join(str(request) for model in models for request in model.requests)
    assert "You want to keep the ladder longer." in told
    assert "40.00" not in told
    assert "'days': 8" not in told
    assert conversation.outcome is not None
    for check in conversation.outcome.checks:
        assert not check.kept
        assert "40" not in check.detail
        assert "11" not in check.detail


async def test_conversations_do_not_see_each_other(sandbox: Sandbox) -> None:
    one, other = customer(sandbox, "longer"), customer(sandbox, "longer")
    tools = sandbox.environment()
    async with tools.open(one) as first, tools.open(other) as second:
        await first.call(ToolCall("1", "end", '{"number": "h1"}'))
        assert "no such hire" in await first.call(ToolCall("2", "look_up", '{"number": "h1"}'))
        assert "ladder" in await second.call(ToolCall("1", "look_up", '{"number": "h1"}'))


async def test_the_same_customer_and_calls_leave_the_same(sandbox: Sandbox) -> None:
    replies: list[Answer] = [calls(("hire", {"customer": "ann", "thing": "van"}), ("lucky", {})), "Done."]
    assert (await play(sandbox, "nothing", replies, 5))[0] == (await play(sandbox, "nothing", replies, 5))[0]
    assert (await play(sandbox, "nothing", replies, 5))[0].turns[3].text == "5"


async def test_a_customer_without_a_task_finds_the_database_and_nobody_can_tell(sandbox: Sandbox) -> None:
    conversation, _ = await play(sandbox, "chat", [calls(("look_up", {"number": "h1"})), "I see."])
    assert "ladder" in conversation.turns[2].text
    assert conversation.outcome is None


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("look_up", {"number": "h9"}), "no such hire"),
        (("extend", {"number": "h1", "days": 12}), "not longer than 14 days"),
        (("extend", {"number": "h1", "days": "many"}), "days"),
        (("extend", {"number": "h1"}), "days"),
        (("extend", {"number": "h9", "days": 1}), "The tool failed."),
        (("scribble", {}), "The tool failed."),
        (("blot", {"how": "told"}), "The tool failed."),
        (("blot", {"how": "exit"}), "The tool failed."),
        (("blot", {"how": "burn"}), "The tool failed."),
        (("nonsense", {}), "no tool"),
    ],
)
async def test_what_cannot_be_done_is_told_and_changes_nothing(
    sandbox: Sandbox, call: tuple[str, dict[str, Any]], said: str
) -> None:
    conversation, _ = await play(sandbox, "nothing", [calls(call), "Sorry."])
    assert said in json.loads(conversation.turns[2].text)["error"]
    assert kept(conversation.outcome) == {"end state": True}


def test_the_agent_is_asked_for_all_but_the_database(sandbox: Sandbox) -> None:
    specs = {spec.name: spec for spec in sandbox.specs}
    assert set(specs) == {"look_up", "extend", "end", "hire", "scribble", "blot", "lucky"}
    assert specs["look_up"].description == "A hire."
    assert specs["look_up"].parameters["properties"] == {"number": {"type": "string", "description": "Of the hire."}}
    assert specs["extend"].parameters["required"] == ["number", "days"]
    assert not specs["lucky"].parameters["properties"]
    assert b"db" not in orjson.dumps([spec.parameters for spec in specs.values()])


def test_gold_that_is_refused_is_known(sandbox: Sandbox) -> None:
    (task,) = parse_tasks(
        [{"id": "x", "customer": "y", "actions": [{"tool": "extend", "with": {"number": "h1", "days": 99}}]}], "here"
    )
    gold = Sandbox.of(JsonStore(DATA), [look_up, extend], [task]).gold(task)
    assert gold.refused == ("extend: not longer than 14 days",)
    assert gold.changes == {}


def test_each_task_has_its_customers(sandbox: Sandbox) -> None:
    who = sandbox.customers(PERSONA, 2)
    assert [(one.topic.id, one.seed) for one in who] == [(task["id"], seed) for task in TASKS for seed in (0, 1)]


@pytest.mark.parametrize(
    ("functions", "said"),
    [
        ([lambda: None], "first parameter"),
        ([lambda *, db: None], "first parameter"),
    ],
)
def test_functions_that_take_no_database_are_refused(functions: list[Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Sandbox.of(JsonStore(DATA), functions)


def test_a_task_that_names_no_tool_is_refused() -> None:
    for part in ({"actions": [{"tool": "sell"}]}, {"required": [{"tool": "sell"}]}, {"forbidden": ["sell"]}):
        with pytest.raises(SettingsError, match="'x' names a tool 'sell'; there are: look_up"):
            Sandbox.of(JsonStore(DATA), [look_up], parse_tasks([{"id": "x", "customer": "y", **part}], "here"))


def look_up(db: Any, number: str) -> Any:
    return db["hires"][number]


def extend(db: Any, number: str, days: int) -> None:
    raise ToolFailed("not longer than 14 days")


@pytest.mark.parametrize(
    ("expression", "value"), [("2 * ((350 - 122) + (499 - 127))", 1200.0), ("-1 / 3", -0.33), ("3131.1 + .25", 3131.35)]
)
def test_sums(expression: str, value: float) -> None:
    assert calculated(expression) == value


@pytest.mark.parametrize(
    "expression", ["1 / 0", "2 ** 9", "x", "", "__import__('os')", "(" * 200, "1e999 * 0", "9" * 600]
)
def test_what_is_no_sum_is_refused(expression: str) -> None:
    with pytest.raises(ToolFailed):
        calculated(expression)
