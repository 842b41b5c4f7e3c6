"""`preceptor init`"""

from pathlib import Path

import pytest

from preceptor.cli.main import run
from preceptor.dialogue.domain import Domain
from preceptor.settings.reading import read
from preceptor.simulated.world import World, shipped_names


@pytest.mark.parametrize("template", shipped_names())
def test_the_files_run_as_they_are(tmp_path: Path, template: str) -> None:
    assert run(["init", str(tmp_path / "desk"), "--template", template]) == 0
    world = World.shipped(template)
    settings = read(tmp_path / "desk" / "preceptor.toml")
    assert settings.models.student.model == world.roles["student"]
    written = Domain.load(tmp_path / "desk" / "domain.yaml")
    assert written == Domain.parse(world.domain, template)


def test_what_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "domain.yaml").write_text("mine")
    assert run(["init", str(tmp_path)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["domain.yaml"]
    assert (tmp_path / "domain.yaml").read_text() == "mine"


def test_a_place_that_cannot_be_written_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert run(["init", str(tmp_path / "file" / "desk")]) == 1
    assert "Not a directory" in capsys.readouterr().err
