"""`make torture` tells of each torture what it missed, and goes on."""

import subprocess
import sys
from pathlib import Path

import orjson

TORTURES = Path(__file__).parents[2] / "benchmarks" / "tortures.py"
TOLD = """print('{"ok": %s, "figures": {}, "targets": {"lost": {"target": 0, "measured": %d, "ok": %s}}}')"""
SCRIPTS = {
    "torture_well": TOLD % ("true", 0, "true"),
    "torture_missed": TOLD % ("false", 3, "false"),
    "torture_broken": "raise SystemExit('No server.')",
}


def test_all_have_their_turn_and_each_says_what_it_missed(tmp_path: Path) -> None:
    for name, text in SCRIPTS.items():
        (tmp_path / f"{name}.py").write_text(text, "utf-8")
    scripts = sorted(map(str, tmp_path.glob("*.py")))
    ended = subprocess.run([sys.executable, str(TORTURES), *scripts], capture_output=True, text=True)
    assert ended.returncode == 1
    *_, broken, missed, well, told = ended.stdout.splitlines()
    assert broken.split()[:2] == ["MISS", "torture_broken"]
    assert "ended with 1" in broken
    assert missed.split()[:2] == ["MISS", "torture_missed"]
    assert "lost: 3 (target: 0)" in missed
    assert well.split()[:2] == ["ok", "torture_well"]
    assert not orjson.loads(told)["ok"]
