"""Conversations that people rated, in the three forms."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from preceptor.errors import NotFound, SettingsError
from preceptor.logs.rated import Ratings, read

TALK = [{"role": "user", "content": "It is broken."}, {"role": "assistant", "content": "I will mend it."}]
HELPDESK = {
    "id": "7",
    "turns": [
        {"sender": "customer", "utterances": ["No signal.", "", "Since noon."]},
        {"sender": "helpdesk", "utterances": ["Sorry!"]},
    ],
}
ASKED = [
    {"Question": "Did the assistant stay calm and helpful throughout the dialogue?", "Answer": True},
    {"Question": "Did the AI Assistant book your flight?", "Answer": False},
]


def rows(tmp_path: Path, *found: Any) -> Ratings:
    path = tmp_path / "rated.jsonl"
    path.write_bytes(b"\n".join(one if isinstance(one, bytes) else orjson.dumps(one) for one in found))
    return read(path)


def test_our_own_form(tmp_path: Path) -> None:
    found = rows(
        tmp_path,
        {"messages": TALK, "id": "a", "ratings": {"satisfaction": [4, None, 5], "goal_reached": True}},
        {"messages": TALK, "id": "b", "ratings": {"satisfaction": {"ann": 2}}},
    )
    first, second = found.rated
    assert first.conversation.customer == "rated:a"
    assert [turn.party for turn in first.conversation.turns] == ["customer", "agent"]
    assert first.ratings == {"satisfaction": {"1": 4.0, "3": 5.0}, "goal_reached": {"1": 1.0}}
    assert second.ratings == {"satisfaction": {"ann": 2.0}}
    assert [(one.name, one.low, one.high) for one in found.questions] == [
        ("satisfaction", 1, 5),
        ("goal_reached", 0, 1),
    ]
    assert not found.foreign


def test_a_scale_holds_for_the_file(tmp_path: Path) -> None:
    one = {"messages": TALK, "ratings": {"satisfaction": 9}}
    found = rows(tmp_path, one, {**one, "scale": [0, 10]}, {**one, "scale": [1, 9]})
    assert (found.questions[0].low, found.questions[0].high) == (0, 10)
    assert (len(found.rated), found.skipped_rows) == (2, 1)


@pytest.mark.parametrize("published", [False, True])
def test_stc3_as_it_is_and_as_published(tmp_path: Path, published: bool) -> None:
    scores = [{"S": -2, "A": 1, "E": 0}, {"S": 0, "A": 2, "E": 0}]
    said: dict[str, Any] = {"annotations": [{"quality": one, "nugget": []} for one in scores]}
    if not published:
        said = {"quality": {name: [one[name] for one in scores] for name in "SAE"}}
    path = tmp_path / "stc.json"
    path.write_bytes(orjson.dumps([{**HELPDESK, **said}]))
    found = read(path)
    [one] = found.rated
    assert one.ratings == {"S": {"1": -2.0, "2": 0.0}, "A": {"1": 1.0, "2": 2.0}}
    assert [(turn.party, turn.text) for turn in one.conversation.turns] == [
        ("customer", "No signal.\nSince noon."),
        ("agent", "Sorry!"),
    ]
    assert [(one.name, one.answer) for one in found.questions] == [("S", "satisfaction"), ("A", "goal_reached")]
    assert found.foreign


def test_star_was_it_done(tmp_path: Path) -> None:
    turns = [{"speaker": "customer", "text": "A flight."}, {"speaker": "agent", "text": "Where to?"}]
    row = {"id": 1, "task": "plane_book", "turns": turns, "user_questionnaire": ASKED}
    found = rows(tmp_path, row, {**row, "user_questionnaire": ASKED[:1]})
    assert [one.ratings for one in found.rated] == [{"done": {"customer": 0.0}}]
    assert [(one.line, one.reason) for one in found.skipped] == [(2, "The customer was not asked whether it was done.")]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b"{", "Not valid JSON"),
        ({"messages": TALK}, "None of `ratings`, `quality` and `user_questionnaire` is there."),
        ({"messages": TALK, "ratings": {"mood": 3}}, "There is no question 'mood'"),
        ({"messages": TALK, "ratings": {"satisfaction": 6}}, "'satisfaction' is rated 6, on a scale from 1 to 5."),
        ({"messages": TALK, "ratings": {"satisfaction": "good"}}, "not 'good'"),
        ({"messages": TALK, "ratings": {"satisfaction": []}}, "Nobody rated it."),
        ({"messages": TALK, "ratings": [3]}, "`ratings` must be an object"),
        ({"messages": TALK, "ratings": {"satisfaction": 3}, "scale": [5]}, "`scale` must be two numbers"),
        ({"messages": TALK[:1], "ratings": {"satisfaction": 3}}, "The agent says nothing."),
        ({"turns": [{"sender": "robot", "utterances": []}], "quality": {}}, "`turns` is not of STC-3's form."),
        ({**HELPDESK, "quality": {"S": [1]}}, "`quality` is not of STC-3's form."),
        ({"messages": TALK, "user_questionnaire": [3]}, "`user_questionnaire` is not of STAR's form."),
        ([3], "Not a JSON object."),
    ],
)
def test_what_cannot_be_read_is_told_with_its_row(tmp_path: Path, row: object, said: str) -> None:
    good = {"messages": TALK, "ratings": {"satisfaction": 3}}
    found = rows(tmp_path, good, row)
    assert len(found.rated) == 1
    assert found.skipped[0].line == 2
    assert said in found.skipped[0].reason


def test_a_file_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read(tmp_path / "no.jsonl")
    with pytest.raises(SettingsError, match="no conversation that people rated"):
        rows(tmp_path, b"{")
    with pytest.raises(SettingsError, match="not valid JSON"):
        rows(tmp_path, b"[1,")
