"""`preceptor report`, on an evaluation of the simulated world."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def evaluated(preceptor: Command, project: Path) -> Path:
    """A project with one evaluation: three arms, four customers."""
    options = ("--arms", "student,teacher,fixed", "--customers", "4", "--project", project)
    assert preceptor("evaluate", "--yes", *options)[0] == 0
    return project


def test_every_format_shows_the_newest_evaluation(preceptor: Command, evaluated: Path, tmp_path: Path) -> None:
    target = tmp_path / "found.html"
    code, out, _ = preceptor("report", "--project", evaluated, "--out", target)
    assert code == 0
    assert target.as_uri() in out
    html = target.read_text("utf-8")
    assert re.search(r"<h1>.*“teacher”.*“student”.*</h1>", html)
    assert "Simulated" in html
    run = re.search(r"Evaluation (\S+)</span>", html)
    assert run
    _, markdown, _ = preceptor("report", run[1], "--project", evaluated, "--format", "md")
    assert "(simulated)" in markdown
    _, made, _ = preceptor("report", run[1][:8], "--project", evaluated, "--format", "json")
    assert json.loads(made)["run"]["id"] == run[1]
    assert {model["role"] for model in json.loads(made)["run"]["models"]} == {"customer", "judge", "student", "teacher"}
    _, table, _ = preceptor("report", "--project", evaluated, "--format", "csv")
    assert len(list(csv.DictReader(io.StringIO(table)))) == 12
    _, xml, _ = preceptor("report", "--project", evaluated, "--format", "junit")
    assert {suite.get("name") for suite in ElementTree.fromstring(xml)} == {
        "teacher against student",
        "fixed against student",
    }


def test_a_bound_that_does_not_hold_ends_with_1_and_a_sentence(preceptor: Command, evaluated: Path) -> None:
    shown = ("report", "--project", evaluated, "--format", "junit")
    code, _, err = preceptor(*shown, "--fail-under", "teacher:satisfaction=1", "--fail-under", "satisfaction=4.999")
    assert code == 1
    held, broken = err.splitlines()
    assert held.startswith("--fail-under teacher:satisfaction=1 holds:")
    assert broken.startswith("--fail-under satisfaction=4.999 does not hold: satisfaction of “teacher” is ")
    assert preceptor(*shown, "--fail-under", "satisfaction=1")[0] == 0


def test_a_redacted_report_has_no_conversation(preceptor: Command, evaluated: Path, tmp_path: Path) -> None:
    whole, redacted = tmp_path / "whole.html", tmp_path / "redacted.html"
    preceptor("report", "--project", evaluated, "--out", whole)
    preceptor("report", "--project", evaluated, "--out", redacted, "--redact")
    assert "Customer</span>" in whole.read_text("utf-8")
    assert "Customer</span>" not in redacted.read_text("utf-8")


def test_what_cannot_be_reported_is_told_in_a_sentence(preceptor: Command, taught: Path) -> None:
    assert preceptor("report", "--project", taught)[2].startswith("preceptor: There is no evaluation yet.")
    assert "expected MEASURE=VALUE" in preceptor("report", "--project", taught, "--fail-under", "good")[2]
    assert "There is no run 'nothing'" in preceptor("report", "nothing", "--project", taught)[2]
