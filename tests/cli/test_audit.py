"""`preceptor audit`: who did what, out of the terminal, and found out when it was altered."""

import csv
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def worked(preceptor: Command, taught: Path) -> Path:
    at = ("--project", taught, "--author", "ada")
    assert preceptor("library", "approve", "st-sorry", "--note", "=1+1", *at)[0] == 0
    assert preceptor("library", "release", *at)[0] == 0
    return taught


def database(folder: Path) -> Path:
    (found,) = folder.rglob("*.db")
    return found


def test_what_was_done_is_shown_and_can_be_narrowed(preceptor: Command, worked: Path) -> None:
    _, out, _ = preceptor("audit", "show", "--project", worked)
    assert out.index("store") < out.index("pending → approved; =1+1") < out.index("release")
    _, out, _ = preceptor("audit", "show", "--who", "ada", "--what", "decide", "--project", worked)
    assert "st-sorry@1" in out
    assert "live" not in out
    assert "No such lines." in preceptor("audit", "show", "--since", "2200-01-01", "--project", worked)[1]
    assert "is no date" in preceptor("audit", "show", "--since", "soon", "--project", worked)[2]


def test_it_is_exported_for_spreadsheets_and_machines(preceptor: Command, worked: Path, tmp_path: Path) -> None:
    file = tmp_path / "trail.csv"
    assert preceptor("audit", "export", "--file", file, "--project", worked)[0] == 0
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["note"] for row in rows if row["what"] == "decide"] == ["'=1+1"]
    _, out, _ = preceptor("audit", "export", "--format", "jsonl", "--what", "release", "--project", worked)
    assert out.count("\n") == 1
    assert rows[-1]["hash"] in out


def test_an_alteration_is_told_and_a_noted_head_is_asked_for(preceptor: Command, worked: Path) -> None:
    code, out, _ = preceptor("audit", "verify", "--project", worked)
    head = out.split("Head: ")[1].strip()
    assert code == 0
    assert preceptor("audit", "verify", "--head", head, "--project", worked)[0] == 0
    code, _, err = preceptor("audit", "verify", "--head", "0" * 64, "--project", worked)
    assert code == 1
    assert "does not hold" in err
    with sqlite3.connect(database(worked)) as connection:
        connection.execute("UPDATE strategies SET decision = 'approved' WHERE id = 'st-window'")
    code, _, err = preceptor("audit", "verify", "--project", worked)
    assert code == 1
    assert "'decision' of st-window@1 is 'approved'; the trail says 'pending'" in err
