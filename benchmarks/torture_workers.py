"""One run, several processes: any of them killed again and again, one budget, one pace, and what more of them bring.

`preceptor teach --workers` and `preceptor worker` processes share a private PostgreSQL (`cluster`). What comes of a run
is held against the same run in one process.

kills: processes drawn at random, the one that leads among them, are killed with SIGKILL and replaced. The models are
served by a witness that counts what reaches it. Timed is how long it takes from a kill until everything the killed one
was doing is being done by others, or is done. budget: random budgets in calls, with a kill on the way, held against the
witness. pace: a limit of calls a minute, over all processes. ratio: calls a second where models take their time, of
one worker and of four, each with as many connections; beside them one process without any queue.

Simulated. QUICK=1 runs a smaller form. Prints a table and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import sqlalchemy as sa

from bench_reliability import Memory, finished
from cluster import Cluster, running
from desk import SMALL, TINY, Desk, Teaching, command, endpoints, load_world, quick, simulated
from preceptor.llm.ledger import calls
from preceptor.settings.errand_queue import SCHEMA
from preceptor.simulated.world import World
from preceptor.storage.database import Database
from witness import Name, Served, name_of, serving

PATIENCE = 180.0
"""Seconds without progress after which something counts as hung."""
LATENCY = 0.1
"""Seconds before each answer, so that a kill finds calls in flight."""
CONNECTIONS = 8
KILLS_A_RUN = 6
LIMITS = {
    "kills other_hash": 0,
    "kills accepted_lost": 0,
    "kills twice_not_in_flight": 0,
    "kills twice_not_marked": 0,
    "kills slowest_s": 30,
    "budget over": 0,
    "budget other_hash": 0,
    "pace over": 1.0,
}
LEAST = {"ratio four_to_one": 3.4}
Figures = dict[str, float]

_jobs = sa.table(
    "procrastinate_jobs", sa.column("id"), sa.column("status", sa.String), sa.column("worker_id"), schema=SCHEMA
)


class Worker:
    """A `preceptor worker` process."""

    def __init__(self, desk: Desk, number: int, options: Sequence[str] = (), before: Sequence[str] = ()) -> None:
        """`before`: what the command is run by, such as another network's `ip netns exec`."""
        self._log = desk.folder / f"worker-{number}"
        words = [*before, command(), "worker", "--project", str(desk.folder), *options]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def told(self) -> str:
        return self._log.read_text()

    @property
    def names(self) -> list[str]:
        """Whom the queue knows it as; none before it is at work."""
        return [line.split()[3] for line in self.told.splitlines() if line.startswith("At work as ")]

    def ready(self) -> Worker:
        until = time.monotonic() + PATIENCE
        while not self.names:
            if self.process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"`preceptor worker` does not start:\n{self.told}")
            time.sleep(0.05)
        return self

    def freeze(self) -> None:
        """It does nothing from now on, and keeps what it holds."""
        self.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        """As Ctrl-C does; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL


@dataclass
class Shop:
    """A run's project and the workers at it."""

    desk: Desk
    database: str
    options: tuple[str, ...] = ()
    workers: list[Worker] = field(default_factory=list)
    begun: int = 0

    def hire(self) -> Worker:
        """Begin another worker."""
        self.begun += 1
        worker = Worker(self.desk, self.begun, self.options)
        self.workers.append(worker)
        return worker

    def lead(self, *more: str) -> Teaching:
        return self.desk.start("--workers", *self.options, *more)


@contextmanager
def shop(desk: Desk, database: str, workers: int, *options: str) -> Iterator[Shop]:
    """With workers that are ready, and gone afterwards."""
    made = Shop(desk, database, options)
    try:
        for _ in range(workers):
            made.hire()
        for worker in made.workers:
            worker.ready()
        yield made
    finally:
        for worker in made.workers:
            if worker.process.poll() is None:
                worker.process.send_signal(signal.SIGINT)
        for worker in made.workers:
            worker.end()


@dataclass(frozen=True)
class Bench:
    cluster: Cluster
    world: World
    file: str
    """The world's name, or its file."""
    folder: Path
    teaching: Mapping[str, Any]
    draw: random.Random
    here: bool = False
    """Runs in one process are done in this one; for tests."""

    def desk(self, name: str, models: Mapping[str, Mapping[str, Any]]) -> tuple[Desk, str]:
        url = self.cluster.new()
        Database.open(url).close()
        return Desk.open(self.folder / name, self.world, models, self.teaching, here=self.here, database=url), url

    def served(self, url: str, **more: Any) -> dict[str, dict[str, Any]]:
        return endpoints(url, self.world.roles, **{"concurrency": CONNECTIONS, **more})

    def slow(self, latency: float, connections: int) -> dict[str, dict[str, Any]]:
        models = simulated(self.file, self.world.roles)
        return {role: {**model, "latency": latency, "concurrency": connections} for role, model in models.items()}


@dataclass(frozen=True)
class Whole:
    """The run in one process."""

    hash: str
    calls: int
    accepted: frozenset[str]


def whole(bench: Bench) -> Whole:
    with serving(bench.world) as served:
        desk, _ = bench.desk("whole", bench.served(served.url))
        finished(desk.teach())
        return Whole(desk.hash, served.tally.calls, Memory.of(desk).accepted)


# Kills


@dataclass
class Scene:
    shop: Shop
    served: Served
    found: Counter[Name] = field(default_factory=Counter)
    """Calls the killed had in flight, by how many kills found them so."""
    kills: int = 0
    leads: int = 0
    waits: list[float] = field(default_factory=list)
    """Seconds until all that a killed process was doing was being done by others."""
    accepted: set[str] = field(default_factory=set)
    """Strategies on disk as accepted at any kill."""


def in_flight(db: Database, owner: str) -> list[Name]:
    """Calls of a process that are on disk as sent."""
    with db.reading() as connection:
        mine = (calls.c.state == "sent") & (calls.c.owner == owner)
        rows = connection.execute(sa.select(calls.c.model, calls.c.request).where(mine)).all()
    return [_name(row) for row in rows]


def _name(row: Any) -> Name:
    return name_of(row.model.rpartition(" ")[2], row.request.encode())


def taken_over(database: str, owner: str) -> float:
    """Wait until everything a killed process was doing is being done by others, or done; after how many seconds."""
    began = time.monotonic()
    with Database.open(database) as db:
        with db.reading() as connection:
            left = set(connection.scalars(sa.select(_jobs.c.id).where(_jobs.c.worker_id == int(owner))))
        while left and time.monotonic() - began < PATIENCE:
            with db.reading() as connection:
                rows = connection.execute(sa.select(_jobs).where(_jobs.c.id.in_(left))).all()
            left = {row.id for row in rows if row.status == "todo" or row.worker_id in (None, int(owner))}
            time.sleep(0.1)
    return time.monotonic() - began


def owner_of(database: str, workers: Sequence[Worker]) -> str:
    """Whom the queue knows the process that leads as: the newest that is no worker's."""
    known = {int(name) for worker in workers for name in worker.names}
    with Database.open(database) as db, db.reading() as connection:
        ids = connection.execute(sa.text(f"SELECT id FROM {SCHEMA}.procrastinate_workers")).scalars()
        return str(max(set(ids) - known, default=0))


def kill_some(bench: Bench, scene: Scene, undisturbed: Whole, wanted: int) -> None:
    """A run with so many kills, evenly over its work."""
    work = sorted(bench.draw.random() for _ in range(wanted))
    lead = scene.shop.lead()
    for share in work:
        before = scene.served.tally.calls
        goal = max(before + 20, int(share * undisturbed.calls))
        seen, moved = before, time.monotonic()
        while lead.running and scene.served.tally.calls < goal:
            if scene.served.tally.calls > seen:
                seen, moved = scene.served.tally.calls, time.monotonic()
            if time.monotonic() - moved > PATIENCE:
                raise SystemExit(f"A run whose workers are killed hangs; who leads says:\n{lead.told[-2000:]}")
            time.sleep(0.01)
        if not lead.running:
            break
        lead = kill_one(scene, lead, bench.draw.randrange(len(scene.shop.workers) + 1))
    finished(lead.ended())


def kill_one(scene: Scene, lead: Teaching, number: int) -> Teaching:
    """Kill one of the processes (the one that leads comes after the workers) and put another in its place; the one that
    leads now."""
    shop, database = scene.shop, scene.shop.database
    scene.kills += 1
    leading = number == len(shop.workers)
    victim: Teaching | Worker
    if leading:
        owner, victim = owner_of(database, shop.workers), lead
        scene.leads += 1
    else:
        victim = shop.workers.pop(number)
        owner = victim.names[-1]
    # Held still meanwhile: once it is dead, others take over what it was doing, sooner than a busy machine may look.
    with Database.open(database) as db:
        victim.freeze()
        scene.found.update(set(in_flight(db, owner)))
        victim.kill()
    if leading:
        lead.ended()
    scene.accepted |= Memory.of(shop.desk).accepted
    if leading:
        lead = shop.lead()
    else:
        shop.hire()
    scene.waits.append(taken_over(database, owner))
    for worker in shop.workers:
        worker.ready()
    return lead


def kill(bench: Bench, undisturbed: Whole, kills: int, workers: int) -> Figures:
    figures: Counter[str] = Counter()
    waits: list[float] = []
    run = 0
    while figures["kills"] < kills:
        run += 1
        with serving(bench.world, latency=LATENCY) as served:
            desk, url = bench.desk(f"killed-{run}", bench.served(served.url))
            with shop(desk, url, workers) as made:
                scene = Scene(made, served)
                kill_some(bench, scene, undisturbed, min(KILLS_A_RUN, kills - figures["kills"]))
            figures.update(survived(scene, undisturbed))
            waits += scene.waits
        print(f"  run {run}: {scene.kills} kills, library {desk.hash[:12]}, {scene.waits}", flush=True)
    return {"runs": run, **figures, "median_s": round(median(waits), 1), "slowest_s": round(max(waits), 1)}


def survived(scene: Scene, undisturbed: Whole) -> dict[str, int]:
    memory, again = Memory.of(scene.shop.desk), scene.served.tally.again
    return {
        "kills": scene.kills,
        "of_leads": scene.leads,
        "other_hash": int(scene.shop.desk.hash != undisturbed.hash),
        "accepted_lost": len((scene.accepted | undisturbed.accepted) - memory.accepted),
        "in_flight_at_kills": scene.found.total(),
        "sent_twice": sum(again.values()),
        "twice_not_in_flight": sum(max(0, count - scene.found[name]) for name, count in again.items()),
        "twice_not_marked": sum(max(0, count - memory.rows[name].resent) for name, count in again.items()),
    }


# One budget, one pace


def budget(bench: Bench, undisturbed: Whole, workers: int, count: int) -> Figures:
    """Runs that come to the end of a budget, with a kill before that, and go on with more."""
    figures: Counter[str] = Counter()
    used: list[float] = []
    for number in range(count):
        most = bench.draw.randrange(undisturbed.calls // 3, undisturbed.calls)
        with serving(bench.world, latency=LATENCY) as served:
            desk, url = bench.desk(f"budget-{number}", bench.served(served.url))
            with shop(desk, url, workers) as made:
                lead = made.lead("--set", f"budget.calls={most}")
                while lead.running and served.tally.calls < most // 2:
                    time.sleep(0.01)
                made.workers.pop().kill()
                ended = lead.ended()
                figures["over"] += served.tally.calls > most
                figures["unclean"] += ended.code != 1 or not ended.resumable
                used.append(served.tally.calls / most)
                finished(made.lead().ended())
            figures["other_hash"] += desk.hash != undisturbed.hash
    return {"budgets": count, **figures, "used_least": round(min(used), 3)}


def pace(bench: Bench, workers: int, a_minute: float) -> Figures:
    """By how much the calls that arrived in the busiest span of ten seconds were more than allowed."""
    arrivals: list[float] = []

    async def noting(seconds: float) -> None:
        arrivals.append(time.monotonic())

    with serving(bench.world, latency=1e-6, sleep=noting) as served:
        desk, url = bench.desk("pace", bench.served(served.url, requests_per_minute=a_minute))
        with shop(desk, url, workers) as made:
            finished(made.lead().ended())
    span = min(10.0, (arrivals[-1] - arrivals[0]) / 2)
    most = max(sum(start <= at < start + span for at in arrivals) for start in arrivals)
    # One turn more than the span holds may begin in it, and a turn may be used a moment late.
    allowed = span * a_minute / 60 + 1
    mean = (len(arrivals) - 1) / (arrivals[-1] - arrivals[0]) * 60
    return {
        "calls": len(arrivals),
        "a_minute": a_minute,
        "mean_a_minute": round(mean, 1),
        "busiest_to_allowed": round(most / allowed, 3),
        "over": round(mean / a_minute, 3),
    }


# What more of them bring


def ratio(bench: Bench, latency: float, connections: int, most: int, seconds: float) -> Figures:
    """Calls a second while customers are served, once all processes are at it. The runs are not done to their end: no
    number of processes makes their longest chain of calls shorter."""
    figures: Figures = {"latency_s": latency, "connections": connections, "most_possible": connections / latency}
    models = bench.slow(latency, connections)
    for name, workers in (("one", 1), ("four", most), ("alone", 0)):
        desk, url = bench.desk(f"ratio-{name}", models)
        with shop(desk, url, workers, "--set", "workers.lead_works=false") as made:
            lead = made.lead() if workers else desk.start()
            figures[f"{name}_a_second"] = round(rate(url, lead, 20 * max(1, workers), seconds), 2)
            lead.interrupt()
            lead.ended()
        figures |= sizes(url)
        print(f"  {name}: {figures[f'{name}_a_second']} calls a second", flush=True)
    figures["four_to_one"] = round(figures["four_a_second"] / figures["one_a_second"], 2)
    figures["four_to_alone"] = round(figures["four_a_second"] / figures["alone_a_second"], 2)
    return figures


def rate(database: str, lead: Teaching, first: int, seconds: float) -> float:
    """Calls finished a second, from when so many were finished on."""
    with Database.open(database) as db:

        def count() -> int:
            with db.reading() as connection:
                return connection.scalar(sa.select(sa.func.count()).where(calls.c.state == "done")) or 0

        while count() < first:
            if not lead.running or lead.age > PATIENCE:
                raise SystemExit(f"A run does not begin:\n{lead.told[-2000:]}")
            time.sleep(0.1)
        began, before = time.monotonic(), count()
        time.sleep(seconds)
        return (count() - before) / (time.monotonic() - began)


def sizes(database: str) -> Figures:
    """What a run takes in the database, indexes included."""
    with Database.open(database) as db, db.reading() as connection:
        count = connection.scalar(sa.select(sa.func.count()).select_from(calls)) or 0
        size = connection.scalar(sa.text("SELECT pg_total_relation_size('calls')")) or 0
    return {"calls": count, "bytes_a_call": round(size / max(1, count))}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    few = quick()
    parser.add_argument("--world", default="broadband", help="a shipped world, or a world file")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--kills", type=int, default=4 if few else 50)
    parser.add_argument("--budgets", type=int, default=1 if few else 3)
    parser.add_argument("--workers", type=int, default=2 if few else 4)
    parser.add_argument("--latency", type=float, default=0.5, help="seconds a call takes where the ratio is measured")
    parser.add_argument("--connections", type=int, default=2, help="of each process there")
    parser.add_argument("--seconds", type=float, default=20 if few else 60, help="for which it is measured")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


PARTS = ("kills", "budget", "pace", "ratio")


def measure(args: argparse.Namespace, cluster: Cluster, folder: Path) -> dict[str, Figures]:
    world, seed = load_world(args.world), {"seed": args.seed}
    file = args.world if args.world == world.name else str(Path(args.world).absolute())
    bench = Bench(cluster, world, file, folder, {**SMALL, **seed}, random.Random(args.seed))
    figures: dict[str, Figures] = {}
    if {"kills", "budget"} & set(args.parts):
        undisturbed = whole(bench)
        print(f"One process: {undisturbed.calls} calls, library {undisturbed.hash[:12]} (simulated).", flush=True)
        if "kills" in args.parts:
            figures["kills"] = kill(bench, undisturbed, args.kills, args.workers)
        if "budget" in args.parts:
            figures["budget"] = budget(bench, undisturbed, args.workers, args.budgets)
    if "pace" in args.parts:
        tiny = Bench(cluster, world, file, folder / "tiny", {**TINY, **seed}, bench.draw)
        figures["pace"] = pace(tiny, args.workers, 240)
    if "ratio" in args.parts:
        customers = 300  # more than can be served meanwhile
        wide = Bench(cluster, world, file, folder / "wide", {**SMALL, **seed, "customers": customers}, bench.draw)
        figures["ratio"] = ratio(wide, args.latency, args.connections, 4, args.seconds)
    return figures


def verdicts(figures: Mapping[str, Figures]) -> dict[str, dict[str, Any]]:
    measured = {f"{part} {name}": value for part, found in figures.items() for name, value in found.items()}
    found: dict[str, dict[str, Any]] = {}
    for name, value in measured.items():
        if name in LIMITS:
            found[name] = {"target": LIMITS[name], "measured": value, "ok": value <= LIMITS[name]}
        if name in LEAST:
            found[name] = {"target": LEAST[name], "measured": value, "ok": value >= LEAST[name]}
    return found


def main() -> None:
    args = arguments()
    with running([]) as cluster, tempfile.TemporaryDirectory() as folder:
        figures = measure(args, cluster, Path(folder))
    targets = verdicts(figures)
    for part, measured in figures.items():
        print(f"\n{part} (simulated)")
        for key, value in measured.items():
            mark = targets.get(f"{part} {key}")
            print(f"  {key:24}{value:>12,.6g}{'' if mark is None else '  ok' if mark['ok'] else '  MISS'}")
    ok = all(target["ok"] for target in targets.values())
    print(json.dumps({"bench": "torture_workers", "ok": ok, "quick": quick(), "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
