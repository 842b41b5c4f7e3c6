"""`make torture`: every `torture_*` one after the other, and what came of each, in a table at the end.

One that misses a target or breaks keeps no other from its turn. Ends with 1 if any did. Prints what they print, and as
its last line a JSON object with theirs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from desk import aligned, quick


@dataclass(frozen=True)
class Came:
    """What came of one."""

    name: str
    seconds: float
    told: dict[str, Any] | None
    """Its JSON object; None: it broke."""
    code: int = 0

    @property
    def misses(self) -> list[str]:
        """Each target that was missed, with the figure; or that it broke."""
        if self.told is None or self.code:
            return [f"ended with {self.code} before its figures: see above"]
        missed = [f"{key}: {_figure(one)}" for key, one in self.told["targets"].items() if not one["ok"]]
        return missed or ([] if self.told["ok"] else ["says that it is not ok"])


def _figure(target: dict[str, Any]) -> str:
    measured = target.get("measured", "?")
    value = f"{measured:.4g}" if isinstance(measured, float) else str(measured)
    return f"{value} (target: {target.get('target', '?')})"


def told(lines: list[str]) -> dict[str, Any] | None:
    """The JSON object that ends what a torture printed; None: there is none."""
    try:
        found = json.loads(lines[-1])
    except (IndexError, ValueError):
        return None
    return found if isinstance(found, dict) and {"ok", "targets"} <= found.keys() else None


def run(script: Path) -> Came:
    print(f"== {script.stem}", flush=True)
    began, last = time.monotonic(), ""
    with subprocess.Popen([sys.executable, "-u", str(script)], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            print(line, end="", flush=True)
            last = line if line.strip() else last
        code = running.wait()
    return Came(script.stem, time.monotonic() - began, told([last]), code)


def table(all_: list[Came]) -> str:
    rows = [
        ("MISS" if one.misses else "ok", one.name, f"{one.seconds / 60:.1f} min", "; ".join(one.misses)) for one in all_
    ]
    return aligned(rows)


def main() -> None:
    scripts = [Path(name) for name in sys.argv[1:]] or sorted(Path(__file__).parent.glob("torture_*.py"))
    all_ = [run(script) for script in scripts]
    print("\n" + table(all_))
    ok = not any(one.misses for one in all_)
    parts = {one.name: one.told or {"ok": False} for one in all_}
    print(json.dumps({"bench": "torture", "ok": ok, "quick": quick(), "parts": parts}))
    raise SystemExit(0 if ok else 1)


if __name__ == "__main__":
    main()
