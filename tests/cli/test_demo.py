"""`preceptor demo`, in small."""

from collections.abc import Callable
from pathlib import Path

SMALL = ("customers=12", "iterations=1", "held_out=2", "min_contexts=2", "gate=false", "choose_placement=false")


def test_it_teaches_measures_and_says_what_is_next(
    preceptor: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "demo").mkdir()
    small = [part for setting in SMALL for part in ("--set", f"teaching.{setting}")]
    code, out, _ = preceptor(
        "demo", "--template", "airline", "--customers", "20", "--folder", tmp_path / "demo", *small
    )
    assert code == 0
    assert "What was learned (simulated)" in out
    assert "Before and after (simulated)" in out
    (heading,) = (line for line in out.splitlines() if "student with library  " in line)
    assert heading.split() == ["student", "student", "with", "library", "teacher"]
    assert "student with library against student: " in out
    assert f"--project {tmp_path / 'demo-2'}" in out
    assert f"preceptor library approve --accepted --project {tmp_path / 'demo-2'}" in out
    assert list((tmp_path / "demo").iterdir()) == []
