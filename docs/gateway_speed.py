"""Writes what `make bench-gateway` measured into docs/gateway.md: `python docs/gateway_speed.py LOG`.

LOG is what the benchmark printed; its last line is the JSON object that is read.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

PAGE = Path(__file__).with_name("gateway.md")
PLACE = re.compile(r"(<!-- speed -->\n).*?(<!-- /speed -->)", re.DOTALL)
SERVERS = {"bare": "bare pass-through", "ours": "`preceptor serve`", "litellm": "LiteLLM's proxy {version}"}
Figures = Mapping[str, Mapping[str, float]]
COLUMNS: Mapping[str, tuple[str, str, Callable[[float], str]]] = {
    "CPU ms a request": ("growing", "cpu_ms", "{:.2f}".format),
    "requests/s": ("growing", "per_second", "{:,.0f}".format),
    "p50 ms": ("growing", "p50_ms", "{:,.1f}".format),
    "CPU ms a stream": ("streams", "cpu_ms", "{:.2f}".format),
    "streams/s": ("streams", "per_second", "{:,.0f}".format),
    "s to ready": ("start", "ready_s", "{:.1f}".format),
    "MB": ("start", "resident_mb", "{:,.0f}".format),
}
"""By heading: the part of the benchmark, its figure, and how that is written."""


def table(figures: Figures, version: str) -> str:
    """The table of every server that was measured."""
    rows = [["", *COLUMNS], ["---"] * (len(COLUMNS) + 1)]
    for server, name in SERVERS.items():
        if f"growing {server}" in figures:
            rows.append([name.format(version=version), *(cell(figures, server, *one) for one in COLUMNS.values())])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def cell(figures: Figures, server: str, part: str, figure: str, written: Callable[[float], str]) -> str:
    where = "start" if (part, server) == ("start", "ours") else f"{part} {server}"
    return written(figures[where][figure]) if where in figures else "–"


def filled(page: str, log: str) -> str:
    """The page with the table of a benchmark's log in its place."""
    told = json.loads(log.strip().splitlines()[-1])
    form = "the quick form" if told["quick"] else "the full form"
    note = f"\n64 connections, streams of 64 events 10 ms apart, {form}. Times tell of the machine; ratios hold.\n"
    return PLACE.sub(lambda found: found[1] + table(told["figures"], told["litellm"]) + note + found[2], page)


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    log = Path(sys.argv[1]).read_text(encoding="utf-8")
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), log), encoding="utf-8")


if __name__ == "__main__":
    main()
