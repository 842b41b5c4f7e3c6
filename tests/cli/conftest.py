"""A project of each kind that commands are tried on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from preceptor.cli.main import run
from preceptor.library.model import Scenario, Strategy
from preceptor.library.rows import Use
from preceptor.library.store import Batch
from preceptor.settings.project import Project

Command = Callable[..., tuple[int, str, str]]

OUTAGE = Scenario("sc-outage", "The customer reports the same outage again.")
SORRY = Strategy(
    "st-sorry", "Apologise for the repeated trouble.", "They had to ask twice.", "sc-outage", 0.4, "accepted"
)
WINDOW = Strategy(
    "st-window", "Give a time window for the repair.", "They plan their day.", "sc-outage", 0.2, "accepted"
)
PROMISE = Strategy("st-promise", "Promise a refund of $20.", "It calms them.", "sc-outage", 0.1, "refused")


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A new project, as `preceptor init` makes it."""
    assert run(["init", str(tmp_path / "desk")]) == 0
    capsys.readouterr()
    return tmp_path / "desk"


@pytest.fixture
def taught(project: Path) -> Path:
    """A project with a small library that nobody has decided on yet."""
    loaded = Project.load(project)
    with loaded.database(create=True) as db:
        batch = Batch([OUTAGE], [SORRY, WINDOW, PROMISE], use=Use("Helpdesk"))
        loaded.library(db).store(batch, "run-1", "1")
    return project


@pytest.fixture
def preceptor(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command line; gives exit code, output and errors."""

    def command(*arguments: str | Path) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return command
