"""Whether anything but approved strategies of the caller's release reaches an upstream: 10,000 random libraries.

Hypothesis draws two tenants' libraries, what people do to them (approve, reject, edit, release, roll back) and
requests in three protocols; each request's body at the upstream must be the one that was sent, with nothing put in but
strategies of the tenant's live release. QUICK=1 draws 300. Prints a table and, as its last line, a JSON object.
"""

import argparse
import json

from desk import quick
from leaks import Bench, prop


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=300 if quick() else 10_000)
    examples = parser.parse_args().examples
    wrong = ""
    with Bench() as bench:
        try:
            prop(bench, examples)()
        except AssertionError as fault:
            wrong = str(fault)
        tally = bench.tally
    figures = {
        "libraries": 2 * tally.cases,
        "requests": tally.requests,
        "taught": tally.taught,
        "wrong": int(bool(wrong)),
    }
    for name, value in figures.items():
        print(f"{name:10} {value:8,}")
    if wrong:
        print(wrong)
    # Taught often enough for the rest to mean something.
    ok = not wrong and tally.cases >= examples and tally.taught >= 0.2 * tally.requests
    targets = {"wrong": 0, "taught_share": 0.2}
    print(json.dumps({"bench": "leaks", "ok": ok, "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
