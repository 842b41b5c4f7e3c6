"""`preceptor library measure`: after an edit, and before one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.model import Evidence, Scenario, Strategy
from preceptor.library.rows import STALE, Use
from preceptor.library.store import Batch
from preceptor.settings.project import Project

Command = Callable[..., tuple[int, str, str]]
HELPFUL = "Always state by when the next update will come, as a range."


def said(n: int) -> Context:
    return Context((Turn("customer", f"Hello. I reported a fault on day {n} of the month and nothing has happened."),))


@pytest.fixture
def taught(project: Path) -> Path:
    scenario = Scenario("sc-fault", "A fault report was made earlier.", tuple(said(n) for n in range(1, 21)))
    strategy = Strategy("st-window", "Say when.", "They plan their day.", "sc-fault", 0.4, "accepted")
    origin = Evidence("origin", "", said(1), "Hm.", "", "By Friday.", "It says nothing of when.")
    loaded = Project.load(project)
    with loaded.database(create=True) as db:
        batch = Batch([scenario], [strategy], {"st-window": [origin]}, use=Use("Helpdesk"))
        loaded.library(db).store(batch, "run-1", "1")
    return project


def test_a_wording_is_tried_and_nothing_is_kept(preceptor: Command, taught: Path) -> None:
    before = preceptor("library", "export", "-", "--project", taught)
    code, out, err = preceptor("library", "measure", "st-window", "--text", HELPFUL, "--yes", "--project", taught)
    assert (code, err) == (0, "")
    assert "(simulated)" in out
    assert "In all about 44 calls" in out
    assert "day 1 of the month" in out
    assert preceptor("library", "export", "-", "--project", taught) == before
    assert "measure" in preceptor("runs", "--project", taught)[1]


def test_an_edit_is_measured_and_no_longer_stale(preceptor: Command, taught: Path) -> None:
    preceptor("library", "edit", "st-window", HELPFUL, "--project", taught)
    code, out, _ = preceptor("library", "measure", "st-window", "--yes", "--project", taught)
    assert code == 0
    loaded = Project.load(taught)
    with loaded.database() as db:
        library = loaded.library(db)
        found, evidence = library.strategy("st-window"), library.evidence("st-window")[-1]
    assert found.text == HELPFUL
    assert STALE not in found.flags
    assert evidence.effect is not None
    assert found.value == round(evidence.effect.mean, 6)
    assert f"n = {evidence.effect.n}." in out
    assert evidence.run.startswith("20")


def test_events_are_lines_of_json(preceptor: Command, taught: Path) -> None:
    _, out, _ = preceptor("library", "measure", "st-w", "--text", HELPFUL, "--yes", "--json", "--project", taught)
    events = [orjson.loads(line) for line in out.splitlines()]
    assert sum(event["event"] == "Compared" for event in events) == 11
    assert {event["score"] for event in events if event["event"] == "Compared"} <= {1, 0, -1, None}


def test_what_was_edited_meanwhile_keeps_its_place(preceptor: Command, taught: Path) -> None:
    """A run that was stopped, an edit, and the run again."""
    stopped = preceptor("library", "measure", "st-window", "--yes", "--limit", "10", "--project", taught)
    assert stopped[0] == 1
    run = stopped[2].split("--resume ")[1].split()[0]
    preceptor("library", "edit", "st-window", HELPFUL, "--project", taught)
    code, _, err = preceptor("library", "measure", "--resume", run, "--yes", "--project", taught)
    assert code == 1
    assert "was changed while it was measured (now version 2). Measure again." in err


def test_too_few_places_to_try_it_are_told_before_anything_is_asked(preceptor: Command, taught: Path) -> None:
    loaded = Project.load(taught)
    with loaded.database() as db:
        library = loaded.library(db)
        (scenario,) = library.scenarios()
        library.put_scenario(replace(scenario, examples=scenario.examples[:4]), "run-2")
    code, _, err = preceptor("library", "measure", "st-window", "--yes", "--project", taught)
    assert code == 1
    assert "There are 3 contexts in which 'st-window' could be tried, and 8 are needed" in err
    code, _, err = preceptor("library", "measure", "st-window", "--text", " ", "--yes", "--project", taught)
    assert (code, "no text to try" in err) == (1, True)
    assert preceptor("library", "measure", "--project", taught)[0] == 1
