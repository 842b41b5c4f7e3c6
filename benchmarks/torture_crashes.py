"""Work that ends itself with SIGKILL, at every named point and at random moments, ends as if nothing had been.

Five kinds of work (`works`): teaching, evaluating, importing, deciding, releasing; each by the real commands, with
simulated models in the process, so that a kill takes nothing down but what is tested. Points are where something is
written, committed, sent, answered or told (`crashing`), taken from an undisturbed run of the work and listed by name;
the work dies at the first time it comes to one, and once at a time that is drawn; what takes it up again dies at the
next, up to four times in a project. Then the same at random moments.

After each kill, everything that was acknowledged must be on disk, the database sound and the trail unbroken. In the end
every row of every table, but for times, ids of runs and what was paid, must be that of the undisturbed project: none
lost, none twice. Calls that reached a model twice must have been in flight at a kill, and be marked.

With `--postgres` the databases are a private cluster's; it is the child that dies, and not the server.

QUICK=1 runs a smaller form. Prints a table and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from cluster import Cluster, running
from crashing import MODEL, Ended, Forks, Order, Told, forking
from desk import aligned, memory, quick
from preceptor.settings.project import Project
from preceptor.settings.reading import FILE
from witness import Name
from works import DATABASE, WORKS, Held, Work

SMALL = Path(__file__).parents[1] / "tests" / "simulated" / "small.yaml"
"""Small, so that a work takes a second: what is tortured is the machinery."""
KILLED = -9
TRIES = 5
"""To come to a point that only a resumed work has."""
CHAIN = 4
"""Kills of one project, at most: what takes a work up again is killed, too."""
UNHURT = (
    "acknowledged_lost",
    "lost",
    "twice",
    "other_files",
    "resent_not_in_flight",
    "resent_not_marked",
    "unsound",
    "failed",
)
"""What no death and no bad disk may do."""
MUST_BE_NONE = (*UNHURT, "unreached")
COLUMNS = ("kills", "points", "calls", "in_flight", "resent", *MUST_BE_NONE)


@dataclass(frozen=True)
class Whole:
    """A work that nobody disturbed."""

    work: Work
    template: Path
    """The project before it."""
    url: str
    """Of its database on a server; empty: it is a file."""
    held: Held
    points: Counter[str]
    seconds: float
    size: int
    """Bytes of the database afterwards."""


@dataclass(frozen=True)
class Kill:
    """When to end a child: at a point, or so many seconds after it began."""

    point: str = ""
    nth: int = 1
    after: float = 0.0
    limit: int = 0
    """Bytes that no file may grow beyond, which ends nothing by itself; 0: no limit."""


@dataclass
class Scene:
    """A project of its own on which a work is done, and killed."""

    forks: Forks
    whole: Whole
    folder: Path
    found: Counter[str] = field(default_factory=Counter)
    flying: Counter[Name] = field(default_factory=Counter)
    """Calls in flight by the ledger left behind, by how many kills found them so."""
    passed: set[str] = field(default_factory=set)
    """Points of the child that brought it to its end."""
    told: list[str] = field(default_factory=list)
    """What is wrong, in words."""

    @property
    def log(self) -> Path:
        return self.folder.with_suffix(".log")

    def suffer(self, kill: Kill) -> bool:
        """Go on with the work until it is killed; False: it came to its end before."""
        ended = self.go_on(kill)
        if ended.code != KILLED:
            self._check_end(ended)
            return False
        self.found["kills"] += 1
        self.look(kill)
        return True

    def go_on(self, kill: Kill, traced: Callable[[int], None] | None = None) -> Ended:
        """Do the work, or what is left of it. `traced` attaches a tracer, which the work waits for."""
        steps = tuple(self.whole.work.steps(self.folder))[Told.read(self.log).steps :]
        place = (str(self.folder), steps, str(self.log))
        order = Order(*place, kill.point, kill.nth, kill.after, traced is not None, kill.limit)
        return self.forks.run(order, traced or _nobody)

    def look(self, after: object) -> None:
        """Is what was acknowledged on disk, and is it sound?"""
        held, told = Held.of(self.folder), Told.read(self.log)
        for table, count in told.kept.items():
            if (short := count - held.counts.get(table, 0)) > 0:
                self.found["acknowledged_lost"] += short
                self.told.append(f"{after}: {short} acknowledged rows of {table} are gone")
        self.flying.update(held.in_flight)
        self.found.update(in_flight=len(held.in_flight), unsound=len(held.faults))
        self.told += [f"{after}: {fault}" for fault in held.faults]

    def _check_end(self, ended: Ended) -> None:
        if ended.code or "Traceback" in ended.err:
            self.found["failed"] += 1
            self.told.append(f"ended with {ended.code}: {ended.err[-2000:]}")
        self.passed |= Told.read(self.log).passed.keys()

    def finish(self) -> None:
        """Bring the work to its end, and hold what is there against what ought to be."""
        self._check_end(self.go_on(Kill()))
        held, told, whole = Held.of(self.folder), Told.read(self.log), self.whole.held
        for table in sorted(whole.rows.keys() | held.rows.keys()):
            ought, there = whole.rows.get(table, Counter()), held.rows.get(table, Counter())
            self._differ(table, ought - there, there - ought)
        self.found["other_files"] += int(held.files != whole.files)
        again = {name: count - 1 for name, count in told.calls.items() if count > 1}
        self.found.update(
            calls=told.calls.total(),
            resent=sum(again.values()),
            resent_not_in_flight=sum(max(0, count - self.flying[name]) for name, count in again.items()),
            resent_not_marked=sum(max(0, count - held.resent.get(name, 0)) for name, count in again.items()),
            unsound=len(held.faults),
        )
        self.told += held.faults

    def _differ(self, table: str, missing: Counter[bytes], extra: Counter[bytes]) -> None:
        self.found.update(lost=missing.total(), twice=extra.total())
        for what, rows in (("lacks", missing), ("has too many", extra)):
            self.told += [f"{table} {what} {row.decode()[:300]}" for row in list(rows)[:2]]


def _nobody(pid: int) -> None:
    pass


@dataclass
class Torture:
    forks: Forks
    folder: Path
    draw: random.Random
    cluster: Cluster | None = None
    """Where databases are; None: in files."""
    found: dict[str, Counter[str]] = field(default_factory=dict)
    """By work."""
    died_at: dict[str, Counter[str]] = field(default_factory=dict)
    """By work and point: kills."""
    passed: dict[str, dict[str, Sequence[Kill]]] = field(default_factory=dict)
    """By work and point: kills after which a child that came to its end was there."""
    told: list[str] = field(default_factory=list)
    _scenes: int = 0

    def whole(self, work: Work, world: Path) -> Whole:
        template = self.folder / work.name
        template.mkdir()
        url = self.cluster.new() if self.cluster else ""
        work.prepare(template, str(world), url or DATABASE)
        self.found[work.name], self.died_at[work.name], self.passed[work.name] = Counter(), Counter(), {}
        scene = self.scene(Whole(work, template, url, Held(), Counter(), 0.0, 0))
        ended = scene.go_on(Kill())
        if ended.code:
            raise SystemExit(f"{work.name} fails without being disturbed:\n{ended.err}")
        told, size = Told.read(scene.log), 0 if url else (scene.folder / DATABASE).stat().st_size
        return Whole(work, template, url, Held.of(scene.folder), told.passed, ended.seconds, size)

    def scene(self, whole: Whole) -> Scene:
        """A project of its own, before the work."""
        self._scenes += 1
        folder = self.folder / f"{whole.work.name}-{self._scenes}"
        shutil.copytree(whole.template, folder)
        if self.cluster:
            settings = folder / FILE
            new = self.cluster.new(whole.url.rpartition("/")[2])
            settings.write_text(settings.read_text("utf-8").replace(whole.url, new), "utf-8")
        return Scene(self.forks, whole, folder)

    def at(self, whole: Whole, kills: Sequence[Kill]) -> int:
        """A project in which a work is killed so; each kill strikes what takes it up after the one before. How many of
        them did: the work may come to its end before."""
        scene, done = self.scene(whole), 0
        for kill in kills:
            if not scene.suffer(kill):
                break
            done += 1
            if kill.point:
                self.died_at[whole.work.name][kill.point] += 1
        self.close(scene, "; ".join(str(kill) for kill in kills[: done + 1]))
        self.passed[whole.work.name] |= dict.fromkeys(scene.passed, kills[:done])
        return done

    def close(self, scene: Scene, what: object) -> None:
        """Bring a scene to its end, after `what` befell it, and take over what was found."""
        scene.finish()
        name = scene.whole.work.name
        self.found[name].update(scene.found)
        self.told += [f"{name}, {what}: {fault}" for fault in scene.told]
        if self.cluster:
            self.cluster.drop(Project.load(scene.folder).settings.project.database)
        shutil.rmtree(scene.folder)

    def points(self, whole: Whole, every: int) -> None:
        """Die at each point at its first time, and at a later one; then at those that only a resumed work has."""
        name, order = whole.work.name, list(whole.points)
        wanted = order[::every]
        self._through(whole, [Kill(point, nth) for point in wanted for nth in self._times(whole.points[point])])
        more = sorted(self.passed[name].keys() - whole.points.keys())[::every]
        for point in more:
            self._resumed(whole, point, self.passed[name][point])
        self.found[name]["points"] = len(self.died_at[name])
        for point in (*wanted, *more):
            if not self.died_at[name][point]:
                self.found[name]["unreached"] += 1
                self.told.append(f"{name} never came to: {point}")

    def _resumed(self, whole: Whole, point: str, known: Sequence[Kill]) -> None:
        """Die at a point that only a work has which is taken up again: after the kills that led there once, or others,
        since calls come back in another order each time."""
        sent = f"{MODEL}: before"
        for _ in range(TRIES):
            self.at(whole, [*known, Kill(point)])
            if self.died_at[whole.work.name][point]:
                return
            first = sent if sent in whole.points else self.draw.choice(list(whole.points))
            known = [Kill(first, self.draw.randint(1, whole.points[first]))]

    def _times(self, times: int) -> list[int]:
        return sorted({1, self.draw.randint(1, times)})

    def _through(self, whole: Whole, kills: list[Kill]) -> None:
        """All of them, some in a project. One that did not strike, because the work was past it, is the first to strike
        in the next project; one that does not even then, is given up."""
        order = {point: place for place, point in enumerate(whole.points)}
        self.draw.shuffle(kills)
        past: list[Kill] = []
        while kills or past:
            more = sorted(kills[: CHAIN - len(past)], key=lambda kill: (order[kill.point], kill.nth))
            del kills[: CHAIN - len(past)]
            group = [*past, *more]
            done = self.at(whole, group)
            past, kills = (group[done : done + 1] if done else []), [*group[done + 1 :], *kills]

    def moments(self, wholes: Sequence[Whole], kills: int) -> None:
        """So many kills at moments drawn over the time each work takes, work by work in turn."""
        done = 0
        for whole in cycle(wholes):
            if done >= kills:
                return
            drawn = [Kill(after=self.draw.uniform(0, whole.seconds)) for _ in range(min(3, kills - done))]
            done += self.at(whole, drawn)


def torture(torture: Torture, world: Path, every: int, kills: int, names: Sequence[str]) -> dict[str, dict[str, int]]:
    """By work, and over the random moments of all of them (``moments``): what was found."""
    wholes = [torture.whole(work, world) for work in WORKS if work.name in names]
    for whole in wholes:
        torture.points(whole, every)
        print(f"  {whole.work.name}: {torture.found[whole.work.name]['kills']} kills at points", flush=True)
    at_points = {name: dict(found) for name, found in torture.found.items()}
    torture.found = {name: Counter() for name in torture.found}
    torture.moments(wholes, kills)
    return at_points | {"random moments": dict(sum(torture.found.values(), Counter[str]()))}


def verdicts(figures: dict[str, dict[str, int]]) -> dict[str, dict[str, object]]:
    """By target: what is asked, what was measured, and whether it holds."""
    total: Counter[str] = sum((Counter(found) for found in figures.values()), Counter[str]())
    targets: dict[str, dict[str, object]] = {
        name: {"target": 0, "measured": total[name], "ok": total[name] == 0} for name in MUST_BE_NONE
    }
    few = total["resent"] <= total["in_flight"]
    targets["resent"] = {"target": f"at most {total['in_flight']}", "measured": total["resent"], "ok": few}
    return targets


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=12 if quick() else 1, help="only each so manieth point")
    parser.add_argument("--moments", type=int, default=10 if quick() else 200, help="kills at random moments")
    parser.add_argument("--works", nargs="+", default=[work.name for work in WORKS])
    parser.add_argument("--world", type=Path, default=SMALL, help="a world's file")
    parser.add_argument("--postgres", action="store_true", help="on a private PostgreSQL cluster instead of files")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    world = args.world.resolve()
    with (
        forking(world) as forks,
        tempfile.TemporaryDirectory(dir=memory()) as folder,
        running() if args.postgres else nullcontext() as cluster,
    ):
        tortured = Torture(forks, Path(folder), random.Random(args.seed), cluster)
        figures = torture(tortured, world, args.every, args.moments, args.works)
    print("\nPoints, and how often work died there:")
    for name, points in tortured.died_at.items():
        for point, count in points.items():
            print(f"  {name}: {point}  {count}")
    print()
    print(
        aligned(
            [("", *COLUMNS), *((name, *(str(one.get(key, 0)) for key in COLUMNS)) for name, one in figures.items())]
        )
    )
    for fault in tortured.told:
        print(fault)
    targets = verdicts(figures)
    ok = all(target["ok"] for target in targets.values())
    print(json.dumps({"bench": "torture_crashes", "ok": ok, "quick": quick(), "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
