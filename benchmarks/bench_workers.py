"""What customers and the books see when workers, or the whole gateway, are killed under load.

`preceptor serve --workers N` with a key, behind it an instant upstream that counts, in front of it customers who ask as
fast as they are answered. Releases are made and rolled back; workers are killed with SIGKILL, one at a time; then all
processes at once, and the gateway is started again on the same port, several times. In the end it is told to stop, and
what the database has booked on the key is held against what the upstream has answered.

`lag_s`: seconds from a release's transaction to the last request that was taught by the one before, over all workers,
the worst; `lag_fitted_s`: the same where scenarios have changed, so that they are fitted first. `lost`: answers of the
upstream that were never booked; no more than what was in flight at the kills, one for each customer and kill.
`unpaid`: answers that customers got and nobody booked. `least`: the share of requests that the worker with the fewest
served; workers begin one after the other, and the first gets all connections.

QUICK=1 kills less often. Prints a table and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import uvloop

from bench_gateway import Server, project
from bench_soak import Owner, Upstream, Wire
from desk import quick
from peers import text
from preceptor.serving.keys import Keys
from preceptor.storage.database import Database

SCENARIOS = 100
PROGRAM = "import sys; from preceptor.cli import main; main()"
SERVED = re.compile(r'preceptor_requests_total{worker="(\d+)",route="chat",status="200"} (\d+)')
AGAIN = 0.02
"""Seconds until a customer whose connection was dropped tries again."""


@dataclass
class Seen:
    """What customers saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    dropped: int = 0
    odd: Counter[str] = field(default_factory=Counter)
    """Answers that were neither whole nor a dropped connection."""
    last: dict[str, float] = field(default_factory=dict)
    """When the last request that a release taught was begun, on the monotonic clock."""


async def customer(server: Server, seen: Seen, rng: random.Random) -> None:
    wire = Wire(server)
    while True:
        said = [{"role": "user", "content": text(rng, rng.randrange(SCENARIOS), 20)}]
        began = time.monotonic()
        try:
            answer = await wire.ask("/v1/chat/completions", orjson.dumps({"model": "m", "messages": said}))
        except (OSError, EOFError):
            seen.dropped += 1
            wire.close()
            await asyncio.sleep(AGAIN)
            continue
        seen.statuses[answer.status] += 1
        if answer.status == 200 and not orjson.loads(answer.body)["choices"]:
            seen.odd["no reply"] += 1
        release = answer.headers.get("x-preceptor-release", "")
        seen.last[release] = max(seen.last.get(release, 0.0), began)


@contextlib.asynccontextmanager
async def gateway(folder: Path, port: int, upstream: int, workers: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """In a process group of its own; ended with it."""
    there = f'serving.upstreams.up={{base_url="http://127.0.0.1:{upstream}/v1"}}'
    arguments = ["serve", "--project", str(folder), "--port", str(port), "--workers", str(workers), "--set", there]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, *arguments), stdout=asyncio.subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def until(holds: Callable[[], bool]) -> float:
    """Seconds until it does."""
    began = time.monotonic()
    async with asyncio.timeout(120):
        while not holds():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.005)
    return time.monotonic() - began


def shares(port: int) -> dict[str, int]:
    """Chats served, by worker; nothing when nobody answers yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            return {worker: int(count) for worker, count in SERVED.findall(answer.read().decode())}
    except OSError:
        return {}


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def releases(owner: Owner, seen: Seen, moves: int) -> dict[str, float]:
    """The worst lags: where scenarios are as they were, and where they had to be fitted anew."""
    worst = {"lag_s": 0.0, "lag_fitted_s": 0.0}
    for _ in range(moves):
        before = max(seen.last, key=lambda name: seen.last[name])
        await asyncio.to_thread(owner.move)
        done = time.monotonic()
        await asyncio.sleep(4)
        kind = "lag_fitted_s" if owner.fitted else "lag_s"
        worst[kind] = max(worst[kind], seen.last[before] - done)
    return worst


async def one_by_one(process: asyncio.subprocess.Process, seen: Seen, kills: int) -> None:
    for _ in range(kills):
        workers = children(process.pid)
        os.kill(workers[0], signal.SIGKILL)
        await until(lambda workers=workers: len(set(children(process.pid)) - set(workers)) == 1)  # type: ignore[misc]
        answered = seen.statuses[200]
        await until(lambda answered=answered: seen.statuses[200] > answered + 500)  # type: ignore[misc]
        await asyncio.sleep(2)


async def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    behind, seen = Upstream(), Seen()
    serving = await asyncio.start_server(behind.serve, "127.0.0.1", 0, limit=1 << 24)
    upstream = serving.sockets[0].getsockname()[1]
    key = await asyncio.to_thread(project, folder, SCENARIOS, Server("upstream", 0, upstream))
    spare = await asyncio.start_server(behind.serve, "127.0.0.1", 0)
    port = spare.sockets[0].getsockname()[1]
    spare.close()
    server = Server("ours", 0, port, key)
    asking = [
        asyncio.create_task(customer(server, seen, random.Random(f"{args.seed} {n}"))) for n in range(args.connections)
    ]
    figures: dict[str, Any] = {}
    async with gateway(folder, port, upstream, args.workers) as process:
        while len(before := await asyncio.to_thread(shares, port)) < args.workers:  # noqa: ASYNC110 - see `until`
            await asyncio.sleep(0.5)
        served = seen.statuses[200]
        figures |= await releases(Owner(folder / "preceptor.db", random.Random(args.seed)), seen, args.releases)
        after = await asyncio.to_thread(shares, port)
        figures["least"] = min(after[worker] - before[worker] for worker in before) / (seen.statuses[200] - served)
        dropped = seen.dropped
        await one_by_one(process, seen, args.kills)
        figures["dropped by workers' deaths"] = seen.dropped - dropped
        os.killpg(process.pid, signal.SIGKILL)
    away = []
    for kill in range(args.kills):
        answered = seen.statuses[200]
        async with gateway(folder, port, upstream, args.workers) as process:
            away.append(await until(lambda answered=answered: seen.statuses[200] > answered))  # type: ignore[misc]
            await until(lambda answered=answered: seen.statuses[200] > answered + 1000)  # type: ignore[misc]
            if kill < args.kills - 1:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                for task in asking:
                    task.cancel()
                await asyncio.gather(*asking, return_exceptions=True)
    serving.close()
    with Database.open(folder / "preceptor.db") as db:
        booked = sum(periods["ever"].calls for periods in Keys(db).spent(datetime.now(UTC)).values())
    return figures | {
        "answered": seen.statuses[200],
        "other answers": sum(count for status, count in seen.statuses.items() if status != 200)
        + sum(seen.odd.values()),
        "dropped": seen.dropped,
        "away_s": max(away),
        "upstream": behind.asked,
        "booked": booked,
        "lost": behind.asked - booked,
        "unpaid": max(0, seen.statuses[200] - booked),
        "in flight at most": args.connections * (2 * args.kills),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    few = quick()
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--kills", type=int, default=2 if few else 5, help="of workers, and again of all")
    parser.add_argument("--releases", type=int, default=2 if few else 6)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = uvloop.run(measure(args, Path(folder)))
    for name, value in figures.items():
        print(f"{name:28} {value:,.3f}" if isinstance(value, float) else f"{name:28} {value:,}")

    def at_most(name: str, limit: float) -> dict[str, Any]:
        return {"target": f"at most {limit:g}", "measured": figures[name], "ok": figures[name] <= limit}

    targets = {
        "lag_s": at_most("lag_s", 1.0),
        "other answers": at_most("other answers", 0),
        "dropped by workers' deaths": at_most("dropped by workers' deaths", args.connections * args.kills),
        "lost": at_most("lost", figures["in flight at most"]),
        "unpaid": at_most("unpaid", 0),
    }
    ok = all(one["ok"] for one in targets.values())
    print(json.dumps({"bench": "workers", "ok": ok, "quick": few, "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
