"""Whether anything but approved strategies of the caller's release reaches an upstream: 10,000 random libraries.

Hypothesis draws two tenants' libraries, what people do to them (approve, reject, edit, release, roll back, also while
requests are under way), a holdout, a release on trial, keys that are bound to a release, and requests in three
protocols, plain and streaming, some of which name a release, be it theirs or not. Each body at the upstream must be the
one that was sent, with nothing put in but strategies of the release that is the request's. QUICK=1 draws 300 libraries.
Prints a table and, as its last line, a JSON object.
"""

import argparse
import json
from dataclasses import asdict

from desk import quick
from leaks import TENANTS, Bench, prop


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--libraries", type=int, default=300 if quick() else 10_000)
    libraries = parser.parse_args().libraries
    wrong = ""
    with Bench() as bench:
        try:
            prop(bench, -(-libraries // len(TENANTS)))()
        except AssertionError as fault:
            wrong = str(fault) or "an assertion failed"
        tally = bench.tally
    figures = {
        "libraries": len(TENANTS) * tally.cases,
        **{name: value for name, value in asdict(tally).items() if name != "cases"},
        "wrong": int(bool(wrong)),
    }
    for name, value in figures.items():
        print(f"{name:10} {value:8,}")
    if wrong:
        print(wrong)
    # Each often enough for the rest to mean something.
    enough = libraries // 10
    seen = tally.taught >= enough and min(asdict(tally).values()) > 0
    ok = not wrong and figures["libraries"] >= libraries and seen
    targets = {"wrong": 0, "taught": enough, "each": 1}
    print(json.dumps({"bench": "leaks", "ok": ok, "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
