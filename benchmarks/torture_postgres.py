"""PostgreSQL stopped at once, again and again, under load: nothing acknowledged is lost, nothing is there twice.

A private cluster (`cluster`) serves processes that work on it as a run, a desk and a gateway do (`load`), each of which
writes down what was acknowledged to it. The server is stopped as `pg_ctl stop -m immediate` does, by signal, at moments
drawn at random, and started again a moment later, when it recovers from its log. Timed is how long each process takes,
from when the server answers again, until it is told that something new is kept; nobody starts or tells it anything.
In the end everything that was acknowledged is looked up.

QUICK=1 runs a smaller form. Prints a table and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import load
from cluster import Cluster, running
from desk import quick
from load import PROGRESS, Kind, Place
from preceptor.storage.database import Database

LONGEST_WAIT = 120.0
"""Seconds after which a process counts as hung."""
LIMITS = {"lost": 0, "twice": 0, "ended": 0, "damage": 0, "slowest_s": 10}


@dataclass
class Worker:
    kind: Kind
    place: Place
    process: subprocess.Popen[bytes]

    @property
    def progress(self) -> int:
        """Lines that show that it goes on."""
        return sum(line[0] == PROGRESS[self.kind] for line in self.place.lines())

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None


@dataclass
class Found:
    stops: int = 0
    waits: list[float] = field(default_factory=list)
    """Seconds from when the server answered again until a process went on, for each process and stop."""
    ended: int = 0
    """Processes that gave up."""
    counts: Counter[str] = field(default_factory=Counter)
    damage: tuple[str, ...] = ()

    def figures(self) -> dict[str, Any]:
        return {
            "stops": self.stops,
            **dict(sorted(self.counts.items())),
            "ended": self.ended,
            "damage": len(self.damage),
            "median_s": round(median(self.waits), 2) if self.waits else 0,
            "slowest_s": round(max(self.waits, default=0), 2),
        }


@contextmanager
def working(url: str, folder: Path, kinds: Sequence[Kind]) -> Iterator[list[Worker]]:
    """A process for each; told to stop in the end, and waited for."""
    workers = []
    for number, kind in enumerate(kinds):
        place = Place(url, folder / f"{kind}-{number}", str(number))
        place.folder.mkdir()
        command = [sys.executable, load.__file__, kind, url, str(place.folder), place.name]
        workers.append(Worker(kind, place, subprocess.Popen(command)))
    try:
        yield workers
        for worker in workers:
            (worker.place.folder / "stop").touch()
        for worker in workers:
            worker.process.wait(LONGEST_WAIT)
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.wait()


def gone_on(workers: Sequence[Worker], since: float) -> list[float]:
    """Wait until each has been told of something new; how long after `since` that was."""
    before = [worker.progress for worker in workers]
    waits: dict[int, float] = {}
    while len(waits) < len(workers) and time.monotonic() - since < LONGEST_WAIT:
        for number, worker in enumerate(workers):
            if number not in waits and (worker.progress > before[number] or worker.ended):
                waits[number] = time.monotonic() - since
        time.sleep(0.01)
    return [waits.get(number, LONGEST_WAIT) for number in range(len(workers))]


def torture(cluster: Cluster, folder: Path, stops: int, kinds: Sequence[Kind], draw: random.Random) -> Found:
    url, found = cluster.new(), Found()
    Database.open(url).close()
    with working(url, folder, kinds) as workers:
        gone_on(workers, time.monotonic())
        for _ in range(stops):
            time.sleep(draw.uniform(0, 0.6))
            cluster.crash()
            time.sleep(draw.uniform(0, 0.6))
            cluster.start()
            found.waits += gone_on(workers, time.monotonic())
            found.stops += 1
    found.ended = sum(worker.process.returncode != 0 for worker in workers)
    with Database.open(url) as db:
        for worker in workers:
            for what, account in load.account(worker.kind, worker.place, db).items():
                found.counts.update({what: account.acknowledged, "lost": account.lost, "twice": account.twice})
            found.counts["told"] += sum(line == ("told",) for line in worker.place.lines())
        found.damage = db.check()
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stops", type=int, default=8 if quick() else 50)
    parser.add_argument("--kinds", nargs="+", choices=list(load.WORKERS), default=["run", "run", "desk", "gateway"])
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    with running([]) as cluster, tempfile.TemporaryDirectory() as folder:
        found = torture(cluster, Path(folder), args.stops, args.kinds, random.Random(args.seed))
    figures = found.figures()
    for name, value in figures.items():
        print(f"{name:16}{value:>12}")
    for fault in found.damage:
        print(f"damage: {fault}")
    targets = {
        name: {"target": most, "measured": figures.get(name, 0), "ok": figures.get(name, 0) <= most}
        for name, most in LIMITS.items()
    }
    ok = all(target["ok"] for target in targets.values())
    print(json.dumps({"bench": "torture_postgres", "ok": ok, "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
