"""Five kinds of work that a project is given, small, and what is there when they are done.

A work is steps, each a command or what a person does at the review's pages; who was interrupted begins again with the
step that was not done, as a person would. Works are told apart from each other's data, and are the same each time, so
that what is there afterwards can be held against a project that nobody disturbed: `Held`. Models are simulated.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from crashing import ANSWERED, COUNTED
from desk import TINY, simulated
from preceptor.cli.main import run
from preceptor.dialogue.conversation import Context, Turn
from preceptor.errors import NotFound, PreceptorError
from preceptor.library.desk import Desk
from preceptor.library.model import Evidence, Measured, Scenario, Strategy, Voice
from preceptor.library.queue import Filter
from preceptor.library.rows import Use
from preceptor.library.store import Batch, Library
from preceptor.llm.ledger import calls
from preceptor.settings import templates
from preceptor.settings.project import Project
from preceptor.settings.reading import FILE
from preceptor.settings.rendering import commented
from preceptor.simulated.world import World
from preceptor.storage.canonical import canonical
from preceptor.storage.database import Database
from preceptor.storage.postgres import WRITERS
from preceptor.storage.runs import Runs
from witness import Name, name_of

LATENCY = 0.003
"""Seconds before each answer, so that several calls are under way at once."""
TEACHING = {**TINY, "customers": 6, "min_contexts": 2, "looks": (4, 8)}
"""Some 110 calls; a strategy is accepted."""
EVALUATION = {"customers": 5, "attribution": 3, "max_turns": 4}
SEVERAL = 20
"""Turns after which an import stores what it has read, so that a small file takes several transactions."""
TALKS = 36
DATABASE = "preceptor.db"
"""A project's, where it is a file."""
_PASSING = ("pulses", "wishes", "vectors", WRITERS)
"""Tables that say how things stand, or save time."""
_CLOCK = frozenset({"at", "created", "finished", "sent_at", "finished_at", "seconds"})
_CHAIN = frozenset({"hash", "facts"})
"""Of the trail's lines and its head: they hold when something was done."""
_PAID = frozenset({"attempts", "resent", "prompt_tokens", "completion_tokens", "cost_nano"})
"""Of calls: what was sent again costs again."""


@dataclass(frozen=True)
class Work:
    name: str
    prepare: Callable[[Path, str, str], None]
    """Make the project in an empty folder; with the world's file, and where its database is."""
    steps: Callable[[Path], Sequence[tuple[str, ...]]]


def _project(folder: Path, world: str, database: str, **sections: Mapping[str, Any]) -> Project:
    known = World.load(Path(world))
    models = {f"models.{role}": {**model, "latency": LATENCY} for role, model in simulated(world, known.roles).items()}
    (folder / FILE).write_text(commented(models | sections | {"project": {"database": database}}), "utf-8")
    (folder / templates.DOMAIN_FILE).write_text(templates.domain_text(known.domain), "utf-8")
    return Project.load(folder)


# Teaching, evaluating


def _to_teach(folder: Path, world: str, database: str) -> None:
    _project(folder, world, database, teaching=TEACHING)


def _teach(folder: Path) -> int:
    return _going_on(folder, "teach")


def _to_evaluate(folder: Path, world: str, database: str) -> None:
    project = _project(folder, world, database, evaluation=EVALUATION)
    _fill(project)
    with project.database() as db:
        library = project.library(db)
        for id_ in ("st-time", "st-sorry", "st-list"):
            library.decide(id_, "approved", "ann")
        library.release("ann")


def _evaluate(folder: Path) -> int:
    return _going_on(folder, "evaluate")


def _going_on(folder: Path, command: str) -> int:
    """Begin a run, or go on with the one there is, as a person would who looks at `preceptor runs`."""
    found = _begun(folder, command)
    if found and found[1] == "done":
        return 0
    onward = ("--resume", found[0]) if found else ()
    return run((command, "--yes", "--project", str(folder), *onward))


def _begun(folder: Path, kind: str) -> tuple[str, str] | None:
    project = Project.load(folder)
    place = project.settings.project.database
    if "://" not in place and not (folder / place).exists():
        return None
    try:
        with project.database() as db:
            return next(((one.id, one.status) for one in Runs(db).list() if one.kind == kind), None)
    except PreceptorError:
        return None  # it ended while the database was being made


# Importing


def _to_import(folder: Path, world: str, database: str) -> None:
    _project(folder, world, database)
    first = [_talk(n) for n in range(TALKS)]
    (folder / "chats.jsonl").write_bytes(b"\n".join([*first[:20], b"{no JSON", *first[20:], b'{"messages": 7}', b""]))
    more = [_talk(n) for n in range(TALKS // 2, TALKS + TALKS // 2)]
    (folder / "more.jsonl").write_bytes(b"\n".join([*more, b"[]", b""]))


def _talk(n: int) -> bytes:
    said = (
        f"Where is order {n:06}? Write to jo{n}@example.org.",
        f"It comes at {n % 12}.",
        "Thanks.",
        "You're welcome.",
    )
    roles = ("user", "assistant", "user", "assistant")
    messages = [{"role": role, "content": text} for role, text in zip(roles, said, strict=True)]
    return orjson.dumps({"id": n, "messages": messages})


# Deciding, releasing


def _to_decide(folder: Path, world: str, database: str) -> None:
    _fill(_project(folder, world, database))


def _to_release(folder: Path, world: str, database: str) -> None:
    project = _project(folder, world, database)
    _fill(project)
    with project.database() as db:
        for id_ in ("st-time", "st-sorry"):
            project.library(db).decide(id_, "approved", "ann", "fine")


MOMENTS = {
    name: Context((Turn("customer", text),))
    for name, text in {
        "a": "Where is my bread, order 4711?",
        "b": "The delivery of this morning never came.",
        "c": "Are there any nuts in the birthday cake?",
        "d": "My daughter has an allergy, is the marzipan tart safe?",
        "e": "You still have not told me anything, this is outrageous.",
    }.items()
}


def _fill(project: Project) -> None:
    """A library as a run leaves it: two scenarios, strategies of all kinds, from customers and from a log."""
    late = Scenario("sc-late", "A delivery is late.", (MOMENTS["a"], MOMENTS["b"], MOMENTS["e"]))
    nuts = Scenario("sc-nuts", "The customer asks about allergens.", (MOMENTS["c"], MOMENTS["d"]))
    told: Mapping[str, tuple[str, str, Measured, str]] = {
        "st-time": ("Tell them at what hour the driver will arrive.", "sc-late", "accepted", "ab"),
        "st-sorry": ("Apologise for the trouble.", "sc-late", "accepted", "ab"),
        "st-list": ("List every ingredient of the cake.", "sc-nuts", "accepted", "cd"),
        "st-spell": ("Spell out what the recipe contains.", "sc-nuts", "accepted", "cd"),
        "st-calm": ("Stay calm.", "sc-late", "accepted", "e"),
        "st-money": ("Promise a refund of $20.", "sc-late", "refused", "ab"),
    }
    strategies = [
        Strategy(id_, text, "It helps.", where, 0.3, measured) for id_, (text, where, measured, _) in told.items()
    ]
    evidence = {
        id_: [Evidence("origin", "", MOMENTS[name], "before", reason="it lacks") for name in names]
        for id_, (*_, names) in told.items()
    }
    voices = {
        MOMENTS[name].key: Voice(f"jo-{name}", "simulated" if name in "ab" else "bought.jsonl") for name in MOMENTS
    }
    batch = Batch([late, nuts], strategies, evidence, use=Use("Crumb and Co"), voices=voices)
    with project.database(create=True) as db:
        project.library(db).store(batch, "run-0", "1")


def _at_desk(act: Callable[[Desk, Library], None]) -> Callable[[Path], int]:
    """What a person does at the review's pages. Each looks first: what is done already is not done again."""

    def step(folder: Path) -> int:
        project = Project.load(folder)
        try:
            with project.database() as db:
                library = project.library(db)
                act(Desk(library), library)
        except PreceptorError as fault:
            print(f"preceptor: {fault}", file=sys.stderr)  # the page says no more
            return 1
        return 0

    return step


def _say(desk: Desk, library: Library) -> None:
    if not any(entry.what == "comment" for entry in library.trail()):
        desk.comment("st-list", "bob", "Is this complete?")


def _put_off(desk: Desk, library: Library) -> None:
    if not any(entry.what == "defer" for entry in library.trail()):
        desk.defer("st-list", "bob", "later", seen=desk.view("st-list").seen)


def _reword(desk: Desk, library: Library) -> None:
    text = "Say that you are sorry about it."
    if library.strategy("st-sorry").text != text:
        desk.edit("st-sorry", text, "bob", "shorter", seen=desk.view("st-sorry").seen, approve=True)


def _refuse_the_rest(desk: Desk, library: Library) -> None:
    wanted = Filter()
    if count := desk.bulk(wanted, "rejected", "bob").count:
        desk.decide_all(wanted, "rejected", "bob", "not now", expected=count)


def _assemble(desk: Desk, library: Library) -> None:
    desk.assemble("bob", "ids", ids=["st-time", "st-list"])


def _publish(desk: Desk, library: Library) -> None:
    assembled = desk.assemble("bob", "ids", ids=["st-time", "st-list"])
    desk.publish(assembled.hash, "bob", "go", live=library.live_hash())


def _go_back(desk: Desk, library: Library) -> None:
    first = library.releases()[-1]
    if not any(entry.what == "rollback" for entry in library.trail()):
        desk.rollback("bob", "back", live=library.live_hash(), to=first.hash)


STEPS: Mapping[str, Callable[[Path], int]] = {
    "teach": _teach,
    "evaluate": _evaluate,
    "comment": _at_desk(_say),
    "defer": _at_desk(_put_off),
    "reword": _at_desk(_reword),
    "refuse": _at_desk(_refuse_the_rest),
    "assemble": _at_desk(_assemble),
    "publish": _at_desk(_publish),
    "go back": _at_desk(_go_back),
}


def _library(folder: Path, *words: str, who: str = "ann") -> tuple[str, ...]:
    return ("library", *words, "--author", who, "--project", str(folder))


def _importing(folder: Path) -> list[tuple[str, ...]]:
    place = ("--project", str(folder))
    return [("logs", "import", str(folder / name), *place) for name in ("chats.jsonl", "more.jsonl")]


def _deciding(folder: Path) -> list[tuple[str, ...]]:
    return [
        _library(folder, "approve", "st-time", "st-calm", "--note", "seen both"),
        _library(folder, "reject", "st-money", "--note", "beyond policy"),
        _library(folder, "edit", "st-spell", "Name every allergen.", "--note", "clearer"),
        ("@defer",),
        ("@comment",),
        ("@reword",),
        _library(folder, "approve", "--accepted", "--note", "by its measure"),
        ("@refuse",),
    ]


def _releasing(folder: Path) -> list[tuple[str, ...]]:
    return [
        _library(folder, "release", "--note", "first"),
        _library(folder, "approve", "st-list", "st-calm"),
        _library(folder, "release", "--note", "second"),
        ("@assemble",),
        ("@publish",),
        ("@go back",),
        _library(folder, "release", "--note", "third"),
        _library(folder, "forget", "--source", "bought.jsonl", "--note", "poisoned"),
    ]


WORKS = (
    Work("teaching", _to_teach, lambda folder: [("@teach",)]),
    Work("evaluating", _to_evaluate, lambda folder: [("@evaluate",)]),
    Work("importing", _to_import, _importing),
    Work("deciding", _to_decide, _deciding),
    Work("releasing", _to_release, _releasing),
)


# What is there


@dataclass(frozen=True)
class Held:
    """What a project's database holds. Times, run ids, places and what was paid are left out."""

    rows: Mapping[str, Counter[bytes]] = field(default_factory=dict)
    """By table."""
    counts: Mapping[str, int] = field(default_factory=dict)
    in_flight: frozenset[Name] = frozenset()
    """Calls that were sent and have no end."""
    resent: Mapping[Name, int] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    """What `integrity_check` and `audit verify` say."""
    files: Mapping[str, str] = field(default_factory=dict)
    """What lies beside the database, by its place in the project: a hash."""

    @classmethod
    def of(cls, folder: Path) -> Held:
        """Of a project nobody works on. An unfinished transaction is undone in a copy, so that the next command finds
        the files as they were left."""
        if is_served(folder):
            return cls._of(folder, folder)
        copy = folder.with_name(f"{folder.name}-looked-at")
        shutil.copytree(folder, copy)
        try:
            return cls._of(copy, folder) if (copy / DATABASE).exists() else cls()
        finally:
            shutil.rmtree(copy)

    @classmethod
    def _of(cls, place: Path, folder: Path) -> Held:
        project = Project.load(place)
        try:
            db = project.database()
        except NotFound:
            return cls()  # it ended before the tables were there
        except PreceptorError as fault:
            return cls(faults=(str(fault),))
        with db:
            report = Desk(project.library(db)).verify()
            sent = _sent(db)
            return cls(
                _rows(db, str(folder)),
                _counts(db),
                frozenset(name for name, row in sent.items() if row.state == "sent"),
                {name: row.resent for name, row in sent.items()},
                (*db.check(), *(f"{problem.where}: {problem.told}" for problem in report.problems)),
                _files(place),
            )


def is_served(folder: Path) -> bool:
    """Whether a project's database is a server's."""
    return "://" in Project.load(folder).settings.project.database


def _files(folder: Path) -> dict[str, str]:
    """But for settings, the database, and locks: what is left of a lock whose holder died holds nothing."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    beside = [path for path in files if path.name != FILE and not path.name.startswith(DATABASE)]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in beside}


def _sent(db: Database) -> dict[Name, Any]:
    with db.reading() as connection:
        found = connection.execute(sa.select(calls.c.model, calls.c.request, calls.c.state, calls.c.resent)).all()
    return {name_of(row.model.rpartition(" ")[2], row.request.encode()): row for row in found}


def _counts(db: Database) -> dict[str, int]:
    with db.reading() as connection:
        found = {
            name: connection.scalar(sa.select(sa.func.count()).select_from(sa.table(name))) or 0 for name in COUNTED
        }
        answered = sa.select(sa.func.count()).select_from(calls).where(calls.c.state != "sent")
        return found | {ANSWERED: connection.scalar(answered) or 0}


def _rows(db: Database, folder: str) -> dict[str, Counter[bytes]]:
    runs = {one.id: f"run {n}" for n, one in enumerate(reversed(Runs(db).list()))}
    known = re.compile("|".join(map(re.escape, (*runs, folder))).encode())
    names = {old.encode(): new.encode() for old, new in (runs | {folder: "here"}).items()}

    def named(row: bytes) -> bytes:
        return known.sub(lambda found: names[found[0]], row)

    with db.reading() as connection:
        return {
            name: Counter(named(_plain(row, name)) for row in connection.execute(sa.text(f'SELECT * FROM "{name}"')))
            for name in sa.inspect(connection).get_table_names()
            if name not in _PASSING
        }


def _plain(row: sa.Row[Any], table: str) -> bytes:
    left_out = _CLOCK | (_CHAIN if table in ("trail", "heads") else set()) | (_PAID if table == "calls" else set())
    told = {name: _read(value) for name, value in row._mapping.items() if name not in left_out}
    return canonical(told)


def _read(value: object) -> object:
    """A column's value; JSON without the times in it."""
    if isinstance(value, bytes):
        return value.hex()
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return _timeless(orjson.loads(value))
    except orjson.JSONDecodeError:
        return value


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(one) for key, one in value.items() if key not in _CLOCK}
    return [_timeless(one) for one in value] if isinstance(value, list) else value
