"""Runs that are killed, run out of budget, or go over HTTP end as they would have without.

The real command teaches in a process of its own, on a small run of a simulated world, against a server on 127.0.0.1
that counts what reaches it (`witness`). What the server saw is held against what our own ledger says.

kills: SIGKILL at moments drawn over the work of a run (so many calls received) and over the age of a process (start,
opening, replay); the same run is taken up again each time. budgets: ladders of two random budgets in calls, tokens or
money on a server that also fails, with a kill on the way, then without a bound. http: the same teach in process and
against `preceptor world serve`.

QUICK=1 runs a smaller form. Prints a table and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any, Literal, get_args

import httpx2
import sqlalchemy as sa

from desk import PRICES, SMALL, TINY, Desk, Ended, Teaching, command, endpoints, load_world, quick, simulated
from places import reserved
from preceptor.llm.ledger import calls
from preceptor.llm.prices import Price
from preceptor.simulated.faults import Faults
from preceptor.simulated.world import World
from preceptor.storage.canonical import canonical
from preceptor.storage.runs import Runs
from witness import Name, Served, Tally, name_of, serving

Unit = Literal["calls", "tokens", "money"]
UNITS: tuple[Unit, ...] = get_args(Unit)
Figures = dict[str, float]

LATENCY = 0.02
"""Seconds before each answer, so that a kill finds calls in flight."""
FAULTS = Faults(rate_limit=0.01, retry_after=0.1, server_error=0.005, cut=0.005)
"""For budgets: attempts without a reply are on the bill too."""
KILLS_A_RUN = 10
LONGEST_WAIT = 120.0
"""Seconds without progress after which a run counts as hung."""


@dataclass(frozen=True)
class Bench:
    world: World
    folder: Path
    teaching: Mapping[str, Any]
    draw: random.Random
    here: bool = False
    """See `Desk.here`; for tests."""
    endpoint: Mapping[str, Any] = field(default_factory=dict)
    """What else is said of the models."""

    def desk(self, name: str, url: str) -> Desk:
        models = endpoints(url, self.world.roles, **self.endpoint)
        return Desk.open(self.folder / name, self.world, models, self.teaching, here=self.here)

    @property
    def prices(self) -> dict[str, Price]:
        """By the world's name of the model."""
        told = {role: (Decimal(price["price_input"]), Decimal(price["price_output"])) for role, price in PRICES.items()}
        return {self.world.roles[role]: Price(*price) for role, price in told.items()}


@dataclass(frozen=True)
class Row:
    """A call as the ledger has it."""

    state: str
    attempts: int
    resent: int


@dataclass(frozen=True)
class Memory:
    """What is on disk of a run."""

    rows: Mapping[Name, Row] = field(default_factory=dict)
    events: tuple[bytes, ...] = ()
    accepted: frozenset[str] = frozenset()
    """Ids of strategies told or stored as accepted."""
    stored: frozenset[str] = frozenset()
    """Ids of all strategies of the library."""
    status: str = ""

    @property
    def in_flight(self) -> set[Name]:
        return {name for name, row in self.rows.items() if row.state == "sent"}

    @classmethod
    def of(cls, desk: Desk) -> Memory:
        run = desk.run
        if run is None:
            return cls()
        with desk.project.database() as db:
            told = Runs(db).events(run.id)
            strategies = desk.project.library(db).strategies()
            with db.reading() as connection:
                found = connection.execute(sa.select(calls).where(calls.c.run == run.id)).all()
        rows = {_name(row): Row(row.state, row.attempts, row.resent) for row in found}
        accepted = {event.body["strategy"]["id"] for event in told if event.kind == "StrategyAccepted"}
        accepted |= {strategy.id for strategy in strategies if strategy.measured == "accepted"}
        events = tuple(canonical([event.kind, event.body]) for event in told)
        return cls(rows, events, frozenset(accepted), frozenset(s.id for s in strategies), run.status)


def _name(row: sa.Row[Any]) -> Name:
    return name_of(row.model.rpartition(" ")[2], row.request.encode())


@dataclass(frozen=True)
class Baseline:
    """The run nobody disturbed."""

    hash: str
    memory: Memory
    tally: Tally
    seconds: float

    def total(self, unit: Unit) -> Fraction:
        return spent(self.tally, unit)


def baseline(bench: Bench) -> Baseline:
    with serving(bench.world, bench.prices, latency=LATENCY) as served:
        desk = bench.desk("baseline", served.url)
        ended = finished(desk.teach())
        return Baseline(desk.hash, Memory.of(desk), served.tally, ended.seconds)


def finished(ended: Ended) -> Ended:
    if ended.code:
        raise SystemExit(f"A run that should have ended well ended with {ended.code}:\n{ended.err[-2000:]}")
    return ended


def spent(tally: Tally, unit: Unit) -> Fraction:
    return {"calls": Fraction(tally.calls), "tokens": Fraction(tally.tokens), "money": tally.money}[unit]


# Kills


@dataclass(frozen=True)
class Moment:
    """When to kill: so many calls were received and the process is so old."""

    received: float = 0.0
    """Share of the calls of an undisturbed run."""
    age: float = 0.0
    """Seconds."""


@dataclass
class Scene:
    """A run that is killed again and again, and what was seen."""

    desk: Desk
    served: Served
    whole: Baseline
    kills: int = 0
    found: Counter[Name] = field(default_factory=Counter)
    """Calls in flight by the ledger left behind, by how many kills found them so."""
    open: int = 0
    """Requests the server was answering at kills."""
    most: int = 0
    accepted: set[str] = field(default_factory=set)
    """Strategies on disk as accepted at any kill."""

    def suffer(self, moment: Moment) -> bool:
        """Go on with the run and kill it at the moment; False: it came to its end before."""
        ended, open_ = killed(self.desk.start(), self.served, moment, self.whole)
        if ended.code >= 0:
            finished(ended)
            return False
        memory = Memory.of(self.desk)
        self.kills += 1
        self.open += open_
        self.found.update(memory.in_flight)
        self.most = max(self.most, len(memory.in_flight))
        self.accepted |= memory.accepted
        return memory.status != "done"


def killed(teaching: Teaching, served: Served, moment: Moment, whole: Baseline) -> tuple[Ended, int]:
    """How it ended, unless by itself before; and what the server was answering just then."""
    calls_then = moment.received * len(whole.tally.arrivals)
    while teaching.running and not (len(served.tally.arrivals) >= calls_then and teaching.age > moment.age):
        if teaching.age > LONGEST_WAIT:
            raise SystemExit("A run that was taken up again hangs.")
        time.sleep(0.001)
    open_ = served.tally.open
    teaching.kill()
    return teaching.ended(), open_


def moments(draw: random.Random, whole: Baseline, kills: int) -> list[Moment]:
    """In the order in which they come: half by work done, each followed by one in the youth of the next process."""
    work = sorted(draw.random() for _ in range(kills - kills // 2))
    young = whole.seconds / 4
    found: list[Moment] = []
    for share in work:
        found += [Moment(received=share), Moment(age=draw.uniform(0, young))]
    return found[:kills]


def kill(bench: Bench, whole: Baseline, kills: int) -> Figures:
    figures: Counter[str] = Counter()
    run = 0
    while figures["kills"] < kills:
        run += 1
        wanted = min(KILLS_A_RUN, kills - figures["kills"])
        with serving(bench.world, latency=LATENCY) as served:
            scene = Scene(bench.desk(f"killed-{run}", served.url), served, whole)
            for moment in moments(bench.draw, whole, wanted):
                if not scene.suffer(moment):
                    break
            figures.update(_survived(scene))
        figures["most_in_flight"] = max(figures["most_in_flight"], scene.most)
        print(f"  run {run}: {scene.kills} kills, library {scene.desk.hash[:12]}", flush=True)
    return {"runs": run, "accepted_in_whole": len(whole.memory.accepted), **figures}


def _survived(scene: Scene) -> dict[str, int]:
    """Bring the run to its end; what was lost or done twice."""
    if Memory.of(scene.desk).status != "done":
        finished(scene.desk.teach())
    whole, memory, again = scene.whole, Memory.of(scene.desk), scene.served.tally.again
    lost = (scene.accepted | whole.memory.accepted) - memory.accepted
    return {
        "kills": scene.kills,
        "other_hash": int(scene.desk.hash != whole.hash),
        "other_events": int(memory.events != whole.memory.events),
        "accepted_lost": len(lost | (scene.accepted - memory.stored)),
        "in_flight_at_kills": scene.found.total(),
        "open_at_server": scene.open,
        "sent_twice": sum(again.values()),
        "twice_not_in_flight": sum(max(0, count - scene.found[name]) for name, count in again.items()),
        "twice_not_marked": sum(max(0, count - memory.rows[name].resent) for name, count in again.items()),
        "not_in_ledger": len(scene.served.tally.arrivals.keys() - memory.rows.keys()),
    }


# Budgets


def ladder(bench: Bench, whole: Baseline, unit: Unit, steps: int) -> list[Fraction]:
    """Rising budgets within what a run takes, in whole units (of money: millionths)."""
    scale = 1_000_000 if unit == "money" else 1
    most = int(whole.total(unit) * scale)
    return [Fraction(limit, scale) for limit in sorted(bench.draw.randrange(1, most) for _ in range(steps))]


@dataclass(frozen=True)
class Step:
    """A run that was given a budget, by what it was stopped at."""

    over: bool
    """The server saw more than the budget."""
    clean: bool
    """It ended with a sentence and how to go on."""
    used: float
    """Share of the budget."""


@dataclass(frozen=True)
class Climb:
    steps: list[Step]
    kills: int
    other_hash: bool


def climb(bench: Bench, whole: Baseline, name: str, unit: Unit, limits: list[Fraction]) -> Climb:
    """One run, stopped by each of the budgets in turn and then let go to its end; on its first step killed once."""
    with serving(bench.world, bench.prices, FAULTS) as served:
        desk = bench.desk(name, served.url)
        moment = Moment(age=bench.draw.uniform(0, whole.seconds / 2))
        interrupted, _ = killed(desk.start(*_bound(unit, limits[0])), served, moment, whole)
        steps = [_step(desk, served.tally, unit, limit) for limit in limits]
        finished(desk.teach())
    return Climb(steps, int(interrupted.code < 0), desk.hash != whole.hash)


def _step(desk: Desk, tally: Tally, unit: Unit, limit: Fraction) -> Step:
    ended = desk.teach(*_bound(unit, limit))
    used = spent(tally, unit)
    return Step(used > limit, ended.code == 1 and ended.resumable, float(used / limit))


def _bound(unit: Unit, limit: Fraction) -> tuple[str, str]:
    return "--set", f"budget.{unit}={Decimal(limit.numerator) / limit.denominator:f}"


def budgets(bench: Bench, whole: Baseline, units: Sequence[Unit], count: int) -> Figures:
    figures: Figures = {}
    for unit in units:
        ladders = [ladder(bench, whole, unit, min(2, count - done)) for done in range(0, count, 2)]
        climbs = [climb(bench, whole, f"{unit}-{n}", unit, limits) for n, limits in enumerate(ladders)]
        found = _climbed(climbs)
        print(f"  {unit}: {found['budgets']} budgets, median {found['used_median']:.3f} of one used", flush=True)
        figures |= {f"{unit}_{key}": value for key, value in found.items()}
    return figures


def _climbed(climbs: list[Climb]) -> Figures:
    steps = [step for climbed in climbs for step in climbed.steps]
    used = [step.used for step in steps]
    return {
        "budgets": len(steps),
        "kills": sum(climbed.kills for climbed in climbs),
        "over": sum(step.over for step in steps),
        "unclean": sum(not step.clean for step in steps),
        "other_hash": sum(climbed.other_hash for climbed in climbs),
        "used_median": median(used),
        "used_most": max(used),
    }


# HTTP


@contextmanager
def world_server(world: str) -> Iterator[str]:
    """`preceptor world serve` on a free port; its address."""
    with reserved() as port:
        process = subprocess.Popen([command(), "world", "serve", world, "--port", str(port)], stdout=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{port}/v1"
        try:
            _until_up(url)
            yield url
        finally:
            process.terminate()
            process.wait()


def _until_up(url: str) -> None:
    until = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < until:
        try:
            httpx2.get(f"{url}/models")
        except httpx2.TransportError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"`preceptor world serve` does not answer at {url}.")


def over_http(bench: Bench, world: str) -> Figures:
    here = Desk.open(
        bench.folder / f"here-{bench.world.name}", bench.world, simulated(world, bench.world.roles), bench.teaching
    )
    finished(here.teach())
    with world_server(world) as url:
        there = bench.desk(f"there-{bench.world.name}", url)
        finished(there.teach())
    mine, its = Memory.of(here), Memory.of(there)
    return {
        "calls": len(its.rows),
        "accepted": len(its.accepted),
        "other_hash": int(here.hash != there.hash),
        "other_events": int(mine.events != its.events),
    }


ZERO = re.compile(
    r"(^|_)(other_hash|other_events|accepted_lost|twice_not_in_flight|twice_not_marked|not_in_ledger|over|unclean)$"
)
"""Figures that must be 0."""


def verdicts(figures: Mapping[str, Figures]) -> dict[str, dict[str, Any]]:
    """By target: what is asked, what was measured, and whether it holds."""
    found: dict[str, dict[str, Any]] = {}
    for part, measured in figures.items():
        for key, value in measured.items():
            if ZERO.search(key):
                found[f"{part} {key}"] = {"target": "0", "measured": value, "ok": value == 0}
        if "sent_twice" in measured:
            twice, flying = measured["sent_twice"], measured["in_flight_at_kills"]
            found[f"{part} sent_twice"] = {"target": f"at most {flying}", "measured": twice, "ok": twice <= flying}
    return found


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Figures]:
    settings = {**(TINY if args.tiny else SMALL), "seed": args.seed}
    benches = [
        Bench(load_world(name), folder / str(n), settings, random.Random(args.seed))
        for n, name in enumerate(args.worlds)
    ]
    whole = baseline(benches[0])
    print(f"Undisturbed: {whole.tally.calls} calls, {len(whole.memory.accepted)} strategies accepted (simulated).")
    figures = {}
    if args.kills:
        figures["kills"] = kill(benches[0], whole, args.kills)
    if args.budgets:
        figures["budgets"] = budgets(benches[0], whole, args.units, args.budgets)
    for name, bench in zip(args.worlds, benches, strict=True):
        figures[f"http {bench.world.name}"] = over_http(bench, name)
    return figures


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    few = quick()
    parser.add_argument("--worlds", nargs="+", default=["broadband", "airline"], help="shipped worlds, or world files")
    parser.add_argument("--kills", type=int, default=6 if few else 50)
    parser.add_argument("--budgets", type=int, default=4 if few else 20, help="so many in each unit")
    parser.add_argument("--units", nargs="+", choices=UNITS, default=UNITS)
    parser.add_argument("--tiny", action="store_true", help="a run of some hundred calls, which accepts nothing")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(args, Path(folder))
    targets = verdicts(figures)
    for part, measured in figures.items():
        print(f"\n{part} (simulated)")
        for key, value in measured.items():
            print(f"  {key:24}{value:>12,.6g}")
    print()
    for key, found in targets.items():
        print(f"{'ok  ' if found['ok'] else 'MISS'} {key} {found['measured']:g} (target {found['target']})")
    ok = all(found["ok"] for found in targets.values())
    print(json.dumps({"bench": "reliability", "ok": ok, "quick": quick(), "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
