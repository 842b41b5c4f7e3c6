"""Work on a shared database, by one process, with a line for everything that was acknowledged.

Three kinds, as they occur in earnest: a `run` (the ledger, events, steps of a library), a `desk` (a person's decisions
and releases) and a `gateway` (spending on keys, conversations in a trial). Whoever runs them holds the lines against
what is in the database in the end (`missing`).
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from preceptor.errors import UserError
from preceptor.library.model import Strategy
from preceptor.library.store import Batch, Library
from preceptor.llm.budget import Budget
from preceptor.llm.ledger import Ledger, calls
from preceptor.llm.limits import Limiter
from preceptor.llm.messages import Message, Request, Usage
from preceptor.llm.prices import Amount
from preceptor.llm.scripted import ScriptedModel
from preceptor.llm.stack import stack
from preceptor.llm.stopping import Stop
from preceptor.serving.keys import Keys
from preceptor.serving.spending import Spending
from preceptor.storage.database import Database
from preceptor.storage.runs import Runs

AT_ONCE = 8
"""Calls of a run at a time."""
PAUSE = 0.02
"""Seconds between two settlements of a gateway, which takes one; so that more of them are hit."""
AGAIN = 0.05
"""Seconds before a person tries again."""
Kind = str
Line = tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """Where a worker works."""

    url: str
    folder: Path
    """Its log, its stop sign, and what a gateway keeps on disk."""
    name: str

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def over(self) -> bool:
        return (self.folder / "stop").exists()

    def lines(self) -> list[Line]:
        """What was acknowledged; a line that was cut by a kill was not."""
        whole = self.log.read_text("utf-8").splitlines(keepends=True) if self.log.exists() else []
        return [tuple(line.split()) for line in whole if line.endswith("\n")]


def work(kind: Kind, place: Place) -> None:
    """Work until there is a stop sign."""
    with place.log.open("a", buffering=1) as log:

        def say(*words: object) -> None:
            log.write(" ".join(map(str, words)) + "\n")

        WORKERS[kind](place, say)


def _run(place: Place, say: Callable[..., None]) -> None:
    with Database.open(place.url) as db:
        run = Runs(db).create("teach", {}, 0)
        say("run", run.id)
        with Runs(db).lock(run.id):
            asyncio.run(_teach(db, run.id, place, say))


async def _teach(db: Database, run: str, place: Place, say: Callable[..., None]) -> None:
    ledger, library, n = Ledger(db, run), Library(db, f"taught-{place.name}"), 0

    async def one(number: int) -> None:
        await asked.ask(Request((Message("user", f"call {number}"),)))
        await Runs(db).note(run, "call", number)
        say("event", number)
        batch = Batch(strategies=[Strategy(f"st-{number}", f"Do {number}.", "", None)])
        await library.save(batch, run, str(number))
        say("step", number)

    usage = Usage(1, 1)
    asked = stack(ScriptedModel("m", lambda r: _reply(r, usage)), "student", ledger, Budget(), Limiter(8, 8), Stop())
    while not place.over:
        await asyncio.gather(*(one(number) for number in range(n, n + AT_ONCE)))
        await ledger.written()
        for number in range(n, n + AT_ONCE):
            say("call", number)
        n += AT_ONCE


def _reply(request: Request, usage: Usage) -> str:
    return str(request.messages[0].content).upper()


def _desk(place: Place, say: Callable[..., None]) -> None:
    n = 0
    with Database.open(place.url) as db:
        library = Library(db, f"decided-{place.name}")
        while not place.over:
            n += 1
            one = Strategy(f"st-{n}", f"Say {n}.", "", None, measured="accepted")
            _until(say, library.put_strategy, one, "run")
            say("strategy", n)
            _until(say, library.decide, one.id, "approved", "ann", f"n{n}")
            say("decision", n)
            if n % 20 == 1:
                _until(say, library.release, "ann", f"n{n}")
                say("release", n)


def _until(say: Callable[..., None], act: Callable[..., object], *words: object) -> None:
    """As a person does who is told that it could not be done."""
    while True:
        try:
            act(*words)
        except UserError:
            say("told")
            time.sleep(AGAIN)
        else:
            return


def _gateway(place: Place, say: Callable[..., None]) -> None:
    spending, n = Spending(place.folder / "kept"), 0
    db = Database.open(place.url, patience=0)
    while not place.over:
        n += 1
        spending.charge(f"key-{place.name}", Amount(1, 10, 5, 3))
        say("charge", n)
        try:
            spending.settle(db)
            say("settled", n)
        except UserError:
            say("told")
        time.sleep(PAUSE)
    _until(say, spending.settle, db)
    spending.close(db)
    db.close()


WORKERS: Mapping[Kind, Callable[[Place, Callable[..., None]], None]] = {"run": _run, "desk": _desk, "gateway": _gateway}
PROGRESS: Mapping[Kind, str] = {"run": "step", "desk": "decision", "gateway": "settled"}
"""The lines that show that a worker goes on."""


@dataclass(frozen=True)
class Account:
    """What was acknowledged, and what of it there is."""

    acknowledged: int
    lost: int
    twice: int


def account(kind: Kind, place: Place, db: Database) -> dict[str, Account]:
    """By what was done: what was acknowledged held against the database."""
    lines = place.lines()
    said = {
        what: {line[1] for line in lines if line[0] == what} for what in {line[0] for line in lines if len(line) > 1}
    }
    if kind == "gateway":
        return {"charges": _charges(place, db, len(said.get("charge", ())))}
    if kind == "desk":
        library = Library(db, f"decided-{place.name}")
        trail = Counter((entry.what, entry.note) for entry in library.trail())
        strategies = Counter(one.id[3:] for one in library.strategies())
        return {
            "strategies": _held(said.get("strategy", set()), strategies),
            "decisions": _held(said.get("decision", set()), _noted(trail, "decide")),
            "releases": _held(said.get("release", set()), _noted(trail, "release")),
        }
    (run,) = said["run"]
    events = Counter(str(event.body) for event in Runs(db).events(run))
    steps = Counter(one.id[3:] for one in Library(db, f"taught-{place.name}").strategies())
    with db.reading() as connection:
        done = connection.execute(sa.select(calls.c.reply).where(calls.c.run == run, calls.c.state == "done")).all()
    replies = Counter(row.reply.partition("CALL ")[2].partition('"')[0] for row in done)
    return {
        "events": _held(said.get("event", set()), events),
        "steps": _held(said.get("step", set()), steps),
        "calls": _held(said.get("call", set()), replies),
    }


def _held(said: set[str], there: Counter[str]) -> Account:
    return Account(len(said), len(said - there.keys()), sum(count - 1 for count in there.values()))


def _noted(trail: Counter[tuple[str, str]], what: str) -> Counter[str]:
    return Counter({note[1:]: count for (kind, note), count in trail.items() if kind == what})


def _charges(place: Place, db: Database, said: int) -> Account:
    told = Keys(db).spent(datetime.now(UTC)).get(f"key-{place.name}", {}).get("ever")
    booked = told.calls if told else 0
    return Account(said, max(0, said - booked), max(0, booked - said))


if __name__ == "__main__":
    which, url, folder, name = sys.argv[1:]
    work(which, Place(url, Path(folder), name))
