"""What a report of 10,000 conversations takes to make, and to open in a browser.

The evaluation is invented (benchmarks/invented.py), from --seed, so that no model has to be asked. CPU seconds are of
this process, once through: figures with all their intervals and tests, then HTML with its pages, then Markdown, JSON,
CSV and JUnit. Opening is Chromium's own count from navigation to `load`, the median of --repeats openings, offline, in
a fresh context each. A browser is needed for that (chromium on the PATH). QUICK=1 takes 1,000 conversations.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from playwright.sync_api import sync_playwright

import invented
from desk import quick
from preceptor.evaluation.rendering import document, figures, junit, markdown, page, rows
from preceptor.evaluation.rendering.figures import Figures

T = TypeVar("T")
LIMITS = {"cpu_s": 60.0, "open_s": 3.0, "open_page_s": 3.0}


def main() -> None:
    args = arguments()
    arms = invented.ARMS[: args.arms]
    report = invented.report(args.conversations, arms, args.seed)
    print(f"{args.conversations:,} conversations, {len(arms)} arms (simulated)")
    measured: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "report.html"
        measured["figures_cpu_s"], found = timed(
            lambda: figures.compute(report, invented.provenance(), invented.attribution(args.seed))
        )
        measured["html_cpu_s"], _ = timed(lambda: page.render(found, stem=target.stem).write(target))
        measured["others_cpu_s"], _ = timed(lambda: others(found))
        measured["cpu_s"] = sum(measured.values())
        sheets = sorted((Path(folder) / page.folder_of(target.stem)).glob("*.html"))
        measured |= {"report_kb": target.stat().st_size / 1024, "pages": len(sheets)}
        if sheets:
            measured["largest_page_kb"] = max(sheet.stat().st_size for sheet in sheets) / 1024
        if chromium := shutil.which("chromium"):
            measured["open_s"] = opened(chromium, target, args.repeats)
            if sheets:
                measured["open_page_s"] = opened(chromium, sheets[0], args.repeats)
    for key, value in measured.items():
        print(f"  {key:18}{value:>12,.2f}")
    targets = {}
    for key, limit in LIMITS.items():
        held = measured.get(key, limit + 1) <= limit
        targets[key] = {"target": f"at most {limit:g}", "measured": measured.get(key), "ok": held}
    for key, told in targets.items():
        print(f"{'ok  ' if told['ok'] else 'MISS'} {key} {told['measured']} ({told['target']})")
    ok = all(told["ok"] for told in targets.values())
    print(json.dumps({"bench": "report", "ok": ok, "quick": quick(), "figures": measured, "targets": targets}))


def timed(work: Callable[[], T]) -> tuple[float, T]:
    begun = time.process_time()
    done = work()
    return time.process_time() - begun, done


def others(found: Figures) -> int:
    """All formats but HTML; their length."""
    return sum(len(render(found)) for render in (markdown.render, document.render, rows.render, junit.render))


def opened(chromium: str, file: Path, repeats: int) -> float:
    """Median seconds from navigation to `load`."""
    taken = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(repeats):
            context = browser.new_context(offline=True)
            window = context.new_page()
            window.goto(file.as_uri(), wait_until="load")
            taken.append(float(window.evaluate("performance.getEntriesByType('navigation')[0].loadEventStart")))
            context.close()
        browser.close()
    return statistics.median(taken) / 1000


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversations", type=int, default=1000 if quick() else 10_000)
    parser.add_argument("--arms", type=int, default=4, choices=range(1, len(invented.ARMS) + 1))
    parser.add_argument("--repeats", type=int, default=5, help="openings; the median counts")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
