"""The names programs may rely on: there, documented, cheap to have, and at work in the example of the docs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import preceptor

PAGE = (Path(__file__).parents[1] / "docs" / "reference" / "python.md").read_text("utf-8")


@pytest.mark.parametrize("name", preceptor.__all__)
def test_each_name_is_there_and_documented(name: str) -> None:
    assert getattr(preceptor, name).__doc__
    assert f"`{name}`" in PAGE


def test_the_page_names_nothing_else() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(preceptor.__all__)


def test_another_name_is_missed_as_usual() -> None:
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = preceptor.nothing_here


def test_importing_it_imports_nothing_heavy() -> None:
    program = (
        "import preceptor, sys; print(*(m for m in ('numpy', 'openai', 'sqlalchemy', 'pydantic') if m in sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == ""


def test_the_example_runs(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    ended = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert [line.split(" ")[0] for line in ended.stdout.splitlines()] == ["student", "student", "teacher"]
