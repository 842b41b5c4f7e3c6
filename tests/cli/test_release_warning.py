"""`preceptor library release` says what it would lose."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.rows import Use
from preceptor.library.store import Batch
from preceptor.settings.project import Project

from .conftest import OUTAGE, SORRY, WINDOW

Command = Callable[..., tuple[int, str, str]]
KEPT = ("My line is down again.", "It is the third outage this week.", "There is no connection since noon.")


@pytest.fixture
def released(project: Path, preceptor: Command) -> tuple[str | Path, ...]:
    """Options for a project with a release that gives two strategies in its kept contexts."""
    loaded = Project.load(project)
    scenario = replace(OUTAGE, examples=tuple(Context((Turn("customer", text),)) for text in KEPT))
    with loaded.database(create=True) as db:
        batch = Batch([scenario], [SORRY, WINDOW], use=Use("Helpdesk", false_injections=0.9))
        loaded.library(db).store(batch, "run-1", "1")
    at = ("--author", "ann", "--project", project)
    preceptor("library", "approve", "--accepted", *at)
    code, _, err = preceptor("library", "release", *at)
    assert (code, err) == (0, "")
    return at


def test_a_release_that_would_lose_something_warns_and_names_it(
    preceptor: Command, released: tuple[str | Path, ...]
) -> None:
    preceptor("library", "reject", "st-window", *released)
    code, out, err = preceptor("library", "release", "--check", *released)
    assert code == 0
    assert "is live" not in out
    assert "Warning: in 3 of 3 kept contexts" in err
    assert "3 × st-window (not in it): Give a time window for the repair." in err
    code, out, err = preceptor("library", "release", *released)
    assert code == 0
    assert "is live: 1 strategies" in out
    assert "st-window" in err
    assert "`preceptor library rollback` goes back" in err


def test_one_that_loses_nothing_does_not(preceptor: Command, released: tuple[str | Path, ...]) -> None:
    preceptor("library", "edit", "st-window", "Say when the engineer comes.", *released)
    preceptor("library", "approve", "st-window", *released)
    code, out, err = preceptor("library", "release", *released)
    assert (code, err) == (0, "")
    assert "Nothing is lost in the 3 kept contexts" in out


def test_it_quotes_an_evaluation_that_has_compared_them(preceptor: Command, released: tuple[str | Path, ...]) -> None:
    preceptor("library", "reject", "st-window", *released)
    arms = ("old={kind='library', release='live'}", "new={kind='library', release='candidate'}")
    lines = [word for arm in arms for word in ("--set", f"evaluation.arms.{arm}")]
    options = ("--yes", "--customers", "2", *lines, "--project", released[-1])
    code, _, err = preceptor("evaluate", *options)
    assert code == 0, err
    _, _, err = preceptor("library", "release", "--check", *released)
    assert "has compared them. new against old: not decided" in err
