"""`preceptor judge check`, on the simulated world."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def rated(tmp_path: Path) -> Path:
    """Thirty conversations that three people rated, the longer the worse."""

    def row(place: int) -> dict[str, object]:
        messages = [
            {"role": "user", "content": "My line is down. " * (1 + place % 5)},
            {"role": "assistant", "content": f"Sorry to hear that, case {place}."},
            {"role": "user", "content": "When will it be back?"},
            {"role": "assistant", "content": "Within two hours."},
        ]
        return {"messages": messages, "id": place, "ratings": {"satisfaction": [5 - place % 5, 4 - place % 4, 3]}}

    path = tmp_path / "desk.jsonl"
    path.write_bytes(b"\n".join(orjson.dumps(row(place)) for place in range(30)))
    return path


def test_a_check_is_planned_done_and_named_in_reports(preceptor: Command, project: Path, rated: Path) -> None:
    code, out, _ = preceptor("judge", "check", rated, "--dry-run", "--project", project)
    assert code == 0
    assert "30 of 30 rated conversations of desk, and 30 pairs of replies in both orders." in out
    assert "In all about 90 calls" in out
    assert not (project / "preceptor.db").exists()
    code, out, err = preceptor("judge", "check", rated, "--yes", "--project", project)
    assert code == 0, err
    assert "Customer satisfaction (satisfaction): 30 conversations, 3 people" in out
    for row in ("judge (simulated)", "fewer words", "sentiment words", "chance", "always the commonest", "one person"):
        assert re.search(rf"^{re.escape(row)}( |$)", out, re.MULTILINE), row
    assert "Simulated: this judge knows the sentences of its own world" in out
    _, listed, _ = preceptor("runs", "--project", project)
    assert "judge-check" in listed
    figures = judge_figures(preceptor, project)
    assert any(one["label"].startswith("one person") for one in figures)
    assert all(one["value"]["n"] for one in figures)
    assert judge_figures(preceptor, project, "--set", "models.judge.model=teacher") == []


def judge_figures(preceptor: Command, project: Path, *options: str) -> list[dict[str, Any]]:
    """What the report of a small evaluation says of its judge."""
    _, out, _ = preceptor("evaluate", "--yes", "--arms", "fixed", "--customers", "2", "--project", project, *options)
    run = re.search(r"Next: preceptor report (\S+)", out)
    assert run
    _, report, _ = preceptor("report", run[1], "--format", "json", "--project", project)
    found: list[dict[str, Any]] = json.loads(report)["run"]["judge"]
    return found


def test_one_that_is_stopped_goes_on_and_ends_the_same(preceptor: Command, project: Path, rated: Path) -> None:
    options = ("judge", "check", rated, "--yes", "--json", "--pairs", "5", "--project", project)
    code, whole, _ = preceptor(*options)
    assert code == 0
    code, _, err = preceptor(*options, "--limit", "20")
    assert code == 1
    resume = re.search(r"preceptor (judge check --resume \S+ --project \S+)", err)
    assert resume
    code, resumed, _ = preceptor(*resume[1].split(), "--json")
    assert code == 0
    one, other = (json.loads(out.splitlines()[-1]) for out in (whole, resumed))
    assert one.pop("run") != other.pop("run")
    assert one == other
    assert one["held"][0]["rows"][0]["name"] == "judge"


def test_a_file_that_has_changed_is_not_gone_on_with(preceptor: Command, project: Path, rated: Path) -> None:
    options = ("--yes", "--pairs", "5", "--project", project)
    _, _, err = preceptor("judge", "check", rated, *options, "--limit", "5")
    run = re.search(r"--resume (\S+)", err)
    assert run
    rated.write_text(rated.read_text("utf-8") + "\n", "utf-8")
    code, _, err = preceptor("judge", "check", "--resume", run[1], "--project", project)
    assert code == 1
    assert "has changed since run" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Give either a FILE with conversations that people rated, or --resume RUN."),
        (("none.jsonl",), "There is no file 'none.jsonl'."),
        (("--resume", "2026"), "There is no run '2026'"),
    ],
)
def test_what_cannot_be_meant_is_told(preceptor: Command, project: Path, arguments: tuple[str, ...], said: str) -> None:
    code, _, err = preceptor("judge", "check", *arguments, "--yes", "--project", project)
    assert code == 1
    assert said in err
