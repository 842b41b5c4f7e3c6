"""How the command line answers: help, usage, exit codes."""

import re

import pytest

from preceptor.cli.main import run


def test_help_lists_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    assert re.search(r"^  init +Start a project", capsys.readouterr().out, re.MULTILINE)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert re.fullmatch(r"preceptor \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_wrong_usage_exits_2_and_names_the_nearest_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["innit"]) == 2
    assert "Did you mean 'init'?" in capsys.readouterr().err


def test_a_failure_is_one_sentence_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "somewhere", "--template", "bakery"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"preceptor: There is no template 'bakery'; there are: .+\.\n", err)
