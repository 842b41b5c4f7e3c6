"""Two gateways that share one PostgreSQL: how soon both know of a release, what they overspend, life without it.

Two `preceptor serve` processes with project folders of their own stand for two machines; a private cluster (`cluster`)
serves them. Releases and roll-backs are timed from when they are kept until each gateway answers by them. A key with a
budget of tokens is used at both at once until both refuse it. Then the server is stopped at once, time and again, while
a good key goes on asking: every answer must be the student's, flagged as untaught once the gateway no longer knows what
is in force, and taught again by itself when the server is back. In the end every answer must be on the books, once.

The student is simulated. QUICK=1 runs a smaller form. Prints a table and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import httpx2

from cluster import Cluster, running
from desk import command, quick
from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.model import Scenario, Strategy
from preceptor.library.rows import Use
from preceptor.library.store import Batch, Library
from preceptor.serving.keys import Key, Keys
from preceptor.settings.project import Project
from preceptor.storage.database import Database

PATIENCE = 20.0
"""Seconds after which something counts as never having happened."""
TOKENS = 2000
"""What the bounded key may spend."""
LIMITS = {
    "release_slowest_s": 1,
    "good_key_refused": 0,
    "failed": 0,
    "books_off": 0,
    "never_untaught": 0,
    "back_slowest_s": 10,
}
SAID = "My line is down again, and nobody has come to repair it."
HOME = Scenario("sc-1", "The line is down again.", (Context((Turn("customer", SAID),)),))
BRIEF, KIND = (
    Strategy(f"st-{n}", text, "It helps.", HOME.id, 0.3, "accepted") for n, text in enumerate(("Be brief.", "Be kind."))
)


@dataclass
class Machine:
    url: str
    client: httpx2.Client
    model: str
    answered: Counter[str] = field(default_factory=Counter)
    """Answers of 200, by key."""

    def ask(self, key: str) -> tuple[int, str, str]:
        """Status, state of the teaching, release."""
        body = {
            "messages": [{"role": "user", "content": SAID}],
            "max_tokens": 20,
            "model": self.model,
        }
        answer = self.client.post(f"{self.url}/chat/completions", json=body, headers={"authorization": f"Bearer {key}"})
        self.answered[key] += answer.status_code == 200
        about = answer.headers
        return answer.status_code, about.get("x-preceptor-teaching", ""), about.get("x-preceptor-release", "")


@contextmanager
def machine(folder: Path, database: str) -> Iterator[Machine]:
    """A gateway process with a project of its own."""
    subprocess.run([command(), "init", str(folder)], check=True, stdout=subprocess.DEVNULL)
    with (folder / "log").open("w") as log:
        words = [command(), "serve", "--port", "0", "--project", str(folder), "--set", f"project.database={database}"]
        process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT)
        try:
            with httpx2.Client(timeout=PATIENCE) as client:
                yield Machine(_address(folder / "log"), client, Project.load(folder).settings.models.student.model)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _address(log: Path) -> str:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for word in log.read_text("utf-8").split():
            if word.startswith("http://"):
                return word.rstrip(".")
        time.sleep(0.05)
    raise SystemExit(f"`preceptor serve` does not start:\n{log.read_text('utf-8')}")


def until(machines: Sequence[Machine], key: str, wanted: tuple[int, str | None, str | None]) -> list[float]:
    """Ask each until it answers so; after how many seconds that was."""
    began, waits = time.monotonic(), dict[int, float]()
    while len(waits) < len(machines) and time.monotonic() - began < PATIENCE:
        for number, one in enumerate(machines):
            if number not in waits and all(w in (None, g) for w, g in zip(wanted, one.ask(key), strict=True)):
                waits[number] = time.monotonic() - began
        time.sleep(0.01)
    return [waits.get(number, PATIENCE) for number in range(len(machines))]


def move(machines: Sequence[Machine], library: Library, key: str, times: int) -> list[float]:
    """Seconds from each release or roll-back until each gateway goes by it."""
    found = []
    for number in range(times):
        live = library.rollback("ann").hash if number % 2 else library.release("ann").hash
        found += until(machines, key, (200, None, live))
    return found


def spend(machines: Sequence[Machine], key: str) -> None:
    """At both, in turns, until both refuse."""
    refused: set[int] = set()
    while len(refused) < len(machines):
        for number, one in enumerate(machines):
            if number not in refused and one.ask(key)[0] == 429:
                refused.add(number)


@dataclass
class Outage:
    states: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    """Answers of 401 to a good key."""
    failed: int = 0
    """Other answers but 200."""
    never: int = 0
    """Gateways that went on teaching for longer than they may."""
    back: list[float] = field(default_factory=list)
    """Seconds from when the server answers again until a gateway teaches again."""


def suffer(cluster: Cluster, machines: Sequence[Machine], key: str, stops: int) -> Outage:
    found = Outage()
    for _ in range(stops):
        cluster.crash()
        began, untaught = time.monotonic(), set[int]()
        while len(untaught) < len(machines) and time.monotonic() - began < PATIENCE:
            for number, one in enumerate(machines):
                status, state, _ = one.ask(key)
                found.states[state] += 1
                found.refused += status == 401
                found.failed += status not in (200, 401)
                if state == "unavailable":
                    untaught.add(number)
        found.never += len(machines) - len(untaught)
        cluster.start()
        found.back += until(machines, key, (200, "on", None))
    return found


def books_off(db: Database, ids: dict[str, str], machines: Sequence[Machine]) -> int:
    """By how many answers the books are wrong, over all keys; given a moment to be written."""
    asked = Counter[str]()
    for one in machines:
        asked.update(one.answered)
    began = time.monotonic()
    while True:
        told = Keys(db).spent(datetime.now(UTC))
        booked = {key: told[name]["ever"].calls if name in told else 0 for key, name in ids.items()}
        off = sum(abs(booked[key] - asked[key]) for key in ids)
        if not off or time.monotonic() - began > 10:
            return off
        time.sleep(0.2)


def measure(cluster: Cluster, folder: Path, moves: int, stops: int) -> dict[str, Any]:
    url = cluster.new()
    with Database.open(url) as db, ExitStack() as stack:
        library = Library(db)
        library.store(Batch([HOME], [BRIEF, KIND], use=Use("Helpdesk", "system_end", 0.05, 0.0)), "run-1", "1")
        library.decide(BRIEF.id, "approved", "ann")
        library.release("ann")
        library.decide(KIND.id, "approved", "ann")
        (free, one), (bounded, other) = (
            Keys(db).add(Key("", "ann", "shop", "default")),
            Keys(db).add(Key("", "bob", "shop", "default", tokens=TOKENS)),
        )
        machines = [stack.enter_context(machine(folder / name, url)) for name in ("one", "two")]
        until(machines, free, (200, "on", None))
        waits = move(machines, library, free, moves)
        spend(machines, bounded)
        outage = suffer(cluster, machines, free, stops)
        off = books_off(db, {free: one.id, bounded: other.id}, machines)
        spent = Keys(db).spent(datetime.now(UTC))[other.id]["ever"]
    tokens = spent.prompt_tokens + spent.completion_tokens
    return {
        "releases": len(waits) // len(machines),
        "release_median_s": round(median(waits), 2),
        "release_slowest_s": round(max(waits), 2),
        "spent_of_limit": round(tokens / TOKENS, 2),
        "stops": stops,
        "answers_meanwhile": sum(outage.states.values()),
        "of_them_untaught": outage.states["unavailable"],
        "good_key_refused": outage.refused,
        "failed": outage.failed,
        "never_untaught": outage.never,
        "back_median_s": round(median(outage.back), 2),
        "back_slowest_s": round(max(outage.back), 2),
        "books_off": off,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moves", type=int, default=6 if quick() else 40, help="releases and roll-backs")
    parser.add_argument("--stops", type=int, default=1 if quick() else 5)
    args = parser.parse_args()
    with running([]) as cluster, tempfile.TemporaryDirectory() as folder:
        figures = measure(cluster, Path(folder), args.moves, args.stops)
    for name, value in figures.items():
        print(f"{name:20}{value:>12}")
    targets = {
        name: {"target": most, "measured": figures[name], "ok": figures[name] <= most} for name, most in LIMITS.items()
    }
    ok = all(target["ok"] for target in targets.values())
    print(json.dumps({"bench": "torture_machines", "ok": ok, "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
