"""The server of the local student, with small servers of Python in its place; the model itself is for bench-real."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from places import answers, reserved
from preceptor.cli import local
from preceptor.errors import UserError
from preceptor.settings import templates
from preceptor.settings.project import Project
from preceptor.settings.schema import Endpoint


def python_server(port: int) -> list[str]:
    return [sys.executable, "-m", "http.server", str(port), "--bind", local.HOST]


def test_a_server_runs_as_long_as_the_block(tmp_path: Path) -> None:
    with reserved() as port:
        with local.serving(python_server(port), port):
            assert answers(port)
        assert not answers(port)


def test_it_ends_when_the_block_fails() -> None:
    with reserved() as port:
        with pytest.raises(KeyError), local.serving(python_server(port), port):
            raise KeyError("teaching failed")
        assert not answers(port)


def test_a_server_that_ends_at_once_is_told_in_its_own_words() -> None:
    dying = [sys.executable, "-c", "raise SystemExit('no such model file')"]
    told = "ended with code 1: no such model file"
    with reserved() as port, pytest.raises(UserError, match=told), local.serving(dying, port):
        pass


def test_a_server_that_never_answers_is_given_up() -> None:
    sleeping = [sys.executable, "-c", "import time; print('loading', flush=True); time.sleep(3600)"]
    told = r"within 0\.5 s: "
    with reserved() as port, pytest.raises(UserError, match=told), local.serving(sleeping, port, patience=0.5):
        pass


def test_without_the_extra_the_way_to_install_it_is_told() -> None:
    with pytest.raises(UserError, match=r"no_such_package, which is not installed.*preceptor\[local\]"):
        local.weights("no_such_package", server="json")


def test_a_package_without_weights_is_told() -> None:
    with pytest.raises(UserError, match="no GGUF file in the package 'json'"):
        local.weights("json", server="json")


def test_weights_are_found_in_their_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "small_weights"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "small.gguf").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert local.weights("small_weights", server="json") == package / "small.gguf"


def test_a_project_with_it_says_how_it_is_reached_and_keeps_to_few_topics(tmp_path: Path) -> None:
    templates.write(tmp_path, "broadband", local.sections(8099), local.TOPICS)
    project = Project.load(tmp_path)
    student = project.settings.models.student
    assert isinstance(student, Endpoint)
    assert student.base_url == f"http://{local.HOST}:8099/v1"
    assert student.concurrency == 1
    assert len(project.domain().topics) == local.TOPICS
    assert project.settings.models.teacher.kind == "simulated"
    lessons = project.settings.teaching.model_dump()
    assert {key: lessons[key] for key in local.LESSONS} == local.LESSONS


def test_a_student_that_does_not_exist_is_refused(preceptor: Callable[..., tuple[int, str, str]]) -> None:
    code, _, err = preceptor("demo", "--student", "cloud")
    assert code == 2
    assert "'cloud'" in err
