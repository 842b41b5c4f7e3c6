"""`preceptor teach` and `preceptor runs`, on the simulated world."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from preceptor.settings.project import Project
from preceptor.storage.runs import Runs

Command = Callable[..., tuple[int, str, str]]

SMALL = (
    "--set", "teaching.customers=3", "--set", "teaching.iterations=1", "--set", "teaching.held_out=2",
    "--set", "teaching.consolidate=false", "--set", "teaching.choose_placement=false",
)  # fmt: skip


def library_hash(out: str) -> str:
    found = re.search(r"Library ([0-9a-f]{12})\.", out)
    assert found
    return found[1]


def test_an_estimate_comes_first_and_dry_run_stops_there(preceptor: Command, project: Path) -> None:
    code, out, _ = preceptor("teach", "--dry-run", "--project", project)
    assert code == 0
    assert "Estimate (simulated)" in out
    assert all(role in out for role in ("teacher", "student", "customer", "judge"))
    assert not (project / "preceptor.db").exists()


def test_prices_make_the_estimate_cost_money(preceptor: Command, project: Path) -> None:
    priced = ("--set", "models.teacher.price_output=1000000", "--set", "project.currency=EUR")
    _, out, _ = preceptor("teach", "--dry-run", *priced, "--project", project)
    assert re.search(r"In all about [\d,]+ calls, \d+\.\d\d EUR", out)


def test_nobody_to_ask(preceptor: Command, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (project / "preceptor.toml").open() as not_a_terminal:
        monkeypatch.setattr("sys.stdin", not_a_terminal)
        code, _, err = preceptor("teach", "--project", project)
    assert code == 1
    assert "--yes" in err


def test_a_run_that_is_stopped_by_its_budget_and_resumed_ends_like_one_that_is_not(
    preceptor: Command, project: Path
) -> None:
    _, whole, _ = preceptor("teach", "--yes", *SMALL, "--project", project)
    code, _, err = preceptor(
        "teach", "--yes", *SMALL, "--limit", "20", "--set", "project.library=other", "--project", project
    )
    assert code == 1
    assert "budget of 20 calls" in err
    resume = re.search(r"preceptor (teach --resume \S+ --project \S+)", err)
    assert resume
    code, resumed, _ = preceptor(*resume[1].split(), "--set", "project.library=other")
    assert code == 0
    assert library_hash(resumed) == library_hash(whole)
    _, runs, _ = preceptor("runs", "--project", project)
    assert runs.count("done") == 2


def test_why_a_run_ended_and_how_it_goes_on_with_the_same_options(preceptor: Command, project: Path) -> None:
    options = ("--set", "models.judge.temperature=0.5", "--set", "budget.calls=20")
    _, _, err = preceptor("teach", "--yes", *SMALL, *options, "--project", project)
    why, onward = err.splitlines()
    assert why == "preceptor: The budget of 20 calls is used up."
    assert "or --limit CALLS" in onward
    assert onward.endswith(f"--project {project} --set models.judge.temperature=0.5")
    _, runs, _ = preceptor("runs", "--project", project)
    assert "The budget of 20 calls is used up." in runs
    assert not any(line.endswith(" ") for line in runs.splitlines())
    _, shown, _ = preceptor("runs", "show", runs.splitlines()[1].split()[0], "--project", project)
    assert "The budget of 20 calls is used up." in shown


def test_a_run_is_shown_in_words(preceptor: Command, project: Path) -> None:
    preceptor("teach", "--yes", *SMALL, "--project", project)
    _, runs, _ = preceptor("runs", "--project", project)
    run = runs.splitlines()[1].split()[0]
    _, out, _ = preceptor("runs", "show", run[:15], "--project", project)
    assert "Held-out score of the student alone" in out
    assert "Finished: the planned iterations are done." in out
    code, _, err = preceptor("teach", "--resume", run, "--project", project)
    assert code == 1
    assert "is done" in err


def test_a_killed_run_is_not_called_running(preceptor: Command, project: Path) -> None:
    with Project.load(project).database(create=True) as db:
        Runs(db).create("teach", {}, 0)
    assert "broken off" in preceptor("runs", "--project", project)[1]
    assert "broken off" in preceptor("runs", "show", "2", "--project", project)[1]


def test_logs_are_read_and_events_printed_as_json(preceptor: Command, project: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    said = [{"role": "user", "content": "My line is down."}, {"role": "assistant", "content": "Restart your router."}]
    log.write_text(json.dumps({"messages": said}) + "\nnot json\n")
    code, out, _ = preceptor("teach", "--yes", "--json", "--logs", log, *SMALL, "--project", project)
    assert code == 0
    events = [json.loads(line) for line in out.splitlines()]
    assert {"Progress", "ScenarioFound", "HeldOutScore"} <= {event["event"] for event in events}
    assert events[0]["text"].startswith("log.jsonl: 1 rows could not be read; line 2")
    assert events[-1]["event"] == "Finished"


def test_an_estimate_counts_what_is_compared_in_logs_and_tells_of_rows_it_cannot_read(
    preceptor: Command, project: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    said = [
        {"role": "user", "content": "My line is down."},
        {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "look", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "{}"},
        {"role": "assistant", "content": "Restart your router."},
    ]
    log.write_text(10 * (json.dumps({"messages": said}) + "\n") + "{\n")
    code, out, err = preceptor("teach", "--dry-run", "--logs", log, "--project", project)
    assert code == 0
    assert "Logs: 10 conversations, 20 answers to compare." in out
    assert "log.jsonl: 1 rows could not be read; line 11" in err
    few = ("--set", "teaching.logged_conversations=3")
    assert (
        "Logs: 3 conversations, 6 answers"
        in preceptor("teach", "--dry-run", "--logs", log, *few, "--project", project)[1]
    )
    log.write_text("{\n")
    code, _, err = preceptor("teach", "--yes", "--logs", log, "--project", project)
    assert code == 1
    assert "holds no conversation" in err
    assert not (project / "preceptor.db").exists()
