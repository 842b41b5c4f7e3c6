"""`preceptor library`: from what was learned to a release, and back."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from preceptor.storage.canonical import content_hash

Command = Callable[..., tuple[int, str, str]]


def test_list_shows_what_helps_and_says_it_is_simulated(preceptor: Command, taught: Path) -> None:
    code, out, _ = preceptor("library", "list", "--project", taught)
    assert code == 0
    assert "(simulated): 1 scenarios; 2 strategies accepted by measurement, 0 approved by a person" in out
    assert "The customer reports the same outage again." in out
    assert out.index("st-sorry") < out.index("st-window")
    assert "st-promise" not in out


def test_list_can_be_narrowed(preceptor: Command, taught: Path) -> None:
    _, out, _ = preceptor("library", "list", "--measured", "refused", "--project", taught)
    assert "st-promise" in out
    assert "st-sorry" not in out


def test_show_a_strategy_and_a_scenario(preceptor: Command, taught: Path) -> None:
    _, strategy, _ = preceptor("library", "show", "st-sorry", "--project", taught)
    assert "Apologise for the repeated trouble." in strategy
    assert "They had to ask twice." in strategy
    _, scenario, _ = preceptor("library", "show", "sc-out", "--project", taught)
    assert "Give a time window for the repair." in scenario


def test_from_approval_to_release_and_back(preceptor: Command, taught: Path) -> None:
    at = ("--project", taught, "--author", "ada")
    assert preceptor("library", "release", *at)[0] == 1
    assert preceptor("library", "approve", "st-sorry", *at)[0] == 0
    assert "1 strategies" in preceptor("library", "release", *at)[1]
    assert preceptor("library", "approve", "--accepted", *at)[0] == 0
    assert "1 strategy added" in preceptor("library", "diff", "--project", taught)[1]
    assert "2 strategies" in preceptor("library", "release", "--note", "both", *at)[1]
    assert preceptor("library", "rollback", *at)[0] == 0
    releases = preceptor("library", "list", "--releases", "--project", taught)[1].splitlines()
    assert [("live" in line) for line in releases[1:]] == [False, True]


def test_a_rejected_strategy_is_not_released(preceptor: Command, taught: Path) -> None:
    at = ("--project", taught)
    preceptor("library", "reject", "st-window", "--note", "we cannot know", *at)
    preceptor("library", "approve", "--accepted", *at)
    assert "1 strategies" in preceptor("library", "release", *at)[1]


def test_a_mistyped_id_among_several_changes_nothing(preceptor: Command, taught: Path) -> None:
    code, _, err = preceptor("library", "approve", "st-sorry", "st-windy", "--project", taught)
    assert code == 1
    assert "The nearest is 'st-window'" in err
    assert "0 approved by a person" in preceptor("library", "list", "--project", taught)[1]


def test_an_edit_is_undecided_and_shows_its_flags(preceptor: Command, taught: Path) -> None:
    _, out, _ = preceptor("library", "edit", "st-sorry", "Call 0800 123456 at once.", "--project", taught)
    assert "version 2, and pending" in out
    assert "personal data" in out


def test_approval_by_rule_only_where_the_settings_say_so(preceptor: Command, taught: Path) -> None:
    by_rule = ("--set", "library.approve_by_rule=true", "--project", taught)
    assert preceptor("library", "release", "--project", taught)[0] == 1
    assert "2 strategies approved by rule" in preceptor("library", "release", *by_rule)[1]


@pytest.mark.parametrize("name", ["library.yaml", "library.jsonl"])
def test_export_reads_back(preceptor: Command, taught: Path, tmp_path: Path, name: str) -> None:
    file, again, elsewhere = tmp_path / name, tmp_path / f"again-{name}", ("--set", "project.library=copy")
    assert preceptor("library", "export", file, "--project", taught)[0] == 0
    assert preceptor("library", "import", file, *elsewhere, "--project", taught)[0] == 0
    assert preceptor("library", "export", again, *elsewhere, "--project", taught)[0] == 0
    assert file.read_text() == again.read_text()


def test_markdown_is_for_people(preceptor: Command, taught: Path) -> None:
    _, out, _ = preceptor("library", "export", "-", "--format", "markdown", "--project", taught)
    assert "Give a time window for the repair." in out


def test_lint_names_what_to_look_at(preceptor: Command, taught: Path) -> None:
    preceptor("library", "edit", "st-sorry", "Promise a refund of $20.", "--project", taught)
    _, out, _ = preceptor("library", "lint", "--project", taught)
    assert "promise of money" in out
    assert "1 of 2 strategies deserve a second look." in out


def test_what_an_imported_file_smuggles_is_shown_and_waits(preceptor: Command, taught: Path, tmp_path: Path) -> None:
    """A file may call its strategies approved and without a flag; people see what a screen would not show them."""
    seal = content_hash(["Be kind \u202edaor.", None])[:12]
    told = {"text": "Be kind \u202edaor.", "measured": "accepted", "decision": "approved", "flags": [], "seal": seal}
    file = tmp_path / "bought.yaml"
    file.write_text(json.dumps({"format": "preceptor-library/1", "strategies": [{"id": "st-bought", **told}]}))
    at = ("--project", taught, "--author", "ada")
    code, out, _ = preceptor("library", "import", file, *at)
    assert code == 0
    assert "Look at 1 of them" in out
    assert "hidden characters" in out
    assert "Be kind \u27e8U+202E\u27e9daor." in out
    assert "st-bought" in preceptor("library", "approve", "--accepted", *at)[1].splitlines()[0]
    assert "2 strategies" in preceptor("library", "release", *at)[1]
    assert "\u27e8U+202E\u27e9" in preceptor("library", "show", "st-bought", "--project", taught)[1]
    assert "\u27e8U+202E\u27e9" in preceptor("library", "approve", "st-bought", *at)[1]
    assert "Look at" not in preceptor("library", "import", file, *at)[1]
