"""The store against a dict: 20,000 steps in SQLite and in PostgreSQL, and no divergence (`storemodel`).

QUICK=1 runs a smaller form. Prints a table and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import json

from hypothesis.stateful import run_state_machine_as_test

from cluster import running
from desk import quick
from preceptor.storage.database import Database
from storemodel import Store, bounds

STEPS_EACH = 50
"""Of one example; then both databases begin anew."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=500 if quick() else 20_000)
    args = parser.parse_args()
    with running() as cluster:
        cluster.tell("CREATE DATABASE template")
        Database.open(cluster.url("template")).close()
        Store.cluster = cluster
        while Store.counted < args.steps:
            # A divergence ends this with the steps that led to it.
            run_state_machine_as_test(Store, settings=bounds(20, STEPS_EACH))
            print(f"{Store.counted} steps", flush=True)
    figures = {"steps": Store.counted, "divergences": 0}
    targets = {"steps": {"target": args.steps, "ok": Store.counted >= args.steps}}
    ok = all(target["ok"] for target in targets.values())
    print(json.dumps({"bench": "torture_store", "ok": ok, "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
