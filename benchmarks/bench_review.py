"""What each page of the review takes on the server with 20,000 strategies and 100,000 pieces of evidence.

Pages are asked for in process, as a browser would, in random order; processor time and time that passed, medians and
95th percentiles. Strategies, scenarios and words searched for are drawn from the library with a seed. QUICK=1: a tenth.
Prints a table and, as its last line, a JSON object.
"""

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2

from audit_data import fill, work
from desk import quick
from preceptor.library.desk import Desk
from preceptor.library.store import Library
from preceptor.storage.database import Database
from preceptor.web.admission import Alone
from preceptor.web.app import app
from preceptor.web.house import House
from preceptor.web.people import Person
from preceptor.web.visits import bit

ROUNDS = 25
PAGE_MS, SEARCH_MS = 200.0, 100.0
"""Targets of issue 5."""


def addresses(desk: Desk, chance: random.Random) -> Iterator[tuple[str, str]]:
    """What a reader may ask for, by name; drawn anew for each round."""
    line = chance.choice(desk.page(offset=chance.randrange(desk.counts().of), limit=20).lines)
    word, other = (chance.choice(line.text.split()).strip(".,") for _ in range(2))
    yield "queue", "/queue"
    yield from (
        (f"queue, {order}", f"/queue?sort={order}&state=all") for order in ("effect", "risk", "reach", "scenario")
    )
    yield "queue, late page", f"/queue?state=all&page={chance.randint(2, 200)}"
    yield "queue, flagged", "/queue?flagged=yes&sort=uncertainty"
    yield "search", f"/queue?q={word}"
    yield "search, two words", f"/queue?q={word}+{other[:4]}&state=all&measured=all"
    yield "search, nothing found", "/queue?q=zzzxq"
    yield "strategy", f"/strategies/{bit(line.id)}"
    yield "strategy in a search", f"/strategies/{bit(line.id)}?q={word}&sort=effect&state=all"
    yield "all at once", f"/queue/all?q={word}"
    yield "releases", "/releases"
    if releases := desk.library.releases():
        yield "release", f"/releases/{releases[0].hash}"
    yield "map", "/map"
    yield "trail", "/trail"
    yield "trail, one strategy", f"/trail?subject={bit(line.id)}"


async def walk(house: House, rounds: int, seed: int) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds by page: of the processor, and passed."""
    chance = random.Random(seed)
    took: dict[str, list[tuple[float, float]]] = {}
    transport = httpx2.ASGITransport(app=app(house, Alone(Person("ann", "admin"))))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        for turn in range(-1, rounds):
            pages = list(addresses(house.desk, chance))
            chance.shuffle(pages)
            for name, address in pages:
                worked, passed = time.process_time(), time.perf_counter()
                answer = await client.get(address)
                spent = (time.process_time() - worked) * 1000, (time.perf_counter() - passed) * 1000
                assert answer.status_code == 200, (address, answer.text[:500])
                if turn >= 0:  # the first round warms up
                    took.setdefault(name, []).append(spent)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, help="a database made by audit_data.py; one is made when not given")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    share = 10 if quick() else 1
    with tempfile.TemporaryDirectory() as folder, Database.open(asked.file or Path(folder) / "review.db") as db:
        library = Library(db)
        if asked.file is None:
            fill(library, 20_000 // share, 100_000 // share, 400 // share, asked.seed)
            work(Desk(library), 300 // share, asked.seed)
        house = House(Desk(library))
        of = house.desk.counts().of
        took = asyncio.run(walk(house, ROUNDS, asked.seed))
    print(f"{of:,} strategies; milliseconds on the server, {ROUNDS} visits each\n")
    print(f"{'page':<24}{'processor':>11}{'passed':>9}{'95 %':>8}")
    figures: dict[str, float] = {}
    for name, pairs in sorted(took.items()):
        worked, passed = (statistics.median(column) for column in zip(*pairs, strict=True))
        late = statistics.quantiles([pair[1] for pair in pairs], n=20)[-1]
        print(f"{name:<24}{worked:>11.1f}{passed:>9.1f}{late:>8.1f}")
        figures[name] = round(worked, 1)
    targets = {name: SEARCH_MS if name.startswith("search") else PAGE_MS for name in figures}
    ok = all(figures[name] <= targets[name] for name in figures)
    print(json.dumps({"bench": "review", "ok": ok, "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
