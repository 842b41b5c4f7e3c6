"""A benchmark whose data is not there measures nothing, and says so."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("judges", ("stc3_en/none.json",), "sakai-lab/stc3-dataset"),
        ("logs", ("--data", "none", "--log", "none.jsonl"), "tau-bench"),
        ("sandbox", ("--data", "none"), "tau2-bench"),
    ],
)
def test_data_that_is_not_there_is_named_with_where_to_get_it(
    name: str, arguments: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    command = [sys.executable, str(BENCHMARKS / f"bench_{name}.py"), *arguments]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
    assert told in ended.stderr
    assert "Nothing was measured" in ended.stderr
    assert "Traceback" not in ended.stderr
