"""`preceptor evaluate --attribute`: what each strategy does, measured after the arms."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from preceptor.cli.results import show_attribution
from preceptor.dialogue.conversation import Context, Turn
from preceptor.evaluation.attribution import LEAST, Attribution, Contribution
from preceptor.evaluation.statistics import Interval
from preceptor.library.model import Scenario, Strategy
from preceptor.library.rows import Use
from preceptor.library.store import Batch
from preceptor.settings.project import Project
from preceptor.simulated.world import World

Command = Callable[..., tuple[int, str, str]]
WORLD = World.shipped("broadband")
ARMS = ("--arms", "library", "--customers", "14", "--set", "evaluation.unseen=false")


@pytest.fixture
def fired(project: Path) -> Path:
    """A project with one topic, whose strategies stand in most slots: one that does harm, one that does nothing."""
    domain = yaml.safe_load((project / "domain.yaml").read_text("utf-8"))
    domain["topics"] = [topic for topic in domain["topics"] if topic["id"] == "contract"]
    (project / "domain.yaml").write_text(yaml.safe_dump(domain), "utf-8")
    scenarios = [
        Scenario(f"sc-{one.id}", one.described[0], tuple(Context((Turn("customer", said),)) for said in one.customer))
        for one in WORLD.situations
        if one.opens and one.topic == "contract"
    ]
    strategies = [
        Strategy("st-harm", WORLD.move["push-upsell"].told[0], "", None, 0.4, "accepted"),
        Strategy("st-idle", "Sit up straight.", "", None, 0.2, "accepted"),
    ]
    loaded = Project.load(project)
    with loaded.database(create=True) as db:
        loaded.library(db).store(Batch(scenarios, strategies, use=Use("Helpdesk")), "run-1", "1")
    return project


def test_it_is_estimated_measured_and_reported(preceptor: Command, fired: Path) -> None:
    _, without, _ = preceptor("evaluate", *ARMS, "--dry-run", "--project", fired)
    code, planned, _ = preceptor("evaluate", *ARMS, "--dry-run", "--attribute", "--project", fired)
    assert code == 0
    assert "each strategy of arm 'library' is left out in 30 contexts at most" in planned
    calls = [int(re.search(r"In all about ([\d,]+) calls", out)[1].replace(",", "")) for out in (without, planned)]  # type: ignore[index]
    assert calls[1] > calls[0]
    code, out, err = preceptor("evaluate", *ARMS, "--yes", "--attribute", "--project", fired)
    assert code == 0, err
    assert "What the strategies of 'library' do" in out
    assert "of 2 strategies and 1 sets." in out
    assert "comparisons of them: " in out
    _, shown, _ = preceptor("runs", "show", "2", "--project", fired)
    assert "What the strategies of 'library' do" in shown
    _, report, _ = preceptor("report", "--format", "json", "--project", fired)
    found = {one["id"]: one for one in json.loads(report)["strategies"]}
    assert found["st-harm"]["effect"]["n"] >= LEAST
    assert found["st-harm"]["effect"]["value"] < 0
    assert abs(found["st-idle"]["effect"]["value"]) < abs(found["st-harm"]["effect"]["value"])
    assert json.loads(report)["sets"][0]["id"] == "general"
    _, page, _ = preceptor("report", "--out", "-", "--project", fired)
    assert "Whole sets" in page


def test_one_that_is_stopped_while_leaving_out_goes_on(preceptor: Command, fired: Path) -> None:
    options = (*ARMS, "--yes", "--set", "evaluation.attribution=6", "--json", "--project", fired)
    _, whole, _ = preceptor("evaluate", *options)
    spent = [json.loads(line) for line in whole.splitlines()]
    assert {event["phase"] for event in spent if event["event"] == "Progress"} >= {"comparisons of them"}
    with Project.load(fired).database() as db, db.reading() as connection:
        calls = connection.exec_driver_sql("SELECT count(*) FROM calls").scalar_one()
    code, _, err = preceptor("evaluate", *options, "--limit", str(calls - 5))
    assert code == 1
    resume = re.search(r"preceptor (evaluate --resume \S+ --project \S+)", err)
    assert resume
    code, resumed, _ = preceptor(*resume[1].split(), "--json")
    assert code == 0
    one, other = (json.loads(out.splitlines()[-1]) for out in (whole, resumed))
    assert one.pop("run") != other.pop("run")
    assert one == other
    assert one["attribution"]["strategies"]


def test_there_must_be_strategies_to_leave_out(preceptor: Command, project: Path, fired: Path) -> None:
    for options in (("--dry-run",), ("--yes", "--json")):
        code, _, err = preceptor("evaluate", "--arms", "student,fixed", "--attribute", *options, "--project", fired)
        assert code == 1
        assert "none of the arms chooses any: student, fixed" in err


def test_those_that_help_or_hurt_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    def row(id_: str, value: float, q: float, effect: bool = True) -> Contribution:
        found = Interval(value, value - 0.1, value + 0.1, 20) if effect else None
        return Contribution("strategy", id_, f"Do {id_}.", "sc-1", 30, 0.1, 20, 0.2, found, 1, 1, 1, 0, q, q)

    rows = (row("a", 0.5, 0.01), row("b", 0.1, 0.3), row("c", -0.4, 0.01), row("d", -0.6, 0.01), row("e", 0, 1, False))
    show_attribution(Attribution("library", 300, 100, 4, rows, (replace(rows[0], kind="scenario", text="Late."),)))
    assert capsys.readouterr().out.splitlines()[1:] == [
        "What the strategies of 'library' do: replies better with them less replies worse, -1 to 1 [95 %]",
        "  hurts -0.60 [-0.70, -0.50], 20 customers: Do d.",
        "  hurts -0.40 [-0.50, -0.30], 20 customers: Do c.",
        "  helps 0.50 [0.40, 0.60], 20 customers: Do a.",
        "  helps 0.50 [0.40, 0.60], 20 customers: all for “Late.”",
        "  Not decided: 1; met by too few customers: 1; of 5 strategies and 1 sets.",
    ]
