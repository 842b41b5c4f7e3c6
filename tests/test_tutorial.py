"""The tutorial runs: its shell blocks one after the other, its settings in a project."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from preceptor.dialogue.domain import Domain
from preceptor.settings import templates
from preceptor.settings.reading import read
from preceptor.settings.rendering import toml

QUICK = " ".join(
    f"--set teaching.{key}"
    for key in (
        "customers=40", "iterations=1", "held_out=2", "min_contexts=2", "alpha=0.9", "looks=[4,8]",
        "choose_placement=false", "consolidate=false",
    )
)  # fmt: skip
"""A reader's run takes minutes. With the gate ajar a small one has strategies for the steps that follow."""
DOCS = Path(__file__).parents[1] / "docs"


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_its_commands_run(tmp_path: Path) -> None:
    script = "\n".join(["set -euo pipefail", *blocks("tutorial.md", "sh")])
    assert "preceptor teach --yes\n" in script
    script = script.replace("preceptor teach --yes\n", f"preceptor teach --yes {QUICK}\n")
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ended = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    assert "Put into the prompt" in ended.stdout or "no scenario is near enough" in ended.stdout
    assert (tmp_path / "helpdesk" / "library.yaml").exists()


def test_its_settings_are_settings(tmp_path: Path) -> None:
    (block,) = blocks("tutorial.md", "toml")
    told = tomllib.loads(block)
    flat = {f"{s}.{k}": v for s, keys in told.items() for k, v in keys.items() if not isinstance(v, dict)}
    roles = {
        f"models.{r}={{{', '.join(f'{k} = {toml(v)}' for k, v in keys.items())}}}" for r, keys in told["models"].items()
    }
    templates.write(tmp_path, "broadband")
    settings = read(tmp_path / "preceptor.toml", [*roles, *(f"{key}={toml(value)}" for key, value in flat.items())])
    assert settings.models.teacher.model == "gpt-4.1"
    assert settings.budget.money == 20


@pytest.mark.parametrize("block", blocks("reference/domain.md", "yaml"))
def test_the_domain_in_the_reference_is_one(tmp_path: Path, block: str) -> None:
    (tmp_path / "domain.yaml").write_text(block)
    assert Domain.load(tmp_path / "domain.yaml").tools[0].name == "find_loan"
