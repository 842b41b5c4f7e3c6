"""Tables: reading cannot change, what fails leaves nothing, and no conversation sees another."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as some

from preceptor import Tables
from preceptor.dialogue.tools.sandbox.changes import Changes, differences, same, told
from preceptor.dialogue.tools.sandbox.tables import JsonStore
from preceptor.errors import NotFound, SettingsError

DATA: dict[str, Any] = {
    "hires": {"h1": {"thing": "ladder", "days": 3, "notes": [{"by": "Ann"}]}, "h2": {"thing": "drill", "days": 1}},
    "prices": {"ladder": {"day": 5.0}},
}


def test_rows_that_are_read_are_plain_data_that_cannot_be_changed() -> None:
    row = JsonStore(DATA).copy()["hires"]["h1"]
    assert row == DATA["hires"]["h1"]
    assert json.loads(json.dumps(row)) == orjson.loads(orjson.dumps(row)) == row
    changes: list[Callable[[], Any]] = [
        lambda: row.update(days=4),
        lambda: row.__setitem__("days", 4),
        lambda: row["notes"].append({}),
        lambda: row["notes"][0].pop("by"),
    ]
    for change in changes:
        with pytest.raises(TypeError, match="edit"):
            change()
    assert type(copy.copy(row)) is dict
    assert type(copy.copy(row["notes"])) is list
    own = copy.deepcopy(row)
    own["notes"].append({"by": "Bob"})
    assert row == DATA["hires"]["h1"]


def test_what_is_edited_added_and_removed_is_there_from_then_on() -> None:
    tables = JsonStore(DATA).copy()

    def change(db: Tables) -> None:
        db["hires"].edit("h1")["days"] = 9
        assert db["hires"]["h1"]["days"] == 9
        db["hires"].add("h3", {"thing": "saw"})["days"] = 2
        db["hires"].remove("h2")
        assert list(db["hires"]) == ["h1", "h3"]

    tables.change(change)
    assert {key: row["days"] for key, row in tables["hires"].items()} == {"h1": 9, "h3": 2}
    assert "h2" not in tables["hires"]
    assert len(tables["hires"]) == 2
    with pytest.raises(KeyError):
        tables["hires"]["h2"]
    with pytest.raises(TypeError, match="edit"):
        tables["hires"]["h1"]["days"] = 1
    assert set(tables.changes()) == {("hires", "h1"), ("hires", "h2"), ("hires", "h3")}
    assert tables.changes()["hires", "h2"] is None


def test_what_fails_leaves_nothing() -> None:
    tables = JsonStore(DATA).copy()

    def change(db: Tables) -> None:
        db["hires"].edit("h1")["notes"].clear()
        db["hires"].add("h3", {})
        raise RuntimeError

    with pytest.raises(RuntimeError):
        tables.change(change)
    assert tables.changes() == {}
    assert tables["hires"]["h1"] == DATA["hires"]["h1"]


def test_what_is_put_back_is_no_change() -> None:
    tables = JsonStore(DATA).copy()
    for days in (7, 3):
        tables.change(lambda db, days=days: db["hires"].edit("h1").update(days=days))  # type: ignore[misc]
    assert tables.changes() == {}


def test_a_row_that_is_there_is_not_added_and_one_that_is_not_is_not_removed() -> None:
    tables = JsonStore(DATA).copy()
    with pytest.raises(ValueError, match="'h1'"):
        tables["hires"].add("h1", {})
    with pytest.raises(KeyError):
        tables["hires"].remove("h9")
    with pytest.raises(KeyError):
        tables["hires"].edit("h9")


def test_a_patch_goes_into_rows_and_adds_and_takes_away() -> None:
    tables = JsonStore(DATA).copy()
    tables.patch({"hires": {"h1": {"days": 5}, "h2": None, "h4": {"thing": "van"}, "h8": None}})
    assert tables["hires"]["h1"] == {**DATA["hires"]["h1"], "days": 5}
    assert list(tables["hires"]) == ["h1", "h4"]
    with pytest.raises(SettingsError, match="no fields"):
        JsonStore({"t": {"a": 1}}).copy().patch({"t": {"a": {"n": 1}}})
    with pytest.raises(SettingsError, match=r"'hire'.*hires, prices"):
        tables.patch({"hire": {}})


Step = tuple[str, str, int]
STEPS = some.tuples(
    some.sampled_from(["edit", "add", "remove", "fail"]), some.sampled_from("abcd"), some.integers(0, 9)
)


@given(some.lists(some.lists(STEPS, max_size=8), min_size=2, max_size=3))
def test_any_conversations_are_as_if_each_had_the_file_to_itself(conversations: list[list[Step]]) -> None:
    first = {"t": {"a": {"n": 1}, "b": {"n": 2}}}
    store = JsonStore(first)
    opened = [(store.copy(), copy.deepcopy(first["t"]), steps) for steps in conversations]
    for turn in range(8):
        for tables, plain, steps in opened:
            for step in steps[turn : turn + 1]:
                _both(tables, plain, step)
    for tables, plain, _ in opened:
        assert dict(tables["t"]) == plain
        changed = {key for key in plain.keys() | first["t"].keys() if plain.get(key) != first["t"].get(key)}
        assert {key for _, key in tables.changes()} == changed
    assert dict(store.copy()["t"]) == first["t"]


def _both(tables: Tables, plain: dict[str, Any], step: Step) -> None:
    kind, key, value = step

    def change(db: Tables) -> None:
        if kind == "add":
            db["t"].add(key, {"n": value})
        elif kind == "remove":
            db["t"].remove(key)
        else:
            db["t"].edit(key)["n"] = value
        if kind == "fail":
            raise KeyError

    try:
        tables.change(change)
    except (KeyError, ValueError):
        return
    if kind == "remove":
        del plain[key]
    else:
        plain[key] = {"n": value}


def test_numbers_are_the_same_however_they_were_added_up() -> None:
    assert same({"owes": 0.1 + 0.2, "of": [1]}, {"of": [1.0], "owes": 0.3})
    assert not same(0.3, 0.301)
    assert not same(5551234567, 5551234568), "nobody adds telephone numbers up"
    assert same(1628, 1628.0000000001)
    assert not same(True, 1)
    assert not same([1, 2], [2, 1])
    assert not same({"a": 1}, {"a": 1, "b": None})


def test_a_difference_names_rows_and_fields_but_not_what_was_wanted() -> None:
    found: Changes = {("t", "a"): {"n": 1, "m": "x"}, ("t", "b"): None, ("t", "d"): {"n": 0}}
    wanted: Changes = {("t", "a"): {"n": 2, "m": "x"}, ("t", "b"): {"n": 77}, ("t", "c"): {"n": 88}}
    assert differences(found, wanted) == (("t", "a"), ("t", "b"), ("t", "c"), ("t", "d"))
    said = told(found, wanted)
    assert "t a: n is 1;" in said
    assert "t c: unchanged" in said
    assert "t d: changed" in said
    assert not {"2", "77", "88"} & set(said.replace(";", " ").split())
    assert told(found, found) == ""


def test_a_difference_in_what_has_no_fields_is_told_too() -> None:
    assert told({("t", "a"): ["x"]}, {("t", "a"): ["y"]}) == "t a: is ['x']"
    assert told({("t", "a"): {"n": None}}, {("t", "a"): {}}) == "t a: n is None"


def test_a_list_of_rows_with_ids_is_a_table(tmp_path: Path) -> None:
    path = tmp_path / "db.json"
    path.write_text('{"t": [{"id": 7, "n": 1}]}')
    assert JsonStore.load(path).copy()["t"]["7"]["n"] == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "not valid JSON"),
        ("[]", "an object of tables|a JSON object"),
        ('{"t": 1}', "table 't'"),
        ('{"t": [{"n": 1}]}', "row 1 of table 't' has no 'id'"),
        ('{"t": [{"id": 1}, {"id": "1"}]}', "two rows"),
    ],
)
def test_what_is_no_database_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "db.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=said):
        JsonStore.load(path)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.json"):
        JsonStore.load(tmp_path / "none.json")
