"""`preceptor transfer`, on the simulated worlds."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from preceptor.cli.main import run
from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.model import Release, Scenario, Strategy
from preceptor.library.rows import Use
from preceptor.library.store import Batch
from preceptor.settings.project import Project

Command = Callable[..., tuple[int, str, str]]
KEPT = ("My internet is down again.", "The line drops every evening.", "I have had no connection since noon.")
BILL = ("You charged me twice this month.", "My bill is higher than it should be.", "I do not understand this bill.")
LINE = Scenario("sc-line", "The line is down.", tuple(Context((Turn("customer", text),)) for text in KEPT))
MONEY = Scenario("sc-bill", "A bill is wrong.", tuple(Context((Turn("customer", text),)) for text in BILL))
SORRY = Strategy("st-sorry", "Apologise for the repeated trouble.", "", "sc-line", 0.4, "accepted")
CHECK = Strategy("st-check", "Go through the bill line by line.", "", "sc-bill", 0.3, "accepted")


@pytest.fixture
def taught(project: Path) -> Path:
    """A project whose library reaches most customers."""
    put(project, [LINE], [SORRY])
    return project


@pytest.fixture
def elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert run(["init", str(tmp_path / "gate"), "--template", "airline"]) == 0
    capsys.readouterr()
    return tmp_path / "gate"


def put(project: Path, scenarios: list[Scenario], strategies: list[Strategy], step: str = "1") -> None:
    loaded = Project.load(project)
    with loaded.database(create=True) as db:
        batch = Batch(scenarios, strategies, use=Use("Helpdesk", false_injections=0.9))
        loaded.library(db).store(batch, "run-1", step)


def test_a_library_is_tried_on_other_students_and_in_another_domain(
    preceptor: Command, taught: Path, elsewhere: Path, tmp_path: Path
) -> None:
    preceptor("library", "export", tmp_path / "taken.yaml", "--project", taught)
    libraries = f"candidate,{tmp_path / 'taken.yaml'},{taught}"
    options = ("--libraries", libraries, "--students", "student-b", "--domains", elsewhere, "--customers", "4")
    code, out, err = preceptor("transfer", "--yes", *options, "--project", taught)
    assert code == 0, err
    assert "Gains in satisfaction (simulated)" in out
    shown = {line.split("  ")[0] for line in out.splitlines()}
    assert {"student, Fernlink Broadband helpdesk", "student-b, Fernlink Broadband helpdesk"} <= shown
    assert re.search(r"^student-b, .*: that domain's world has no such student", out, re.MULTILINE)
    assert len(re.findall(r"(candidate|taken|desk) against alone: ", out)) == 9
    reports = re.findall(r"preceptor report (\S+)", out)
    assert len(reports) == 3
    code, report, _ = preceptor("report", reports[1], "--format", "md", "--project", taught)
    assert code == 0
    assert "student-b" in report


def test_a_copy_of_a_library_gains_what_the_library_gains(preceptor: Command, taught: Path, tmp_path: Path) -> None:
    preceptor("library", "export", tmp_path / "copy.jsonl", "--project", taught)
    libraries = f"candidate,{tmp_path / 'copy.jsonl'}"
    options = ("--yes", "--json", "--libraries", libraries, "--customers", "6", "--project", taught)
    cells = json.loads(preceptor("transfer", *options)[1].splitlines()[-1])["cells"]
    assert [cell["library"] for cell in cells] == ["candidate", "copy"]
    assert cells[0]["gain"] == cells[1]["gain"]


def test_the_budget_binds_over_all_columns_and_resuming_ends_alike(preceptor: Command, taught: Path) -> None:
    options = ("--libraries", "candidate", "--students", "student-b", "--customers", "3", "--strategies", "6")
    at = ("--json", "--project", taught)
    _, whole, err = preceptor("transfer", "--yes", *options, *at)
    assert not err
    code, out, err = preceptor("transfer", "--yes", *options, *at, "--limit", "25")
    assert code == 1
    assert "budget of 25 calls" in err
    assert '"event":"Report"' not in out
    again = re.search(r"preceptor (transfer --resume \S+ --project \S+)", err)
    assert again
    code, resumed, err = preceptor(*again[1].split(), "--json")
    assert code == 0, err
    one, other = (json.loads(out.splitlines()[-1]) for out in (whole, resumed))
    assert one["run"] != other["run"]
    assert (one["cells"], one["strategies"]) == (other["cells"], other["strategies"])
    assert [row["student"] for row in one["strategies"]] == ["student", "student-b"]


def test_releases_show_what_each_gained_and_the_last_forgot(preceptor: Command, taught: Path) -> None:
    at = ("--author", "ann", "--project", taught)
    preceptor("library", "approve", "--accepted", *at)
    preceptor("library", "release", *at)
    put(taught, [LINE, MONEY], [SORRY, CHECK], "2")
    preceptor("library", "approve", "--accepted", *at)
    assert preceptor("library", "release", *at)[0] == 0
    code, out, err = preceptor("transfer", "--yes", "--releases", "--customers", "8", "--project", taught)
    assert code == 0, err
    assert "first reached by" in out
    assert re.search(r"^Forward transfer .*: (-?\d\.\d\d|nobody)", out, re.MULTILINE)
    assert re.search(r"^Backward transfer ", out, re.MULTILINE)
    one, other = (release.hash[:12] for release in releases(taught))
    assert re.search(rf"^{other} against {one}: (not decided|better|worse)", out, re.MULTILINE)


def releases(project: Path) -> list[Release]:
    loaded = Project.load(project)
    with loaded.database() as db:
        return sorted(loaded.library(db).releases(), key=lambda release: release.created)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--students", "nobody"), "There is no student 'nobody'"),
        (("--libraries", "missing"), "missing"),
        (("--libraries", "candidate,candidate"), "names of their own"),
        (("--domains", "nowhere"), "There is no project in 'nowhere'"),
        (("--releases",), "two releases at least"),
        (("--resume", "x"), "There is no run 'x'"),
    ],
)
def test_what_cannot_be_meant_is_told(preceptor: Command, taught: Path, options: tuple[str, ...], said: str) -> None:
    code, _, err = preceptor("transfer", "--yes", *options, "--project", taught)
    assert code == 1
    assert said in err


def test_students_may_be_named_in_the_settings(preceptor: Command, taught: Path) -> None:
    line = "transfer.students.weak={kind='simulated', model='student-tiny'}"
    code, out, _ = preceptor("transfer", "--dry-run", "--set", line, "--students", "weak", "--project", taught)
    assert code == 0
    assert "weak, Fernlink Broadband helpdesk." in out
