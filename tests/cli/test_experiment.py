"""`preceptor experiment coaching`, on the simulated worlds, in its smallest form."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]
SMALL = ("--customers", "12", "--iterations", "1", "--unseen", "4", "--others", "2", "--students", "student-b")
# Without the gate everything is kept, so that there is a library after so few customers.
CHANGED = ("gate=false", "min_contexts=1", "choose_placement=false", "consolidate=false", "held_out=2")
FAST = tuple(word for change in CHANGED for word in ("--set", f"teaching.{change}"))


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_says_first_what_it_asks_and_what_it_takes_and_dry_run_leaves_nothing(
    preceptor: Command, somewhere: Path
) -> None:
    code, out, err = preceptor("experiment", "coaching", "--dry-run", "--quick")
    assert code == 0, err
    assert "Does teaching strategies beat showing responses?" in out
    assert "Carried to: student-b, " in out
    assert "student, Aldermere Air customer desk" in out
    assert "100 customers served by every arm, 60 in each transfer." in out
    assert "Estimate (simulated)" in out
    assert list(somewhere.iterdir()) == []


def test_it_stops_with_its_budget_goes_on_and_answers_by_the_plan_it_was_begun_with(
    preceptor: Command, somewhere: Path
) -> None:
    code, out, err = preceptor("experiment", "coaching", "--yes", *SMALL, *FAST, "--limit", "1000")
    assert code == 1
    assert "budget of 1000 calls" in err
    said = re.search(r"The plan is in (\S+); its hash is (\w+)", out)
    again = re.search(r"preceptor (experiment coaching --resume \S+ --project \S+)", err)
    assert said
    assert again
    plan = Path(said[1])
    written = plan.read_text("utf-8")
    assert json.loads(written)["hash"] == said[2]

    plan.write_text(written.replace("0.05", "0.5"), "utf-8")
    code, _, err = preceptor(*again[1].split())
    assert code == 1
    assert "is not the plan this experiment was begun with" in err

    plan.write_text(written, "utf-8")
    put_back = plan.stat()
    code, _, err = preceptor(*again[1].split(), "--set", "models.judge.model=student-c")
    assert code == 1
    assert "was registered with other models than there are now" in err

    code, out, err = preceptor(*again[1].split(), "--set", "teaching.customers=99")
    assert code == 0, err
    assert "Answers (simulated)" in out
    assert plan.stat().st_mtime_ns == put_back.st_mtime_ns, "what a kill could cut is not written again"
    report = json.loads((plan.parent / "report.json").read_text("utf-8"))
    assert report["plan"]["hash"] == said[2]
    assert [answer["question"] for answer in report["answers"]] == [
        "better", "responses", "context", "students", "contexts", "policy", "cost", "parts",
    ]  # fmt: skip
    assert all(
        {"value", "low", "high", "n"} == comparison["difference"].keys()
        for answer in report["answers"]
        for comparison in answer["comparisons"]
    )
    assert {"no annealing", "no retry rounds", "no gate", "no abstention", "few-shot", "teacher"} <= report[
        "arms"
    ].keys()
    told = (plan.parent / "report.md").read_text("utf-8")
    assert said[2] in told
    assert "Models were simulated" in told
    assert "<!doctype html>" in (plan.parent / "arms.html").read_text("utf-8")[:200].lower()
    # Parts that were done were not done again.
    names = list(report["runs"])
    assert len(names) == len(set(report["runs"].values())) == 9
    _, shown, _ = preceptor("runs", "--project", "experiment")
    assert shown.count(" teach ") == 4
    assert shown.count(" evaluate ") == 5
    _, shown, _ = preceptor("runs", "show", report["experiment"], "--project", "experiment")
    assert f"Begun: all arms, run {report['runs']['all arms']}" in shown
    assert "better: " in shown


def test_without_anything_learned_there_is_nothing_to_ask_about(preceptor: Command) -> None:
    options = ("--customers", "2", "--iterations", "1", "--unseen", "2", "--others", "2", "--students", "")
    code, _, err = preceptor("experiment", "coaching", "--yes", *options, "--set", "teaching.held_out=2")
    assert code == 1
    assert "Teaching accepted no strategy" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--world", "nowhere"), "There is no template 'nowhere'"),
        (("--resume", "x"), "Say with --project"),
        (("--students", "nobody"), "There is no student 'nobody'"),
        (("--project", "nowhere"), "There is no settings file"),
        ((), "There is nobody to ask here"),
    ],
)
def test_what_cannot_be_meant_is_told(preceptor: Command, options: tuple[str, ...], said: str) -> None:
    code, _, err = preceptor("experiment", "coaching", *options)
    assert code == 1
    assert said in err
