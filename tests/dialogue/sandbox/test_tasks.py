"""Files of tasks: our own form and tau2-bench's."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from preceptor.dialogue.tools.sandbox.tasks import Action, load_tasks, parse_tasks
from preceptor.errors import NotFound, SettingsError

PLAIN = """
- id: longer
  customer: You want to keep the ladder two days longer.
  weight: 2
  patch: {hires: {h1: {days: 4}}}
  before: [{tool: hire, with: {customer: ann, thing: saw}}]
  actions: [{tool: extend, with: {number: h1, days: 2}}]
  information: ["10"]
  required: [{tool: look_up}]
  forbidden: [end]
"""
TAU2: dict[str, Any] = {
    "id": "[shop]Task_1",
    "user_scenario": {
        "persona": None,
        "instructions": {
            "task_instructions": ".",
            "domain": "shop",
            "reason_for_call": "You want your money back.",
            "known_info": "You are Ann.",
            "unknown_info": None,
        },
    },
    "initial_state": {"initialization_data": {"agent_data": {"orders": {"1": {"status": "sent"}}}}},
    "evaluation_criteria": {
        "actions": [
            {"action_id": "1", "name": "refund", "arguments": {"order": "1", "why": "x"}, "compare_args": ["order"]}
        ],
        "communicate_info": ["12"],
        "reward_basis": ["DB", "ACTION"],
    },
}


def changed(**criteria: Any) -> dict[str, Any]:
    return {**TAU2, "evaluation_criteria": {**TAU2["evaluation_criteria"], **criteria}}


def test_our_own_form(tmp_path: Path) -> None:
    path = tmp_path / "tasks.yaml"
    path.write_text(PLAIN)
    (task,) = load_tasks(path)
    assert (task.topic.id, task.topic.weight) == ("longer", 2)
    assert task.patch == {"hires": {"h1": {"days": 4}}}
    assert task.before == (Action("hire", {"customer": "ann", "thing": "saw"}),)
    assert task.actions == (Action("extend", {"number": "h1", "days": 2}),)
    assert (task.information, task.required, task.forbidden) == (("10",), (Action("look_up"),), ("end",))


def test_without_actions_any_end_state_will_do_and_without_any_of_them_none_but_the_first() -> None:
    free, still = parse_tasks([{"id": "a", "customer": "x"}, {"id": "b", "customer": "y", "actions": []}], "here")
    assert free.actions is None
    assert still.actions == ()


def test_tau2s_form(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps({"tasks": [TAU2]}))
    (task,) = load_tasks(path)
    assert task.topic.id == "shop-task-1"
    assert task.topic.description == "You want your money back.\nYou are Ann."
    assert task.patch == {"orders": {"1": {"status": "sent"}}}
    assert task.actions == (Action("refund", {"order": "1", "why": "x"}),)
    assert task.required == (Action("refund", {"order": "1"}),)
    assert task.information == ("12",)


def test_tau2s_basis_says_what_counts() -> None:
    (task,) = parse_tasks([changed(reward_basis=["COMMUNICATE"])], "here")
    assert (task.actions, task.required) == (None, ())
    (task,) = parse_tasks([changed(actions=None, reward_basis=["DB"])], "here")
    assert task.actions == ()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "must be a list"),
        ([{"id": "a"}], "task 1: customer"),
        ([{"id": "A b", "customer": "x"}], "task 1"),
        ([{"id": "a", "customer": "x", "action": []}], "task 1: action"),
        ([{"id": "a", "customer": "x"}] * 2, "two tasks have the id 'a'"),
        ([{**TAU2, "initial_state": {"message_history": [{}]}}], "task 1: it begins in the middle"),
        ([changed(actions=[{"name": "x", "requestor": "user"}])], "the user's"),
        ([{**TAU2, "initial_state": {"initialization_actions": [{"env_type": "user"}]}}], "customer's own tools"),
        ([7], "task 1"),
    ],
)
def test_what_is_wrong_is_said(data: object, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse_tasks(data, "here")


WORDS = some.sampled_from(["id", "customer", "actions", "patch", "user_scenario", "instructions", "initial_state", "a"])
JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | WORDS,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


LIKE_TASKS = some.fixed_dictionaries({}, optional=dict.fromkeys([*TAU2, "customer", "actions", "patch"], JSON))


@settings(max_examples=50)
@given(some.lists(LIKE_TASKS, max_size=2))
def test_whatever_is_in_a_file_it_is_read_or_refused(data: list[dict[str, Any]]) -> None:
    with suppress(SettingsError):
        parse_tasks(data, "here")


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load_tasks(tmp_path / "none.yaml")
    for name in ("tasks.json", "tasks.yaml"):
        (tmp_path / name).write_text("[{")
        with pytest.raises(SettingsError, match=name):
            load_tasks(tmp_path / name)
    for text in ("- id: 2024-06-31", "[" * 3000):
        (tmp_path / "tasks.yaml").write_text(text)
        with pytest.raises(SettingsError, match=r"tasks\.yaml: not valid"):
            load_tasks(tmp_path / "tasks.yaml")
