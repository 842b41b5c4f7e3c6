"""How much of a run's time is ours: the loop against the connections it was given and against its own critical path.

The real command teaches against a server on 127.0.0.1 that takes 200 ms to answer (simulated), over 32 connections. Its
wall time, start of the process included, is held against the longer of two bounds. One is calls x latency /
connections. The other is the critical path: the chain of calls of which each waits for the one before. It is measured
by doing the same run without a limit on connections in virtual time: the event loop's clock jumps to the next answer
whenever nothing is left to compute, so our own processor time is not in it. That both are the same run is checked by
the library's hash. `schedule` is the same with the connections limited: what a machine that computes in no time would
take, and so what the order in which the loop asks costs. `delayed` are seconds in which the process could have computed
but another had the processor: on a busy machine they are part of the wall time. `in_flight` are requests being
answered at a time, on average over the wall time, and `idle` seconds in which there were none though more came.
The critical path is the loop's as it is written: a wait that need not be would lengthen it. So compare its seconds
with those of other versions, too.

Own CPU is user and system time of the process that teaches, its start included, by call: over HTTP, and with the models
in process (where what the simulated models take is in it).

QUICK=1 runs a smaller form. Prints a table and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import selectors
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, TypeVar, TypeVarTuple

from desk import SMALL, WIDE, Desk, Ended, endpoints, load_world, quick, simulated
from preceptor import Domain, Teaching, World, teach
from preceptor.llm.messages import Reply, Request
from preceptor.llm.model import Model
from preceptor.settings.schema import ROLES
from preceptor.simulated.model import models
from preceptor.storage.canonical import canonical
from witness import Tally, serving

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Figures = dict[str, float]
SIZES: Mapping[str, Mapping[str, Any]] = {"small": SMALL, "wide": WIDE}
"""Bound by their critical path, and by their connections."""


class Jumping(selectors.DefaultSelector):
    """Waits for nothing: what it was to wait passes on its own clock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += max(timeout or 0.0, 0.0)
        return super().select(0 if timeout is not None else None)


class Timeless(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self) -> None:
        self._jumping = Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """At once: while a thread computes, nothing is to pass."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as fault:
            future.set_exception(fault)
        return future


def virtually(work: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """The result, and the seconds it would take if computing took none."""
    with asyncio.Runner(loop_factory=Timeless) as runner:
        return runner.run(work), runner.get_loop().time()


@dataclass
class Line:
    """A model that takes its time. The same request is made once, as with a ledger."""

    model: Model
    latency: float
    places: asyncio.Semaphore
    known: dict[bytes, asyncio.Task[Reply]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.model.name

    async def ask(self, request: Request) -> Reply:
        key = canonical(request)
        if key not in self.known:
            self.known[key] = asyncio.create_task(self._call(request))
        return await self.known[key]

    async def _call(self, request: Request) -> Reply:
        async with self.places:
            await asyncio.sleep(self.latency)
            return await self.model.ask(request)


@dataclass(frozen=True)
class Plan:
    """What a run would take on a machine that computes in no time."""

    seconds: float
    calls: int
    hash: str


def plan(world: World, settings: Mapping[str, Any], latency: float, connections: int) -> Plan:
    """In virtual time."""

    async def run() -> tuple[str, int]:
        cast, places = models(world), asyncio.Semaphore(connections)
        lines = {role: Line(cast[world.roles[role]], latency, places) for role in ROLES}
        domain = Domain.parse(world.domain, world.name)
        taught = await teach(
            domain,
            teacher=lines["teacher"],
            student=lines["student"],
            customer=lines["customer"],
            judge=lines["judge"],
            settings=Teaching.model_validate(settings),
        )
        return taught.guidance.hash, sum(len(line.known) for line in lines.values())

    (hash_, calls), seconds = virtually(run())
    return Plan(seconds, calls, hash_)


def run(folder: Path, world: World, models_: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[Ended, str]:
    """One run of the real command; and its library's hash."""
    desk = Desk.open(folder, world, models_, settings)
    ended = desk.teach()
    if ended.code:
        raise SystemExit(f"A run that should have ended well ended with {ended.code}:\n{ended.err[-2000:]}")
    return ended, desk.hash


def measure(name: str, settings: Mapping[str, Any], args: argparse.Namespace, folder: Path) -> Figures:
    """One size of run on one world."""
    world = load_world(name)
    free, bound = (plan(world, settings, args.latency, places) for places in (10**9, args.connections))
    runs = [over_http(folder / f"http-{n}", world, settings, args) for n in range(args.repeats)]
    here, hash_ = run(folder / "here", world, simulated(name, world.roles), settings)
    calls, longer = free.calls, max(free.calls * args.latency / args.connections, free.seconds)
    return {
        "calls": calls,
        "by_connections_s": calls * args.latency / args.connections,
        "critical_path_s": free.seconds,
        "schedule_s": bound.seconds,
        "schedule_ratio": bound.seconds / longer,
        "wall_s": median(ended.seconds for ended, _, _ in runs),
        "delayed_s": median(ended.delayed for ended, _, _ in runs),
        "in_flight": median(tally.busy / ended.seconds for ended, _, tally in runs),
        "idle_s": median(tally.idle for _, _, tally in runs),
        "wall_ratio": median(ended.seconds for ended, _, _ in runs) / longer,
        "undelayed_ratio": median(ended.seconds - ended.delayed for ended, _, _ in runs) / longer,
        "cpu_http_ms": 1000 * median(ended.cpu for ended, _, _ in runs) / calls,
        "cpu_in_process_ms": 1000 * here.cpu / calls,
        "other_calls": sum(tally.calls != calls for _, _, tally in runs),
        "other_hash": len({free.hash, bound.hash, hash_, *(hash_ for _, hash_, _ in runs)}) - 1,
    }


def over_http(
    folder: Path, world: World, settings: Mapping[str, Any], args: argparse.Namespace
) -> tuple[Ended, str, Tally]:
    """One run over HTTP: how it ended, its library's hash, and what the server saw of it."""
    with serving(world, latency=args.latency) as served:
        there = endpoints(served.url, world.roles, concurrency=args.connections)
        ended, hash_ = run(folder, world, there, settings)
        return ended, hash_, served.tally


LIMITS: Mapping[str, float] = {
    "wall_ratio": 1.25,
    "cpu_http_ms": 5,
    "cpu_in_process_ms": 5,
    "other_calls": 0,
    "other_hash": 0,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    few = quick()
    parser.add_argument("--worlds", nargs="+", default=["broadband"] if few else ["broadband", "airline"])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["small"] if few else list(SIZES))
    parser.add_argument("--latency", type=float, default=0.2, help="seconds")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=1 if few else 3, help="the median counts")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    figures: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory() as folder:
        for world in args.worlds:
            for size in args.sizes:
                name = f"{Path(world).stem} {size}"
                settings = {**SIZES[size], "seed": args.seed}
                figures[name] = measure(world, settings, args, Path(folder) / name)
                print(f"{name} (simulated)")
                for key, value in figures[name].items():
                    print(f"  {key:20}{value:>12,.2f}", flush=True)
    targets = {
        f"{name} {key}": {"target": f"at most {limit:g}", "measured": found[key], "ok": found[key] <= limit}
        for name, found in figures.items()
        for key, limit in LIMITS.items()
    }
    for key, told in targets.items():
        print(f"{'ok  ' if told['ok'] else 'MISS'} {key} {told['measured']:.2f} ({told['target']})")
    ok = all(told["ok"] for told in targets.values())
    print(json.dumps({"bench": "overhead", "ok": ok, "quick": quick(), "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
