"""Whether the gateway keeps what its OpenAPI document promises: 20,000 requests drawn by Schemathesis.

`preceptor serve` in a process of its own, asking for keys, before an upstream that always answers well. Good data must
be taken, bad data refused, every answer must be one the document tells of, and none may be a 5xx of the gateway's own.
QUICK=1 asks 2,000. Prints a table and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from bench_gateway import ours, peer
from contract import Findings, examine
from desk import quick

DRAWN = 100
"""Cases of an operation in a round."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2_000 if quick() else 20_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    found = Findings()
    with tempfile.TemporaryDirectory() as folder, peer("upstream") as up, ours(Path(folder), 20, up) as (gateway, *_):
        url, seed = f"http://127.0.0.1:{gateway.port}", args.seed
        while found.total < args.cases:
            # What covers the document's corners is the same in every round.
            examine(url, DRAWN, seed, found, gateway.key, coverage=seed == args.seed)
            seed += 1
    report(found, args.cases)


def report(found: Findings, cases: int) -> None:
    for operation, count in sorted(found.cases.items()):
        print(f"{operation:32} {count:8,}")
    for status, count in sorted(found.statuses.items()):
        print(f"{status:<32} {count:8,}")
    for name, count in found.wrong.items():
        print(f"\n{name}: {count}\n{found.shown.get(name, '')}")
    figures = {
        "cases": found.total,
        "ours_5xx": found.ours_5xx,
        "theirs_5xx": found.theirs_5xx,
        "unanswered": found.unanswered,
        "undocumented": found.undocumented,
        "wrong": found.wrong.total(),
    }
    targets = {"cases": cases, "ours_5xx": 0, "unanswered": 0, "undocumented": 0, "wrong": 0}
    print(
        json.dumps(
            {"bench": "contract", "ok": found.well and found.total >= cases, "figures": figures, "targets": targets}
        )
    )


if __name__ == "__main__":
    main()
