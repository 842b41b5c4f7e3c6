"""Whatever is wrong ends in one clear sentence and exit code 1, and loses nothing."""

import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from places import reserved
from preceptor.settings.project import Project

Command = Callable[..., tuple[int, str, str]]


def told(result: tuple[int, str, str]) -> str:
    """The one sentence of a failed command."""
    code, _, err = result
    assert code == 1
    assert err.startswith("preceptor: ")
    return err.removeprefix("preceptor: ")


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


STUDENT = '[models.student]\nkind = "simulated"\nworld = "broadband"\nmodel = "student-a"'


def served(project: Path, base_url: str, *more: str) -> None:
    """Let the student be behind an endpoint."""
    lines = ["[models.student]", 'kind = "openai"', f'base_url = "{base_url}"', 'model = "small"', *more]
    replace(project / "preceptor.toml", STUDENT, "\n".join(lines))


def test_no_project_here(preceptor: Command, tmp_path: Path) -> None:
    assert "preceptor init" in told(preceptor("teach", "--yes", "--project", tmp_path))


def test_broken_toml_names_the_line(preceptor: Command, project: Path) -> None:
    replace(project / "preceptor.toml", "[budget]", "[budget")
    assert "not valid TOML" in (sentence := told(preceptor("doctor", "--project", project)))
    assert "at line" in sentence


def test_an_unknown_key_names_the_nearest(preceptor: Command, project: Path) -> None:
    replace(project / "preceptor.toml", "[teaching]", "[teaching]\niteratons = 2")
    assert "did you mean 'iterations'?" in told(preceptor("doctor", "--project", project))


def test_broken_domain(preceptor: Command, project: Path) -> None:
    (project / "domain.yaml").write_text("name: [")
    assert "domain.yaml: not valid YAML" in told(preceptor("teach", "--yes", "--project", project))
    (project / "domain.yaml").write_text("name: x")
    assert "domain.yaml: role" in told(preceptor("teach", "--yes", "--project", project))
    (project / "domain.yaml").unlink()
    assert "There is no domain file" in told(preceptor("teach", "--yes", "--project", project))


@pytest.mark.parametrize("content", [None, "format: [", "format: preceptor-world/2", "- a\n- b"])
def test_a_bad_world_file(preceptor: Command, project: Path, content: str | None) -> None:
    world = project / "world.yaml"
    if content is not None:
        world.write_text(content)
    sentence = told(preceptor("teach", "--yes", "--set", "models.judge.world=world.yaml", "--project", project))
    assert "world.yaml" in sentence
    assert "\n" not in sentence.strip()


def test_a_model_the_world_does_not_have(preceptor: Command, project: Path) -> None:
    sentence = told(preceptor("teach", "--yes", "--set", "models.judge.model=juge", "--project", project))
    assert "has no model 'juge'" in sentence


def test_a_missing_key(preceptor: Command, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DESK_KEY", raising=False)
    served(project, "http://127.0.0.1:9/v1", 'key_env = "DESK_KEY"')
    assert "'DESK_KEY'" in told(preceptor("teach", "--yes", "--project", project))


def test_doctor_tells_every_fault_with_what_to_do(preceptor: Command, project: Path) -> None:
    with reserved() as port:
        served(project, f"http://127.0.0.1:{port}/v1")
        code, out, _ = preceptor("doctor", "--set", "models.judge.model=juge", "--project", project)
    assert code == 1
    assert "cannot be reached" in out
    assert "has no model 'juge'" in out
    assert "See [models.student] in preceptor.toml." in out


@pytest.mark.parametrize("command", [("runs",), ("library", "list"), ("teach", "--yes")])
def test_a_corrupt_database_is_left_as_it_was(preceptor: Command, project: Path, command: tuple[str, ...]) -> None:
    rubbish = b"this is not a database, and it is longer than a header of one hundred bytes" * 20
    (project / "preceptor.db").write_bytes(rubbish)
    told(preceptor(*command, "--project", project))
    assert (project / "preceptor.db").read_bytes() == rubbish


def test_a_newer_database_is_refused(preceptor: Command, taught: Path) -> None:
    with sqlite3.connect(taught / "preceptor.db") as db:
        db.execute("UPDATE alembic_version SET version_num = '9999_from_the_future'")
    db.close()
    assert "newer" in told(preceptor("library", "list", "--project", taught))


def test_a_full_disk_keeps_what_was_there(taught: Path) -> None:
    """A limit on the size of files stands in for the disk: writing beyond it fails likewise."""
    before = (taught / "preceptor.db").stat().st_size
    arguments = ["teach", "--yes", "--project", str(taught)]
    program = f"import sys; from preceptor.cli.main import run; sys.exit(run({arguments!r}))"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before + 50_000, before + 50_000))

    ended = subprocess.run(
        [sys.executable, "-c", program], preexec_fn=limit, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    why, onward = ended.stderr.splitlines()
    assert why.startswith("preceptor: ")
    assert "what was saved is safe" in why
    assert "preceptor teach --resume" in onward
    loaded = Project.load(taught)
    with loaded.database() as db:
        assert db.check() == ()
        assert len(loaded.library(db).strategies()) == 3


def test_output_to_a_full_device(preceptor: Command, taught: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    sentence = told(preceptor("library", "export", "/dev/full", "--project", taught))
    assert "No space left on device" in sentence
    assert "then give the same command again" in sentence


def test_a_library_file_that_is_none(preceptor: Command, taught: Path, tmp_path: Path) -> None:
    bad = tmp_path / "library.yaml"
    bad.write_text("format: something else")
    assert "library.yaml" in told(preceptor("library", "import", bad, "--project", taught))
    assert "2 strategies accepted" in preceptor("library", "list", "--project", taught)[1]


def test_a_log_that_is_not_there(preceptor: Command, project: Path) -> None:
    assert "no log file" in told(preceptor("teach", "--yes", "--logs", "nowhere.jsonl", "--project", project))


def test_a_section_that_stands_twice_is_told_where_its_keys_go(project: Path, preceptor: Command) -> None:
    with (project / "preceptor.toml").open("a") as settings:
        settings.write('\n[tools]\nkind = "python"\n')
    code, _, err = preceptor("tools", "list", "--project", project)
    assert (code, "put keys under the one that is there" in err) == (1, True)


def test_a_policy_file_that_is_not_there_is_told_with_where_it_was_looked_for(
    project: Path, preceptor: Command
) -> None:
    (project / "domain.yaml").write_text("name: Desk\nrole: You help.\ngoal: Help.\npolicy_file: gone.md\n")
    code, _, err = preceptor("tools", "list", "--project", project)
    assert (code, "gone.md" in err, "No such file" in err, "Errno" in err) == (1, True, True, False)


def test_a_backup_is_written_to_a_folder_that_is_there(taught: Path, preceptor: Command, tmp_path: Path) -> None:
    code, _, err = preceptor("backup", tmp_path / "none" / "x.gz", "--project", taught)
    assert (code, "There is no folder" in err) == (1, True)
    assert "preceptor restore" in preceptor("backup", tmp_path / "x.gz", "--project", taught)[1]
