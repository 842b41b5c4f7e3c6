"""`preceptor chat`: both sides, and why."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from preceptor.cli.main import run
from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.model import Scenario, Strategy
from preceptor.library.rows import Use
from preceptor.library.store import Batch
from preceptor.settings.project import Project

SAID = "My internet has been down since this morning, and I work from home."


def talk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], project: Path, *lines: str) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    assert run(["chat", "--project", str(project)]) == 0
    return capsys.readouterr().out


@pytest.fixture
def learned(project: Path) -> Path:
    """A project whose library knows an outage from a bill."""
    down = _examples("internet down", "no connection at all", "line dead")
    wrong = _examples("bill too high", "charged twice", "wrong amount charged")
    scenarios = [Scenario("sc-out", "The connection is down.", down), Scenario("sc-bill", "The bill is wrong.", wrong)]
    told = Strategy("st-1", "Apologise for the outage.", "why", "sc-out", 0.5, "accepted")
    loaded = Project.load(project)
    with loaded.database(create=True) as db:
        loaded.library(db).store(Batch(scenarios, [told], use=Use("Helpdesk")), "run", "1")
    return project


def _examples(*texts: str) -> tuple[Context, ...]:
    return tuple(Context((Turn("customer", f"{text}, {more}"),)) for text in texts for more in ("please help", "again"))


def test_two_columns_and_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], learned: Path
) -> None:
    out = talk(monkeypatch, capsys, learned, "/why", SAID, "/why", "/quit", "never said")
    assert "(simulated); the library: what was accepted (nothing is released yet)" in out
    assert "Nothing was said yet." in out
    assert "without the library" in out
    assert "The connection is down." in out
    assert "prompt" in out
    assert "never said" not in out
    assert f"> {SAID}" in out


def test_a_command_that_is_none_is_said_to_nobody(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], learned: Path
) -> None:
    out = talk(monkeypatch, capsys, learned, "/what")
    assert "There is no command '/what'. /why explains" in out
    assert "without the library" not in out


def test_why_nothing_was_put_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], learned: Path
) -> None:
    out = talk(monkeypatch, capsys, learned, "I was charged twice, please help", "/why", "Nice weather.", "/why")
    assert "The bill is wrong." in out
    assert "Nothing was put in: no strategy is in use for what was found." in out
    assert "Nothing was put in: no scenario is near enough." in out


def test_no_library_yet(preceptor: Callable[..., tuple[int, str, str]], project: Path) -> None:
    code, _, err = preceptor("chat", "--project", project)
    assert code == 1
    assert "`preceptor teach` makes one" in err
