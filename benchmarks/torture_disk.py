"""A disk that is full, or fails, at the n-th write: what was acknowledged is there, and the same command goes on.

The five kinds of work of `torture_crashes`, each on projects of its own. `strace` lets the n-th system call that writes
to (or syncs) a file of the project fail: with ENOSPC from then on, as a full disk does, or with EIO once, as a bad
sector may. Swept is every call that an undisturbed run makes, or evenly so many of them (`--cases`). Where nobody may
trace, or where there is no `strace`, this part says so and is left out; a limit on the size of files, swept over all
sizes the database grows through, stands in for it and is done in any case.

After each fault: exit code 1 and a sentence that says what is wrong and what next, with no traceback; all rows that
were acknowledged; `integrity_check`; the trail. Then, with the disk well again, the same work is taken up and must end
as one that nobody disturbed. Or the fault hurt nothing, and the work came to its end; or it never came, because the
system calls of a run are not the same in number each time.

QUICK=1 runs a smaller form. Prints a table and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from crashing import Ended, forking
from desk import aligned, memory, quick
from torture_crashes import SMALL, UNHURT, Kill, Torture, Whole
from tracing import WRITES, Tracer, why_not
from works import DATABASE, WORKS

Item = TypeVar("Item")
PAGE = 4096
"""Bytes by which a database grows."""
MUST_BE_NONE = (*UNHURT, "wrong_code", "untold")
COLUMNS = ("calls_made", "told", "hurt_nothing", "never_came", *MUST_BE_NONE)
SENTENCE = re.compile(r"^preceptor: [A-Z].+\.$", re.MULTILINE)
NEXT = re.compile(r"\b(then|Go on|Try again|Restore)\b")
"""It says what next."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong."""

    what: str
    injections: tuple[str, ...] = ()
    """As `strace` takes them."""
    limit: int = 0
    """Bytes that no file may grow beyond; 0: no limit."""

    @classmethod
    def full(cls, calls: Sequence[str], n: int) -> Fault:
        """No space for the n-th of a thread's calls, which is a write, nor for any later one."""
        before = Counter(calls[:n])
        from_here = (f"inject={name}:error=ENOSPC:when={before[name] + 1}+" for name in WRITES)
        return cls(f"ENOSPC from call {n + 1} on", tuple(from_here))

    @classmethod
    def broken(cls, calls: Sequence[str], n: int) -> Fault:
        """The n-th of a thread's calls fails, once."""
        nth = Counter(calls[: n + 1])[calls[n]]
        return cls(f"EIO in call {n + 1} ({calls[n]})", (f"inject={calls[n]}:error=EIO:when={nth}",))


def strike(torture: Torture, whole: Whole, fault: Fault) -> None:
    """Do a work on a bad disk, look at what is left, and go on with it on a good one."""
    scene, name = torture.scene(whole), whole.work.name
    tracer = Tracer(scene.folder, fault.injections) if fault.injections else None
    ended = scene.go_on(Kill(limit=fault.limit), tracer.attach if tracer else None)
    found = torture.found[name]
    if tracer and not tracer.struck():
        found["never_came"] += 1
    else:
        found["hurt_nothing" if ended.code == 0 else "told"] += 1
    if wrong := amiss(ended):
        found[wrong] += 1
        torture.told.append(f"{name}, {fault.what}: {wrong}, ended with {ended.code}: {ended.err[-1500:]}")
    scene.look(fault.what)
    torture.close(scene, fault.what)


def amiss(ended: Ended) -> str:
    """What is wrong with how a command told of its end."""
    if ended.code not in (0, 1) or "Traceback" in ended.err:
        return "wrong_code"
    return "untold" if ended.code and not (SENTENCE.search(ended.err) and NEXT.search(ended.err)) else ""


def evenly(items: Sequence[Item], most: int) -> list[Item]:
    """All of them, or so many."""
    if len(items) <= most:
        return list(items)
    return [items[round(n * (len(items) - 1) / (most - 1))] for n in range(most)]


def sweep(torture: Torture, whole: Whole, cases: int, *, traced: bool) -> None:
    """Every fault of a work, or evenly so many of each kind."""
    name = whole.work.name
    start = database.stat().st_size if (database := whole.template / DATABASE).exists() else 0
    limits = [1, *evenly(range(start + 1, whole.size, PAGE), cases // 2)]
    faults = [Fault(f"no file beyond {limit} bytes", limit=limit) for limit in limits]
    if traced:
        scene = torture.scene(whole)
        tracer = Tracer(scene.folder)
        scene.go_on(Kill(), tracer.attach)
        threads = tracer.calls()
        torture.found[name]["calls_made"] = sum(map(len, threads))
        torture.close(scene, "traced")
        every = [(calls, n) for calls in threads for n in range(len(calls))]
        writes = [(calls, n) for calls, n in every if calls[n] in WRITES]
        faults += [Fault.full(calls, n) for calls, n in evenly(writes, cases)]
        faults += [Fault.broken(calls, n) for calls, n in evenly(every, cases)]
    for fault in faults:
        strike(torture, whole, fault)
    print(f"  {name}: {len(faults)} faults", flush=True)


def torture(tortured: Torture, world: Path, cases: int, names: Sequence[str]) -> dict[str, dict[str, int]]:
    """By work: what was found."""
    refused = why_not()
    if refused:
        print(f"Only limits on the size of files: {refused}.")
    for work in WORKS:
        if work.name in names:
            whole = tortured.whole(work, world)
            sweep(tortured, whole, cases, traced=not refused)
    return {name: dict(found) for name, found in tortured.found.items()}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=4 if quick() else 40, help="of each kind of fault, for each work")
    parser.add_argument("--works", nargs="+", default=[work.name for work in WORKS])
    parser.add_argument("--world", type=Path, default=SMALL, help="a world's file")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    world = args.world.resolve()
    with forking(world) as forks, tempfile.TemporaryDirectory(dir=memory()) as folder:
        tortured = Torture(forks, Path(folder), random.Random(0))
        figures = torture(tortured, world, args.cases, args.works)
    rows = ((name, *(str(one.get(key, 0)) for key in COLUMNS)) for name, one in figures.items())
    print(f"\n{aligned([('', *COLUMNS), *rows])}")
    for fault in tortured.told:
        print(fault)
    total: Counter[str] = sum((Counter(found) for found in figures.values()), Counter())
    targets = {name: {"target": 0, "measured": total[name], "ok": total[name] == 0} for name in MUST_BE_NONE}
    ok = all(target["ok"] for target in targets.values())
    print(json.dumps({"bench": "torture_disk", "ok": ok, "quick": quick(), "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
