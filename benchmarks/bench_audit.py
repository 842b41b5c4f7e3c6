"""Whether the audit keeps what it promises: tampering found, no decision lost or made twice, nothing half done, quick.

tampering: alterations of any column of any row of a library people have worked on, each found by `audit verify`; and
whole trails rewritten so that they fit, found by the head that was noted. interleavings: two people who look, decide,
edit, defer and put back at random, in every order a scheduler draws, and in threads and processes at once: whatever was
told to have been done is one line of the trail and where the strategy stands, and whatever was refused left nothing.
kills: a process that edits and approves is killed at a random moment; afterwards the library is sound, and each edit is
approved or was never made. pages: CPU time of what a page asks of 20,000 strategies and 100,000 pieces of evidence.

QUICK=1 runs a smaller form. Prints tables and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import audit_data
import tampering
from desk import aligned, quick
from preceptor.errors import Conflict
from preceptor.library.desk import Desk
from preceptor.library.queue import Filter, Order
from preceptor.library.store import Library
from preceptor.library.trail import Wanted
from preceptor.library.view import View
from preceptor.storage.database import Database

PARTS = ("tampering", "interleavings", "kills", "pages")
PEOPLE = ("ann", "bob")
MOVES = ("approve", "reject", "edit", "edit and approve", "defer", "put back")


def worked_on(db: Database, seed: int) -> Library:
    """A small library with decisions, edits, comments, two releases and a way back."""
    library = Library(db)
    desk = Desk(library)
    audit_data.fill(library, 30, 90, 6, seed)
    audit_data.work(desk, 12, seed)
    desk.publish(desk.assemble("ann", "one").hash, "ann", live=None)
    audit_data.work(desk, 8, seed + 1)
    library.release("bob")
    desk.rollback("ann", "back", live=library.live_hash())
    return library


# Tampering


def measure_tampering(folder: Path, count: int, seed: int) -> dict[str, float]:
    tables: Counter[tuple[str, bool]] = Counter()
    with Database.open(folder / "tampered.db") as db:
        worked_on(db, seed)
        tampering.sound(db)
        for one in tampering.alterations(db, count, seed):
            tables[one.table, one.found] += 1
            if not one.found:
                print(f"not found: {one.kind} of {one.table}.{one.column}")
        tampering.sound(db)
    names = sorted({table for table, _ in tables})
    rows = [(name, str(tables[name, True]), str(tables[name, False])) for name in names]
    print(aligned([("altered", "found", "not found"), *rows]), "\n")
    rewritten = [_rewritten(folder / f"rewritten-{n}.db", seed + n) for n in range(max(2, count // 100))]
    found = sum(number for (_, told), number in tables.items() if told)
    return {
        "alterations": count,
        "found": found,
        "rewritten": len(rewritten),
        "rewritten found by the noted head": sum(rewritten),
    }


def _rewritten(path: Path, seed: int) -> bool:
    with Database.open(path) as db:
        desk = Desk(worked_on(db, seed))
        noted = desk.verify().head
        tampering.rewrite(db, "default", random.Random(seed).randint(1, 20))
        return not desk.verify(noted).sound


# Two people at once


class Person:
    """Looks, and then does something about what was seen; which steps fall between is the scheduler's."""

    def __init__(self, desk: Desk, name: str, chance: random.Random) -> None:
        self.desk, self.name, self.chance = desk, name, chance
        self.seen: View | None = None
        self.done: list[tuple[str, str]] = []
        """(strategy, what was told to have been done)."""
        self.refused = 0

    def look(self, strategy: str) -> None:
        self.seen = self.desk.view(strategy)

    def act(self) -> None:
        shown, self.seen = self.seen, None
        if shown is None:
            return
        move, id_, seen = self.chance.choice(MOVES), shown.strategy.id, shown.seen
        # Never the same twice: a decision given again in the same words is the one that was made.
        text = f"Do {self.name} {self.chance.random()}."
        try:
            if move == "approve":
                self.desk.decide(id_, "approved", self.name, text, seen=seen)
            elif move == "reject":
                self.desk.decide(id_, "rejected", self.name, text, seen=seen)
            elif move == "put back":
                self.desk.decide(id_, "pending", self.name, text, seen=seen)
            elif move == "defer":
                if shown.strategy.decision != "pending":
                    return
                self.desk.defer(id_, self.name, "later", seen=seen)
            else:
                self.desk.edit(id_, text, self.name, "so", seen=seen, approve=move == "edit and approve")
        except Conflict:
            self.refused += 1
            return
        self.done.append((id_, move))


def lines_of(move: str) -> list[str]:
    told = {"edit": ["edit"], "edit and approve": ["edit", "decide"], "defer": ["defer"]}
    return told.get(move, ["decide"])


def faults(desk: Desk, done: dict[str, list[tuple[str, str]]]) -> int:
    """How much of what was told to have been done is not in the trail, or the other way round; and whether it holds."""
    wrong = 0
    for who, moves in done.items():
        told = Counter((entry.strategy or "", entry.what) for entry in desk.lines(Wanted(who=who)))
        wanted = Counter((id_, what) for id_, move in moves for what in lines_of(move))
        wrong += ((told - wanted) + (wanted - told)).total()
    return wrong + len(desk.verify().problems)


def scheduled(db: Database, name: str, seed: int) -> tuple[int, int, int]:
    """One interleaving: (faults, done, refused)."""
    chance = random.Random(seed)
    library = Library(db, name)
    audit_data.fill(library, 3, 6, 1, seed)
    desk = Desk(library)
    ids = [one.id for one in library.strategies()]
    people = [Person(Desk(Library(db, name)), who, chance) for who in PEOPLE]
    for _ in range(chance.randint(6, 14)):
        person = chance.choice(people)
        if person.seen is None:
            person.look(chance.choice(ids))
        else:
            person.act()
    wrong = faults(desk, {person.name: person.done for person in people})
    return wrong, sum(len(person.done) for person in people), sum(person.refused for person in people)


def at_once(path: Path, rounds: int, seed: int) -> tuple[int, int, int]:
    """Threads with databases of their own, who begin each round together on the same strategy."""
    with Database.open(path) as db:
        audit_data.fill(Library(db), 6, 12, 2, seed)
        ids = [one.id for one in Library(db).strategies()]
    together = threading.Barrier(len(PEOPLE))
    people: dict[str, Person] = {}

    def work(who: str) -> None:
        chance = random.Random(f"{seed} {who}")
        with Database.open(path) as db:
            person = people[who] = Person(Desk(Library(db)), who, chance)
            for n in range(rounds):
                person.look(ids[n % len(ids)])
                together.wait()
                person.act()

    threads = [threading.Thread(target=work, args=(who,)) for who in PEOPLE]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Database.open(path) as db:
        wrong = faults(Desk(Library(db)), {who: person.done for who, person in people.items()})
    return wrong, sum(len(one.done) for one in people.values()), sum(one.refused for one in people.values())


PROCESS = """
import json, random, sys
sys.path.insert(0, sys.argv[4])
from bench_audit import Person
from preceptor.library.desk import Desk
from preceptor.library.store import Library
from preceptor.storage.database import Database

path, who, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
with Database.open(path) as db:
    ids = [one.id for one in Library(db).strategies()][:2]
    person = Person(Desk(Library(db)), who, random.Random(who))
    for n in range(rounds):
        person.look(ids[n % 2])
        person.act()
print(json.dumps([person.done, person.refused]))
"""


def in_processes(path: Path, rounds: int, seed: int) -> tuple[int, int, int]:
    """Two processes over two strategies, as fast as they can."""
    with Database.open(path) as db:
        audit_data.fill(Library(db), 4, 8, 2, seed)
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", PROCESS, str(path)]
    started = [
        subprocess.Popen([*command, who, str(rounds), here], stdout=subprocess.PIPE, text=True) for who in PEOPLE
    ]
    told = [json.loads(one.communicate()[0]) for one in started]
    done = {who: [(id_, move) for id_, move in moves] for who, (moves, _) in zip(PEOPLE, told, strict=True)}
    with Database.open(path) as db:
        wrong = faults(Desk(Library(db)), done)
    return wrong, sum(map(len, done.values())), sum(refused for _, refused in told)


def measure_interleavings(folder: Path, count: int, seed: int) -> dict[str, float]:
    with Database.open(folder / "scheduled.db") as db:
        found = [scheduled(db, f"library-{n}", seed + n) for n in range(count)]
    ways = {
        "scheduled": (count, [sum(column) for column in zip(*found, strict=True)]),
        "threads": (count // 2, at_once(folder / "threads.db", count // 2, seed)),
        "processes": (count // 2, in_processes(folder / "processes.db", count // 2, seed)),
    }
    rows = [(way, *map(str, (number, *counted))) for way, (number, counted) in ways.items()]
    print(aligned([("two people", "interleavings", "faults", "done", "refused"), *rows]), "\n")
    figures: dict[str, float] = {}
    for way, (number, (wrong, done, refused)) in ways.items():
        figures |= {f"{way} interleavings": number, f"{way} faults": wrong, f"{way} done": done}
        figures[f"{way} refused"] = refused
    return figures


# Kills

CHILD = """
import itertools, os, sys
from dataclasses import replace
from preceptor.errors import Conflict
from preceptor.library.desk import Desk
from preceptor.library.queue import Filter
from preceptor.library.store import Library
from preceptor.storage.database import Database

with Database.open(sys.argv[1]) as db:
    library = Library(db)
    desk = Desk(library)
    ids = [line.id for line in desk.page().lines]
    print("ready", flush=True)
    for n in itertools.count():
        id_ = ids[n % len(ids)]
        desk.edit(id_, f"Do it {n} times for {os.getpid()}.", "ann", seen=desk.view(id_).seen, approve=True)
        print(id_, flush=True)
        if n % 4 == 0:
            library.release("bob")
        elif n % 4 == 1:
            library.put_strategy(replace(library.strategy(id_), value=n / 1000), "run")
        elif n % 4 == 2:
            desk.decide_all(Filter(), "pending", "bob", expected=desk.bulk(Filter(), "pending", "bob").count)
        else:
            try:
                library.rollback("bob")
            except Conflict:
                pass
"""


def measure_kills(folder: Path, count: int, seed: int) -> dict[str, float]:
    """An edit that is approved at once is two lines and two rows; acknowledged ones must be there.

    Between edits: releases, ways back, what a run stores, and all put back at once.
    """
    path, chance = folder / "killed.db", random.Random(seed)
    with Database.open(path) as db:
        audit_data.fill(Library(db), 6, 12, 2, seed)
    halves = lost = unsound = edits = 0
    for _ in range(count):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        told = child.stdout.readline() + child.stdout.readline()  # it is ready, and has edited once
        time.sleep(chance.uniform(0, 0.4))
        child.kill()
        edits += (told + child.communicate()[0]).count("st-")
        with Database.open(path) as db:
            desk = Desk(Library(db))
            unsound += len(desk.verify().problems)
            lines = Counter(entry.what for entry in desk.lines(Wanted(who="ann")))
        halves += lines["edit"] != lines["decide"]
        lost += max(0, edits - lines["edit"])
        edits = lines["edit"]
    print(
        aligned(
            [("kills", "edits", "halves", "lost", "unsound"), tuple(map(str, (count, edits, halves, lost, unsound)))]
        )
    )
    print()
    return {"kills": count, "halves": halves, "lost": lost, "unsound": unsound}


# Pages


def measure_pages(folder: Path, data: Path | None, strategies: int, seed: int) -> dict[str, float]:
    """The median CPU time of five askings, in milliseconds."""
    path = data or folder / "pages.db"
    with Database.open(path) as db:
        if data is None:
            audit_data.fill(Library(db), strategies, strategies * 5, strategies // 50, seed)
            audit_data.work(Desk(Library(db)), 200, seed)
        asked = list(_asked(Desk(Library(db))))
        figures = {name: _cpu(ask) for name, ask in asked}
    print(aligned([("asked", "CPU ms"), *((name, f"{took:.1f}") for name, took in figures.items())]), "\n")
    return figures


def _asked(desk: Desk) -> Iterator[tuple[str, Callable[[], Any]]]:
    total = desk.page(limit=1).total
    middle = desk.page(offset=total // 2, limit=1).lines[0]
    word = middle.text.split()[2]
    filters = {
        "everything": Filter(),
        "undecided": Filter(state="undecided", measured="accepted"),
        "flagged": Filter(flagged=True),
        "one flag": Filter(flag="much like"),
        "one scenario": Filter(scenario=middle.scenario),
    }
    for name, wanted in filters.items():
        yield f"page: {name}", partial(desk.page, wanted)
        yield f"counts: {name}", partial(desk.counts, wanted)
        yield f"around: {name}", partial(desk.around, middle.id, wanted)
    for order in get_args(Order):
        yield f"last page by {order}", partial(desk.page, order=order, offset=total - 50)
        yield f"around by {order}", partial(desk.around, middle.id, order=order)
    yield "first undecided", partial(desk.first, Filter(measured="accepted"))
    yield "view", partial(desk.view, middle.id)
    yield "trail", desk.trail
    for name, words in (("a word", word), ("two words", f"{word} {middle.text.split()[-1]}"), ("nothing", "qqqq")):
        yield f"search: {name}", partial(desk.page, Filter(search=words))
        yield f"search counts: {name}", partial(desk.counts, Filter(search=words))


def _cpu(ask: Callable[[], Any]) -> float:
    ask()
    took = []
    for _ in range(5):
        begun = time.process_time()
        ask()
        took.append((time.process_time() - begun) * 1000)
    return statistics.median(took)


def targets_of(figures: dict[str, dict[str, float]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}

    def promise(name: str, target: str, measured: float, ok: bool) -> None:
        found[name] = {"target": target, "measured": measured, "ok": ok}

    if one := figures.get("tampering"):
        promise("alterations not found", "0", one["alterations"] - one["found"], one["found"] == one["alterations"])
        missed = one["rewritten"] - one["rewritten found by the noted head"]
        promise("rewritten trails not found by a noted head", "0", missed, missed == 0)
    if one := figures.get("interleavings"):
        wrong = sum(number for name, number in one.items() if name.endswith("faults"))
        promise("decisions lost or made twice", "0", wrong, wrong == 0)
        refused = min(number for name, number in one.items() if name.endswith("refused"))
        promise("fewest refused: they did meet", "at least 1", refused, refused > 0)
    if one := figures.get("kills"):
        wrong = one["halves"] + one["lost"] + one["unsound"]
        promise("half done, lost or unsound after a kill", "0", wrong, wrong == 0)
    if one := figures.get("pages"):
        plain = max(took for name, took in one.items() if not name.startswith("search"))
        searched = max(took for name, took in one.items() if name.startswith("search"))
        promise("slowest page, CPU ms", "at most 50", plain, plain <= 50)
        promise("slowest search, CPU ms", "at most 100", searched, searched <= 100)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    few = quick()
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="which parts; all when none is named")
    parser.add_argument("--count", type=int, default=100 if few else 1000, help="alterations, and interleavings")
    parser.add_argument("--kills", type=int, default=5 if few else 40)
    parser.add_argument("--strategies", type=int, default=2000 if few else 20_000)
    parser.add_argument("--data", type=Path, help="a database of audit_data.py, instead of making one")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for part in args.parts or PARTS:
            match part:
                case "tampering":
                    figures[part] = measure_tampering(folder, args.count, args.seed)
                case "interleavings":
                    figures[part] = measure_interleavings(folder, args.count, args.seed)
                case "kills":
                    figures[part] = measure_kills(folder, args.kills, args.seed)
                case "pages":
                    figures[part] = measure_pages(folder, args.data, args.strategies, args.seed)
    targets = targets_of(figures)
    ok = all(one["ok"] for one in targets.values())
    print(json.dumps({"bench": "audit", "ok": ok, "quick": few, "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
