"""An evaluation that is killed again and again ends as one that is not, asks nothing twice, and costs little itself.

The real command lets four arms serve simulated customers, against a server on 127.0.0.1 that counts what reaches it
(`witness`). One run is killed with SIGKILL at moments drawn over its work and taken up again; another is left alone.
Their reports must be the same, figure by figure, and what reached the server twice must have been in flight at a kill,
by the ledger the kill left behind. Own CPU is user and system time of the process, its start and the report at its end
included, by model call: with the models in process, and over HTTP, where what the client takes is in it.

QUICK=1 runs a smaller form. Prints a table and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from desk import Desk, Ended, endpoints, load_world, quick, simulated
from preceptor.cli.results import figures as report_figures
from preceptor.llm.ledger import calls
from preceptor.settings import templates
from preceptor.settings.evaluation import find, reported
from preceptor.settings.reading import FILE
from preceptor.settings.rendering import commented
from preceptor.simulated.world import World
from preceptor.storage.canonical import canonical
from witness import Name, Served, name_of, serving

ARMS: Mapping[str, Mapping[str, str]] = {
    "student": {"kind": "student"},
    "instruction": {"kind": "instruction"},
    "passages": {"kind": "passages"},
    "teacher": {"kind": "teacher"},
}
LONGEST_WAIT = 1800.0
"""Seconds after which a process counts as hung."""
LIMITS: Mapping[str, float] = {
    "twice_not_in_flight": 0,
    "other_report": 0,
    "not_in_ledger": 0,
    "cpu_in_process_ms": 2,
}


def desk(folder: Path, world: World, models: Mapping[str, Mapping[str, Any]], evaluation: Mapping[str, Any]) -> Desk:
    folder.mkdir(parents=True)
    values = {f"models.{role}": models[role] for role in models} | {"evaluation": evaluation, "evaluation.arms": ARMS}
    (folder / FILE).write_text(commented(values), "utf-8")
    (folder / templates.DOMAIN_FILE).write_text(templates.domain_text(world.domain), "utf-8")
    return Desk(folder, command="evaluate")


def finished(ended: Ended) -> Ended:
    if ended.code:
        raise SystemExit(f"A run that should have ended well ended with {ended.code}:\n{ended.err[-2000:]}")
    return ended


def report_of(desk: Desk) -> bytes:
    """Every figure of the report, as canonical JSON. Seconds are the machine's, and differ."""
    run = desk.run
    assert run is not None
    with desk.project.database() as db:
        found = report_figures(reported(db, find(db, run.id)))
    arms: Any = found["arms"]
    for measures in arms.values():
        measures.pop("seconds", None)
    return canonical(found)


def rows(desk: Desk) -> dict[Name, str]:
    """Calls in the ledger: their state by what they asked."""
    run = desk.run
    if run is None:
        return {}
    with desk.project.database() as db, db.reading() as connection:
        found = connection.execute(
            sa.select(calls.c.model, calls.c.request, calls.c.state).where(calls.c.run == run.id)
        ).all()
    return {name_of(row.model.rpartition(" ")[2], row.request.encode()): row.state for row in found}


@dataclass(frozen=True)
class Killed:
    kills: int
    found: Counter[Name]
    """Calls in flight by the ledger left behind, by how many kills found them so."""


def killed(desk: Desk, served: Served, moments: list[float]) -> Killed:
    """The run, killed each time so many calls have reached the server, then brought to its end."""
    kills, found = 0, Counter[Name]()
    for moment in moments:
        process = desk.start()
        while process.running and len(served.tally.arrivals) < moment:
            if process.age > LONGEST_WAIT:
                raise SystemExit("A run that was taken up again hangs.")
            time.sleep(0.002)
        process.kill()
        if process.ended().code >= 0:
            break
        kills += 1
        found.update(name for name, state in rows(desk).items() if state == "sent")
        print(f"  kill {kills} after {len(served.tally.arrivals):,} calls", flush=True)
    run = desk.run
    if run is None or run.status != "done":
        finished(desk.teach())
    return Killed(kills, found)


def in_process(world: World, customers: int, seed: int, folder: Path) -> dict[str, float]:
    """What the same run takes with the simulated models, and their work, in its process."""
    here = desk(folder / "here", world, simulated(world.name, world.roles), plan(customers, seed))
    ended = finished(here.teach())
    return {"cpu_in_process_ms": 1000 * ended.cpu / len(rows(here))}


def plan(customers: int, seed: int) -> dict[str, Any]:
    return {"customers": customers, "duels": 0, "seed": seed}


def over_http(world: World, customers: int, kills: int, seed: int, folder: Path) -> dict[str, float]:
    """A run that is left alone and one that is killed, and what the server saw of them."""
    section = plan(customers, seed)
    with serving(world) as served:
        there = desk(folder / "there", world, endpoints(served.url, world.roles), section)
        whole = finished(there.teach())
        count = served.tally.calls
    print(f"  undisturbed: {count:,} calls, {whole.seconds:.0f} s", flush=True)
    draw = random.Random(f"kills {seed}")
    with serving(world) as served:
        suffering = desk(folder / "killed", world, endpoints(served.url, world.roles), section)
        told = killed(suffering, served, sorted(draw.random() * count for _ in range(kills)))
        again, arrived = served.tally.again, served.tally.arrivals.keys()
        known = rows(suffering)
    return {
        "conversations": customers * len(ARMS),
        "calls": count,
        "kills": told.kills,
        "in_flight_at_kills": told.found.total(),
        "sent_twice": sum(again.values()),
        "twice_not_in_flight": sum(max(0, times - told.found[name]) for name, times in again.items()),
        "not_in_ledger": len(arrived - known.keys()),
        "other_report": int(report_of(suffering) != report_of(there)),
        "cpu_http_ms": 1000 * whole.cpu / count,
        "wall_s": whole.seconds,
    }


def limits() -> dict[str, float]:
    """The start of a process is most of what a small run takes, so there is no target for it there."""
    return {key: limit for key, limit in LIMITS.items() if not (quick() and key.startswith("cpu"))}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--worlds", nargs="+", default=["broadband"], help="shipped worlds or world files")
    parser.add_argument("--customers", type=int, default=25 if quick() else 1000)
    parser.add_argument("--kills", type=int, default=3 if quick() else 10)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for world in args.worlds:
            print(f"{Path(world).stem} (simulated)", flush=True)
            place, known = Path(folder) / Path(world).stem, load_world(world)
            found = over_http(known, args.customers, args.kills, args.seed, place)
            found |= in_process(known, args.customers, args.seed, place)
            figures[Path(world).stem] = found
            for key, value in found.items():
                print(f"  {key:22}{value:>12,.2f}", flush=True)
    targets = {
        f"{name} {key}": {"target": f"at most {limit:g}", "measured": found[key], "ok": found[key] <= limit}
        for name, found in figures.items()
        for key, limit in limits().items()
    }
    for key, told in targets.items():
        print(f"{'ok  ' if told['ok'] else 'MISS'} {key} {told['measured']:.2f} ({told['target']})")
    ok = all(told["ok"] for told in targets.values())
    print(
        json.dumps({"bench": "evaluation_resume", "ok": ok, "quick": quick(), "figures": figures, "targets": targets})
    )


if __name__ == "__main__":
    main()
