"""Backups: one moment, whole or not at all, the same from either kind of database, and into either."""

import asyncio
import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
import pytest
import sqlalchemy as sa

from cluster import Cluster
from preceptor.errors import Conflict, NotFound, UserError
from preceptor.library.model import Strategy
from preceptor.library.store import Library
from preceptor.storage.backup import backup, examine, restore
from preceptor.storage.database import Database
from preceptor.storage.runs import Runs, events
from preceptor.storage.vectors import Vectors

from .steps import STEPS, Rows, make, rows, unopened

pytestmark = pytest.mark.anyio


def fill(db: Database) -> None:
    run = Runs(db).create("teach", {"name": "Zoë 𝄞", "half": 0.1}, 2**40)
    Runs(db).event(run.id, "n", {"text": "line\nbreak \u2028 NUL \0", "values": [1e-300, -0.0, None]})
    Vectors(db).put_many("e", [str(n) for n in range(1203)], np.arange(1203, dtype=np.float32).reshape(-1, 1))
    library = Library(db)
    for name in ("st-B", "st-a", "st_b"):
        library.put_strategy(Strategy(name, f"Do {name}.", "It helps.", None, -0.0, "accepted"), "run-1")
        library.decide(name, "approved", "ann")
    library.release("ann")


@pytest.fixture
def other(cluster: Cluster, tmp_path: Path, bare: str) -> Iterator[str]:
    """A new place in the other kind of database."""
    if "://" in bare:
        yield str(tmp_path / "other.db")
        return
    url = cluster.new()
    yield url
    cluster.drop(url)


@pytest.mark.parametrize("name", ["all.jsonl", "all.jsonl.gz"])
def test_everything_moves_to_the_other_kind_and_back(bare: str, other: str, tmp_path: Path, name: str) -> None:
    with Database.open(bare) as db:
        fill(db)
        made = backup(db, tmp_path / name)
        guidance = Library(db).guidance("approved").hash
        trail = Library(db).trail()
    assert examine(tmp_path / name) == made
    assert (tmp_path / name).stat().st_mode & 0o077 == 0
    assert made.rows["vectors"] == 1203
    restore(tmp_path / name, other)
    with Database.open(other, create=False) as db:
        assert backup(db, tmp_path / f"again-{name}").digest == made.digest
        assert Library(db).guidance("approved").hash == guidance
        assert Library(db).trail() == trail
        assert Library(db).live() is not None
        assert db.check() == ()
    restore(tmp_path / f"again-{name}", tmp_path / "back.db")
    with Database.open(tmp_path / "back.db", create=False) as db:
        assert backup(db, tmp_path / "last").digest == made.digest
    asked_for = {"p.db", "other.db", "back.db", name, f"again-{name}", "last"}
    assert left(tmp_path) <= asked_for


async def test_a_backup_is_of_one_moment_and_holds_nobody_up(db: Database, tmp_path: Path) -> None:
    runs = Runs(db)
    run = runs.create("teach", {}, 0)
    going, begun = True, asyncio.Event()

    def two(connection: sa.Connection) -> None:
        append(connection, run.id)
        append(connection, run.id)

    async def write() -> None:
        while going:
            await db.write(two)
            begun.set()

    writing = asyncio.create_task(write())
    await begun.wait()
    counts = [(await asyncio.to_thread(backup, db, tmp_path / str(n))).rows["events"] for n in range(3)]
    going = False
    await writing
    assert [count % 2 for count in counts] == [0, 0, 0]
    assert len(runs.events(run.id)) >= counts[-1] > 0


def append(connection: sa.Connection, run: str) -> None:
    last = connection.scalar(sa.select(sa.func.max(events.c.n))) or 0
    connection.execute(sa.insert(events), {"run": run, "n": last + 1, "at": "", "kind": "n", "body": "{}"})


def test_nothing_is_written_over(bare: str, other: str, tmp_path: Path) -> None:
    file = tmp_path / "all"
    with Database.open(bare) as db:
        Runs(db).create("t", {}, 0)
        backup(db, file)
        with pytest.raises(Conflict, match="already"):
            backup(db, file)
        before = Runs(db).list()
    with pytest.raises(Conflict, match=r"already|not empty"):
        restore(file, bare)
    with Database.open(bare) as db:
        assert Runs(db).list() == before
    restore(file, other)
    with pytest.raises(Conflict, match=r"already|not empty"):
        restore(file, other)


def test_a_servers_tables_without_rows_are_no_hindrance(cluster: Cluster, tmp_path: Path) -> None:
    with Database.open(tmp_path / "p.db") as db:
        made = Runs(db).create("t", {}, 0)
        backup(db, tmp_path / "all")
    url = cluster.new("template")
    restore(tmp_path / "all", url)
    with Database.open(url) as db:
        assert Runs(db).list() == (made,)
    cluster.drop(url)


def left(folder: Path) -> set[str]:
    """What is there, but for what SQLite keeps beside a database."""
    beside = ("-journal", "-wal", "-shm")
    return {path.name for path in folder.iterdir() if not path.name.endswith(tuple(f".db{end}" for end in beside))}


def changed(content: bytes, how: str) -> bytes:
    lines = content.splitlines(keepends=True)
    row = next(n for n, line in enumerate(lines) if b'"teach"' in line)
    match how:
        case "word":
            lines[row] = lines[row].replace(b"teach", b"learn")
        case "lost row":
            del lines[row]
        case "cut":
            return content[: len(content) // 2]
        case "no end":
            del lines[-1]
        case "newer":
            lines[0] = lines[0].replace(b'"format":1', b'"format":2')
        case "other":
            return b'{"some":"thing"}\n' * 3
        case "nothing":
            return b""
        case "packed and cut":
            return gzip.compress(content)[:-20]
    return b"".join(lines)


@pytest.mark.parametrize("how", ["word", "lost row", "cut", "no end", "newer", "other", "nothing", "packed and cut"])
def test_what_is_not_as_it_was_written_is_not_restored(tmp_path: Path, how: str) -> None:
    with Database.open(tmp_path / "p.db") as db:
        Runs(db).create("teach", {}, 0)
        backup(db, tmp_path / "all")
    (tmp_path / "bad").write_bytes(changed((tmp_path / "all").read_bytes(), how))
    with pytest.raises(UserError, match="bad"):
        restore(tmp_path / "bad", tmp_path / "new.db")
    assert left(tmp_path) == {"p.db", "all", "bad"}
    with pytest.raises(NotFound):
        restore(tmp_path / "none", tmp_path / "new.db")


@pytest.mark.parametrize(
    "change", [(b"]\n", b"]\n%b"), (b",0,", b",18446744073709551615,")], ids=["twice", "too large"]
)
def test_a_restore_that_fails_leaves_nothing(
    other: str, bare: str, tmp_path: Path, change: tuple[bytes, bytes]
) -> None:
    """Two rows of one key, or a number that no column holds: the digest is right, the database refuses."""
    with Database.open(bare) as db:
        Runs(db).create("teach", {}, 0)
        backup(db, tmp_path / "all")
    lines = (tmp_path / "all").read_bytes().splitlines(keepends=True)
    row = next(n for n, line in enumerate(lines) if b'"teach"' in line)
    old, new = change
    lines[row] = lines[row].replace(old, new.replace(b"%b", lines[row]))
    lines = b"".join(lines).splitlines(keepends=True)
    (tmp_path / "bad").write_bytes(b"".join(signed(lines)))
    with pytest.raises(UserError, match="Nothing was restored"):
        restore(tmp_path / "bad", other)
    restore(tmp_path / "all", other)


def signed(lines: list[bytes]) -> list[bytes]:
    end = orjson.loads(lines[-1])
    end["digest"] = hashlib.sha256(b"".join(lines[1:-1])).hexdigest()
    return [*lines[:-1], orjson.dumps(end) + b"\n"]


@pytest.mark.parametrize("step", STEPS[:1])
def test_a_backup_of_an_earlier_schema_is_brought_up_to_date(step: str, bare: str, other: str, tmp_path: Path) -> None:
    before = make(bare, step)
    with unopened(bare) as old:
        assert backup(old, tmp_path / "all").schema == step
    restore(tmp_path / "all", other)
    Database.open(bare).close()
    with unopened(bare) as old, unopened(other) as new, old.reading() as one, new.reading() as two:
        assert [len(found) for found in before.values()] == [3] * len(before)
        assert without_times(rows(one)) == without_times(rows(two))


def without_times(found: Rows) -> Rows:
    """A step may write lines of its own, which say when."""
    own = ("at", "hash")
    return {name: [{k: v for k, v in row.items() if k not in own} for row in some] for name, some in found.items()}
