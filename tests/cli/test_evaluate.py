"""`preceptor evaluate`, on the simulated world."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from preceptor.settings.project import Project

Command = Callable[..., tuple[int, str, str]]
ARMS = ("--arms", "student,teacher,fixed")
LINES = """\
bare = { kind = "student" }
taught = { kind = "library", release = "candidate" }
brief = { kind = "prompt", file = "tone.txt" }
all = { kind = "whole-library", tokens = 100 }
few = { kind = "general" }
told = { kind = "instruction", text = "Be kind." }
think = { kind = "chain-of-thought" }
"""


def test_the_plan_comes_first_and_dry_run_stops_there(preceptor: Command, project: Path) -> None:
    code, out, _ = preceptor("evaluate", "--dry-run", *ARMS, "--customers", "60", "--project", project)
    assert code == 0
    assert "60 customers, each served by 3 arms: student, teacher, fixed." in out
    assert "Estimate (simulated)" in out
    assert "With 60 customers you can see a difference of 0.37." in out
    assert not (project / "preceptor.db").exists()


def test_it_ends_with_a_table_the_verdicts_and_what_is_next(preceptor: Command, project: Path) -> None:
    code, out, _ = preceptor("evaluate", "--yes", *ARMS, "--customers", "12", "--project", project)
    assert code == 0
    assert "Arms (simulated): means over 12 customers" in out
    assert re.search(r"satisfaction \(1 to 5\) +\d\.\d\d \[\d\.\d\d, \d\.\d\d\] +\d\.\d\d", out)
    assert re.search(r"^teacher against student: better \(satisfaction \+\d\.\d\d \[", out, re.MULTILINE)
    assert re.search(r"^fixed against student: worse \(", out, re.MULTILINE)
    run = re.search(r"Next: preceptor report (\S+) --project", out)
    assert run
    _, shown, _ = preceptor("runs", "show", run[1], "--project", project)
    assert "teacher against student: better" in shown
    assert "Finished: every customer was served." in shown
    code, _, err = preceptor("evaluate", "--resume", run[1], "--project", project)
    assert code == 1
    assert "is done" in err


def test_a_run_that_is_stopped_by_its_budget_and_resumed_ends_like_one_that_is_not(
    preceptor: Command, project: Path
) -> None:
    options = ("--customers", "6", "--set", "evaluation.duels=2", "--json", "--project", project)
    _, whole, _ = preceptor("evaluate", "--yes", *ARMS, *options)
    code, _, err = preceptor("evaluate", "--yes", *ARMS, *options, "--limit", "30")
    assert code == 1
    assert "budget of 30 calls" in err
    resume = re.search(r"preceptor (evaluate --resume \S+ --project \S+)", err)
    assert resume
    code, resumed, _ = preceptor(*resume[1].split(), "--json")
    assert code == 0
    one, other = (json.loads(out.splitlines()[-1]) for out in (whole, resumed))
    assert one.pop("run") != other.pop("run")
    assert one == other
    assert {event["event"] for event in map(json.loads, whole.splitlines())} == {
        "Progress", "Measured", "Decided", "Finished", "Report",
    }  # fmt: skip


def test_arms_are_lines_of_settings(preceptor: Command, taught: Path) -> None:
    (taught / "tone.txt").write_text("{role} Be brief. {policy}")
    settings = taught / "preceptor.toml"
    settings.write_text(
        settings.read_text("utf-8").replace("[evaluation.arms]\n", f"[evaluation.arms]\n{LINES}"), "utf-8"
    )
    code, out, err = preceptor("evaluate", "--yes", "--json", "--customers", "2", "--project", taught)
    assert code == 0, err
    names = ["bare", "taught", "brief", "all", "few", "told", "think"]
    assert sorted(json.loads(out.splitlines()[-1])["arms"]) == sorted(names)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--arms", "studnet"), "There is no arm 'studnet'. The settings have: student, library, teacher."),
        (("--arms", "prompt"), "arms.prompt.prompt.file: Field required. Say it in [evaluation.arms]."),
        ((), "Arm 'library': the library has no strategies yet. `preceptor teach` fills it"),
        (("--arms", "examples"), "Arm 'examples' has no examples to show: nothing was taught yet."),
        (("--set", 'evaluation.arms.a={kind="library", release="live"}'), "Arm 'a': no release is in force."),
        (("--set", 'evaluation.arms.a={kind="prompt", file="x.txt"}'), "There is no file"),
        (("--set", 'evaluation.arms.a={kind="libary"}'), "needs a kind, one of 'student'"),
        (("--set", 'evaluation.arms.a={kind="library", relase="x"}'), "unknown key 'relase'"),
        (("--resume", "2026"), "There is no run '2026'"),
    ],
)
def test_what_cannot_be_meant_is_told_in_a_sentence(
    preceptor: Command, project: Path, arguments: tuple[str, ...], said: str
) -> None:
    code, _, err = preceptor("evaluate", "--yes", "--customers", "2", *arguments, "--project", project)
    assert code == 1
    assert said in err


def test_simulated_customers_speak_as_nobody_was_taught_from(preceptor: Command, project: Path) -> None:
    preceptor("evaluate", "--yes", "--arms", "fixed", "--customers", "2", "--project", project)
    with Project.load(project).database() as db, db.reading() as connection:
        models = set(connection.exec_driver_sql("SELECT model FROM calls WHERE role = 'customer'").scalars())
    assert models == {"simulated:broadband customer-unseen"}
