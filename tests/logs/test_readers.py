"""Logs of people and machines, read row by row."""

import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from preceptor.dialogue.conversation import Conversation, Turn
from preceptor.dialogue.outcome import Check, Outcome
from preceptor.errors import NotFound, SettingsError
from preceptor.llm.messages import ToolCall
from preceptor.logs.readers import Skipped, read

STAR = Path(__file__).parents[3] / "shared" / "data" / "star" / "star_cs_dev.jsonl"
HELLO = {"role": "user", "content": "Hello."}


def log(tmp_path: Path, *rows: object) -> Path:
    path = tmp_path / "desk.jsonl"
    path.write_bytes(b"\n".join(row if isinstance(row, bytes) else orjson.dumps(row) for row in rows) + b"\n")
    return path


def test_openai_messages_become_turns(tmp_path: Path) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "Policy."},
        HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "found", "tool_call_id": "c1"},
        {"role": "assistant", "content": "<think>So.</think>There."},
    ]
    row = {"messages": messages, "id": 7, "outcome": "resolved", "reward": 0.5, "tags": ["fault"]}
    [conversation] = read(log(tmp_path, row))
    assert conversation == Conversation(
        (
            Turn("customer", "Hello."),
            Turn("agent", "", (ToolCall("c1", "look", "{}"),)),
            Turn("tool", "found", tool_call_id="c1"),
            Turn("agent", "There."),
        ),
        "resolved",
        "desk:7",
        "desk",
        ("fault", "outcome:resolved", "reward:0.5"),
        Outcome((Check("reward", False, "0.5"),)),
    )
    assert "Policy" not in conversation.transcript()


def test_star_turns_leave_out_what_customers_were_told_to_do(tmp_path: Path) -> None:
    turns = [
        {"speaker": "customer_instruction", "text": "Act confused."},
        {"speaker": "customer", "text": "When do I take it? "},
        {"speaker": "tool_call", "api": "follow_up", "constraints": [{"Name": "Dr. J"}, {"Patient": "A"}]},
        {"speaker": "tool_result", "item": {"Message": "At night."}, "total": -1},
        {"speaker": "agent", "text": "At night.", "action_label": "inform"},
    ]
    [conversation] = read(log(tmp_path, {"id": 1, "task": "doctor_followup", "turns": turns}))
    assert conversation.turns == (
        Turn("customer", "When do I take it?"),
        Turn("agent", "", (ToolCall("call-1", "follow_up", '{"Name":"Dr. J","Patient":"A"}'),)),
        Turn("tool", '{"Message":"At night."}', tool_call_id="call-1"),
        Turn("agent", "At night."),
    )
    assert conversation.tags == ("task:doctor_followup",)
    contexts = list(conversation.contexts())
    assert [context.turns[-1].party for context, _ in contexts] == ["customer", "tool"]
    assert not any("doctor_followup" in context.transcript() for context, _ in contexts)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b'{"messages": [', "JSON"),
        (b"7", "object"),
        (b"\xff\xfe", "JSON"),
        ({"text": "Hello."}, "Neither"),
        ({"messages": "Hello."}, "messages"),
        ({"messages": [{"role": "boss", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "assistant", "content": "Hi."}]}, "customer"),
        ({"messages": [HELLO], "tags": "x"}, "tags"),
        ({"turns": {}}, "turns"),
        ({"turns": [{"speaker": "customer"}]}, "turns[0]"),
        ({"turns": [{"speaker": "boss", "text": "x"}]}, "turns[0]"),
        ({"turns": [{"speaker": "tool_call", "api": "x", "constraints": [1]}]}, "turns[0]"),
    ],
)
def test_a_row_that_cannot_be_read_is_skipped_with_line_and_reason(row: object, reason: str, tmp_path: Path) -> None:
    good = {"messages": [HELLO]}
    found = read(log(tmp_path, good, b"", row, good))
    assert [conversation.customer for conversation in found] == ["desk:1", "desk:4"]
    [skipped] = found.skipped
    assert isinstance(skipped, Skipped)
    assert skipped.line == 3
    assert reason in skipped.reason
    assert found.skipped_rows == 1
    assert len(list(found)) == 2
    assert found.skipped_rows == 1


def test_what_is_no_log_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no log"):
        list(read(tmp_path / "none.jsonl"))
    with pytest.raises(SettingsError, match="cannot be read"):
        list(read(tmp_path))


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    row: dict[str, Any] = {"messages": [HELLO | {"content": "x" * 20_000}]}
    path = log(tmp_path, *([row] * 500), *([b"{"] * 5_000))
    found = read(path)
    tracemalloc.start()
    count = sum(1 for _ in found)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (count, found.skipped_rows, len(found.skipped)) == (500, 5_000, 100)
    assert peak < path.stat().st_size / 10


@pytest.mark.skipif(not STAR.exists(), reason="the STAR file is not in ../shared/data/star")
def test_all_of_star_is_read() -> None:
    found = read(STAR)
    parties, tasks, dialogues = Counter[str](), set[str](), 0
    for conversation in found:
        dialogues += 1
        tasks.update(conversation.tags)
        parties.update("call" if turn.tool_calls else turn.party for turn in conversation.turns)
    assert (dialogues, found.skipped_rows, len(tasks)) == (1_683, 0, 13)
    assert parties == {"customer": 10_856, "agent": 10_856, "call": 4_218, "tool": 4_218}
