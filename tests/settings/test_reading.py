"""Reading preceptor.toml: what is understood, and in what words faults are told."""

from decimal import Decimal
from pathlib import Path

import pytest

from preceptor.errors import NotFound, SettingsError
from preceptor.settings.reading import read
from preceptor.settings.schema import Endpoint, Simulated

MINIMAL = """
[models]
teacher = {kind = "simulated", model = "teacher"}
customer = {kind = "simulated", model = "customer"}
judge = {kind = "simulated", model = "judge"}

[models.student]
kind = "openai"
base_url = "http://127.0.0.1:8000/v1"
model = "small"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "preceptor.toml"
    path.write_text(text, "utf-8")
    return path


def fault(folder: Path, text: str, *overrides: str) -> str:
    path = written(folder, text)
    with pytest.raises(SettingsError) as raised:
        read(path, overrides)
    message = str(raised.value)
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    settings = read(written(tmp_path, MINIMAL))
    assert isinstance(settings.models.student, Endpoint)
    assert isinstance(settings.models.of("teacher"), Simulated)
    assert settings.project.domain == Path("domain.yaml")
    assert settings.teaching.seed == 0
    assert settings.library.approve_by_rule is False


def test_prices_are_exact(tmp_path: Path) -> None:
    settings = read(written(tmp_path, MINIMAL + "price_input = 0.1\n"))
    assert settings.models.student.price_input == Decimal("0.1")


def test_overrides_are_laid_on_top(tmp_path: Path) -> None:
    overrides = ["models.student.temperature=0.2", "models.student.model=other", "teaching.looks=[1, 2]"]
    settings = read(written(tmp_path, MINIMAL), overrides)
    assert settings.models.student.temperature == 0.2
    assert settings.models.student.model == "other"
    assert settings.teaching.looks == (1, 2)


def test_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="preceptor init"):
        read(tmp_path / "preceptor.toml")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("tempratur = 1", "unknown key 'tempratur' in [models.student]; did you mean 'temperature'?"),
        ("xyz = 1", "unknown key 'xyz' in [models.student]; there are: temperature, top_p,"),
        ("[model.teacher]\nkind = 'openai'", "unknown section 'model'; did you mean 'models'?"),
        ("[teaching]\niteration = 3", "unknown key 'iteration' in [teaching]; did you mean 'iterations'?"),
        ("[budget]\nmoney = -1", "budget.money: Input should be greater than or equal to 0."),
        ("[retrieval]\nembedder = 'endpoint'", "retrieval: embedder = 'endpoint' needs retrieval.base_url."),
        ("[budget]\nmoney = 1", "budget.money is set, but no model has a price"),
        ("[project]\ndatabase = 'postgresql://me:pw@h/db'", "project.database: a password must not stand in the file"),
        (
            "[serving.upstreams.a]\nbase_url = 'https://me:pw@h/v1'",
            "serving.upstreams.a.base_url: a user or password must not stand in the address",
        ),
        ("top_p = [", "not valid TOML: Invalid value (at end of document)."),
        ("a b", "not valid TOML: Expected '=' after a key in a key/value pair (at line 11, column 3)."),
        ("timeout = 'soon'", "models.student.timeout: Input should be a valid number"),
    ],
)
def test_faults_are_told_in_the_words_of_the_file(tmp_path: Path, more: str, expected: str) -> None:
    assert fault(tmp_path, MINIMAL + more).startswith(expected)


def test_no_password_stands_in_a_models_address(tmp_path: Path) -> None:
    told = fault(tmp_path, MINIMAL.replace("http://", "http://me:hunter2@"))
    assert "must not stand in the address" in told
    assert "hunter2" not in told


def test_a_missing_role_is_named(tmp_path: Path) -> None:
    without = MINIMAL.replace('judge = {kind = "simulated", model = "judge"}\n', "")
    assert fault(tmp_path, without) == "key 'judge' is missing in [models]."


def test_an_unknown_kind_of_model(tmp_path: Path) -> None:
    assert fault(tmp_path, MINIMAL.replace('"openai"', '"opnai"')) == (
        "models.student: needs a kind, one of 'openai', 'simulated'."
    )


@pytest.mark.parametrize("override", ["temperature", "temperature=1", "models.teacher.model.x=1"])
def test_an_override_that_is_none(tmp_path: Path, override: str) -> None:
    assert "--set" in fault(tmp_path, MINIMAL, override)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "preceptor.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        read(path)
