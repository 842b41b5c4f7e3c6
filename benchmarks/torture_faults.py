"""A bad line, an outage and a rate limit that moves, between the real command and `preceptor world serve`.

A proxy (`fault_proxy`) stands between the two and breaks the wire, from a seed; the command asks over HTTP with
OpenAI's client, as it would any provider. Simulated models.

bad: a `preceptor teach` of at least so many calls of whose replies so many are bad in one of eleven ways ends with the
library and the events of one that is left alone; how many requests it took; and whether anything was sent before its
Retry-After: the same request by the proxy's clock, any other by what the client had read when it sent it (`wiretap`).
outage: the server goes away for so long while a teach
runs, a third of the time each without a listener, with 503s and with silence; nobody touches the run. steps: a
`preceptor evaluate` that always has more to ask than it may, against a limit of 100, 20 and again 100 calls a second;
of each step the second half counts.

QUICK=1 runs a smaller form. Prints a table and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import wiretap
from bench_evaluation_resume import desk as evaluation
from bench_reliability import Memory, finished, world_server
from desk import SMALL, Desk, Ended, Teaching, aligned, endpoints, load_world, quick, simulated
from fault_proxy import Away, Bad, Proxy, Seen, proxying
from preceptor.simulated.world import World

TIMEOUT = 3.0
"""Seconds a reply may take: far more than the server needs, and far less than a slow one takes."""
RATES = (100.0, 20.0, 100.0)
"""Calls a second, step by step."""
CALLS_A_CUSTOMER = 250
"""Of a teach of this size, roughly; more customers are taken until there are enough calls."""
MORE = 1.3
LONGEST_WAIT = 3600.0
"""Seconds after which a run counts as hung, beyond what an outage takes."""
Figures = dict[str, float]


def port(url: str) -> int:
    return int(url.rsplit(":", 1)[1].partition("/")[0])


class Left:
    """The run nobody disturbed, with the models in process."""

    def __init__(self, folder: Path, name: str, world: World, settings: Mapping[str, Any]) -> None:
        desk = Desk.open(folder, world, simulated(name, world.roles), settings)
        self.settings = settings
        self.seconds = finished(desk.teach()).seconds
        self.hash, self.memory = desk.hash, Memory.of(desk)

    @property
    def calls(self) -> int:
        return len(self.memory.rows)


def left_alone(folder: Path, args: argparse.Namespace, world: World, calls: int) -> Left:
    """A run of at least so many calls."""
    customers = max(4.0, calls / CALLS_A_CUSTOMER)
    while True:
        settings = {**SMALL, "customers": int(customers), "seed": args.seed}
        whole = Left(folder / f"left-{int(customers)}", args.world, world, settings)
        if whole.calls >= calls:
            return whole
        customers *= max(MORE, calls / whole.calls)


def compared(desk: Desk, whole: Left, seen: Seen, ended: Ended) -> Figures:
    """A disturbed run against the one left alone."""
    memory = Memory.of(desk)
    return {
        "calls": whole.calls,
        "accepted": len(whole.memory.accepted),
        "ended_badly": float(ended.code != 0),
        "other_hash": float(desk.hash != whole.hash),
        "other_events": float(memory.events != whole.memory.events),
        "requests": seen.arrivals.total(),
        "requests_ratio": seen.arrivals.total() / whole.calls,
        "early_same": seen.early_same,
        "left_alone_s": whole.seconds,
        "wall_s": ended.seconds,
    }


def there(folder: Path, world: World, proxy: Proxy, settings: Mapping[str, Any]) -> Desk:
    return Desk.open(folder, world, endpoints(proxy.url, world.roles, timeout=TIMEOUT), settings)


def bad(folder: Path, args: argparse.Namespace, world: World) -> Figures:
    whole = left_alone(folder, args, world, args.calls)
    print(f"  left alone: {whole.calls:,} calls in {whole.seconds:.0f} s, library {whole.hash[:12]}", flush=True)
    with (
        world_server(args.world) as url,
        proxying(port(url), Bad(args.bad, seed=args.seed), slow=4 * TIMEOUT) as proxy,
    ):
        log = folder / "wire"
        desk = there(folder / "bad", world, proxy, whole.settings)
        desk = replace(desk, before=(sys.executable, wiretap.__file__, str(log)))
        ended = _told(desk.teach())
    early = wiretap.early(log.read_text("utf-8").splitlines())
    done = proxy.seen.done
    print("  " + ", ".join(f"{kind} {count:,}" for kind, count in sorted(done.items())), flush=True)
    return compared(desk, whole, proxy.seen, ended) | {
        "bad_share": 1 - done["passed"] / done.total(),
        "early_others": len(early),
        "early_longest_s": max((sent.after for sent in early), default=0.0),
        "came_meanwhile": proxy.seen.came_meanwhile,
    }


def outage(folder: Path, args: argparse.Namespace, world: World) -> Figures:
    whole = left_alone(folder, args, world, 1000)
    with world_server(args.world) as url, proxying(port(url)) as proxy:
        desk = there(folder / "outage", world, proxy, whole.settings)
        running = desk.start()
        _until(running, lambda: len(proxy.seen.arrivals) > whole.calls / 3)
        began = time.time()
        for how in _ways(args.outage):
            proxy.away(how)
            time.sleep(args.outage / 3)
        still = running.running
        proxy.away(None)
        back = time.time()
        ended = _told(running.ended())
    after = [at for at, what in proxy.seen.log if what == "passed" and at >= back]
    return compared(desk, whole, proxy.seen, ended) | {
        "outage_s": back - began,
        "ended_meanwhile": float(not still),
        "requests_meanwhile": sum(began <= at < back for at, _ in proxy.seen.log),
        "back_after_s": min(after, default=float("inf")) - back,
    }


def _ways(seconds: float) -> tuple[Away, ...]:
    print(f"  away for {seconds:.0f} s: refused, failing, silent", flush=True)
    return ("refused", "failing", "silent")


def steps(folder: Path, args: argparse.Namespace, world: World) -> Figures:
    length = args.step

    def rate(seconds: float) -> float:
        return float(args.rates[min(int(seconds / length), len(args.rates) - 1)])

    with world_server(args.world) as url, proxying(port(url), rate=rate) as proxy:
        section = {"customers": int(sum(args.rates) * length / 10), "duels": 0, "seed": args.seed}
        desk = evaluation(folder / "steps", world, endpoints(proxy.url, world.roles, timeout=60.0), section)
        running = desk.start()
        _until(running, lambda: bool(proxy.seen.log))
        began = proxy.seen.log[0][0]
        _until(running, lambda: time.time() > began + length * len(args.rates))
        enough = running.running
        running.interrupt()
        running.ended()
    figures: Figures = {"ran_out": float(not enough), "early_same": proxy.seen.early_same}
    for number, limit in enumerate(args.rates):
        begin, end = began + length * (number + 0.5), began + length * (number + 1)
        log = [what for at, what in proxy.seen.log if begin <= at < end]
        name = f"step{number + 1}"
        figures[f"{name}_limit"] = limit
        figures[f"{name}_used"] = log.count("passed") / (end - begin) / limit
        figures[f"{name}_refused"] = log.count("limited") / max(len(log), 1)
    return figures


def _until(running: Teaching, done: Any) -> None:
    while running.running and not done():
        if running.age > LONGEST_WAIT:
            raise SystemExit("A run hangs.")
        time.sleep(0.05)


def _told(ended: Ended) -> Ended:
    if ended.code:
        print(f"  ended with {ended.code}: {ended.err[-1000:]}", flush=True)
    return ended


PARTS = {"bad": bad, "outage": outage, "steps": steps}
AT_MOST: Mapping[str, float] = {
    "ended_badly": 0,
    "other_hash": 0,
    "other_events": 0,
    "early_same": 0,
    "early_others": 0,
    "ended_meanwhile": 0,
    "back_after_s": 60,
    "ran_out": 0,
    **{f"step{number + 1}_refused": 0.02 for number in range(len(RATES))},
}
AT_LEAST: Mapping[str, float] = {f"step{number + 1}_used": 0.85 for number in range(len(RATES))}


def verdicts(part: str, figures: Figures) -> dict[str, dict[str, Any]]:
    """By target: what is asked, what was measured, and whether it holds."""
    most = {**AT_MOST, **({"requests_ratio": 1.5} if part == "bad" else {})}
    found = {}
    for key, value in figures.items():
        if key in most:
            found[f"{part} {key}"] = {"target": f"at most {most[key]:g}", "measured": value, "ok": value <= most[key]}
        elif key in AT_LEAST:
            least = AT_LEAST[key]
            found[f"{part} {key}"] = {"target": f"at least {least:g}", "measured": value, "ok": value >= least}
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    few = quick()
    parser.add_argument("--world", default="broadband", help="a shipped world, or a world file")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--bad", type=float, default=0.3, help="share of replies that are bad")
    parser.add_argument("--calls", type=int, default=500 if few else 10_000, help="at least")
    parser.add_argument("--outage", type=float, default=30 if few else 600, help="seconds")
    parser.add_argument("--step", type=float, default=40 if few else 90, help="seconds of each rate")
    parser.add_argument("--rates", type=float, nargs=len(RATES), default=RATES, help="calls a second, step by step")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    world = load_world(args.world)
    figures: dict[str, Figures] = {}
    targets: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for part in args.parts:
            print(f"{part} (simulated)", flush=True)
            figures[part] = PARTS[part](Path(folder) / part, args, world)
            targets |= verdicts(part, figures[part])
            print(aligned([(f"  {key}", f"{value:,.3f}") for key, value in figures[part].items()]), flush=True)
    for key, told in targets.items():
        print(f"{'ok  ' if told['ok'] else 'MISS'} {key} {told['measured']:.3f} ({told['target']})")
    ok = all(told["ok"] for told in targets.values())
    print(json.dumps({"bench": "torture_faults", "ok": ok, "quick": quick(), "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
