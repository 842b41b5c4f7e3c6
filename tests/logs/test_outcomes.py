"""What a log says came of a conversation."""

import json
from pathlib import Path

import pytest

from preceptor.dialogue.conversation import Ending
from preceptor.logs.outcomes import outcome_of
from preceptor.logs.readers import read

SAID = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]


@pytest.mark.parametrize(
    ("known", "ending", "passed"),
    [
        ({"reward": "1.0"}, "open", True),
        ({"reward": "0.5"}, "open", False),
        ({"reward": "0", "rating": "good"}, "resolved", False),
        ({"reward": "much", "outcome": "Solved"}, "open", True),
        ({"outcome": "unresolved"}, "open", False),
        ({"outcome": "pending", "rating": "bad"}, "open", False),
        ({"rating": "4"}, "open", None),
        ({}, "resolved", True),
        ({}, "left", False),
        ({}, "open", None),
    ],
)
def test_reward_then_words_then_the_ending(known: dict[str, str], ending: Ending, passed: bool | None) -> None:
    outcome = outcome_of(known, ending)
    assert (None if outcome is None else outcome.passed) is passed


def test_conversations_with_a_task_and_a_trial_are_attempts_at_it(tmp_path: Path) -> None:
    rows = [
        {"messages": SAID, "id": 1, "task": "t", "trial": 0, "reward": 1},
        {"messages": SAID, "id": 2, "task": "t", "trial": 1, "reward": 0},
        {"messages": SAID, "id": 3, "task": "t", "reward": 1},
    ]
    file = tmp_path / "desk.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    found = list(read(file))
    assert [log.task for log in found] == ["desk:task t", "desk:task t", ""], "without trials, tasks are kinds"
    assert [log.outcome and log.outcome.passed for log in found] == [True, False, True]
    assert [log.customer for log in found] == ["desk:1", "desk:2", "desk:3"]
