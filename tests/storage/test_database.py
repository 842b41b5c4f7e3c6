"""The database from outside: transactions, group commit, and what happens to files that are not as they should be."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from preceptor.errors import Conflict, Defect, NotFound, UserError
from preceptor.storage.database import Database
from preceptor.storage.runs import Runs, runs
from preceptor.storage.sqlite import WAL_SAFE_FROM, journal_for

pytestmark = pytest.mark.anyio


def row(name: str) -> dict[str, object]:
    return {"id": name, "kind": "t", "status": "running", "settings": "{}", "seed": 0, "created": "now"}


def adding(name: str) -> Callable[[sa.Connection], None]:
    def work(connection: sa.Connection) -> None:
        connection.execute(runs.insert(), row(name))

    return work


def ids(db: Database) -> list[str]:
    with db.reading() as connection:
        return list(connection.scalars(sa.select(runs.c.id).order_by(runs.c.id)))


def test_a_transaction_is_kept_or_undone_as_a_whole(tmp_path: Path) -> None:
    with Database.open(tmp_path / "p.db") as db:
        with db.begin() as connection:
            adding("a")(connection)
        with contextlib.suppress(ZeroDivisionError), db.begin() as connection:
            adding("b")(connection)
            _ = 1 / 0
        assert ids(db) == ["a"]


def test_a_database_opened_again_has_what_was_written(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with Database.open(f"sqlite:///{tmp_path}/deep/p.db") as db, db.begin() as connection:
            adding(name)(connection)
    with Database.open(tmp_path / "deep" / "p.db", create=False) as db:
        assert ids(db) == ["a", "b"]
        assert db.check() == ()


async def test_writes_waiting_together_share_a_commit(tmp_path: Path) -> None:
    commits, all_there = 0, threading.Event()

    def count(_: sa.Connection) -> None:
        nonlocal commits
        commits += 1

    with Database.open(tmp_path / "p.db") as db:
        sa.event.listen(sa.Engine, "commit", count)
        try:
            first = db.submit(lambda _: all_there.wait())
            rest = [db.submit(adding(f"{n:03}")) for n in range(200)]
            all_there.set()
            await asyncio.gather(asyncio.wrap_future(first), *(asyncio.wrap_future(one) for one in rest))
        finally:
            sa.event.remove(sa.Engine, "commit", count)
        assert len(ids(db)) == 200
        # Some of the rest may have come before the first was looked at.
        assert commits <= 2


async def test_a_write_that_fails_takes_no_other_with_it(tmp_path: Path) -> None:
    def fails(connection: sa.Connection) -> None:
        adding("half")(connection)
        raise ValueError("no")

    with Database.open(tmp_path / "p.db") as db:
        jobs = [db.write(adding(f"{n}")) for n in range(5)]
        outcomes = await asyncio.gather(*jobs[:2], db.write(fails), *jobs[2:], return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [
            type(None),
            type(None),
            ValueError,
            type(None),
            type(None),
            type(None),
        ]
        assert ids(db) == ["0", "1", "2", "3", "4"]


async def test_writes_happen_in_the_order_they_were_asked_for(tmp_path: Path) -> None:
    with Database.open(tmp_path / "p.db") as db:
        run = Runs(db).create("t", {}, 0)
        await asyncio.gather(*(Runs(db).note(run.id, "n", n) for n in range(50)))
        assert [event.body for event in Runs(db).events(run.id)] == list(range(50))


async def test_closing_finishes_what_is_queued(tmp_path: Path) -> None:
    db = Database.open(tmp_path / "p.db")
    pending = [asyncio.ensure_future(db.write(adding(f"{n}"))) for n in range(9)]
    await asyncio.sleep(0)
    db.close()
    await asyncio.gather(*pending)
    with Database.open(tmp_path / "p.db") as again:
        assert len(ids(again)) == 9


async def test_reads_see_one_moment(tmp_path: Path) -> None:
    with Database.open(tmp_path / "p.db") as db:
        assert await db.read(lambda c: c.scalar(sa.select(sa.func.count()).select_from(runs))) == 0


def test_a_transaction_inside_another_is_a_defect_and_not_a_hang(tmp_path: Path) -> None:
    with Database.open(tmp_path / "p.db") as db, db.begin(), pytest.raises(Defect, match="inside"), db.begin():
        pass


def test_wal_only_where_it_is_safe(tmp_path: Path) -> None:
    assert journal_for(WAL_SAFE_FROM) == journal_for((3, 52, 0)) == "wal"
    assert journal_for((3, 51, 2)) == journal_for((3, 40, 1)) == "rollback"
    with Database.open(tmp_path / "p.db") as db:
        with db.reading() as connection:
            mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        assert (mode == "wal") == (db.journal == "wal") == (sqlite3.sqlite_version_info >= WAL_SAFE_FROM)


@pytest.mark.skipif(sqlite3.sqlite_version_info >= WAL_SAFE_FROM, reason="WAL is safe with this SQLite")
def test_an_old_sqlite_does_not_write_in_wal(tmp_path: Path) -> None:
    """A newer one may have put the file there: before, and its process is gone; before, and it is at it; or since."""
    path = tmp_path / "p.db"
    Database.open(path).close()
    with contextlib.closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA journal_mode = wal")
    with Database.open(path) as db:
        Runs(db).create("t", {}, 0)
        assert any("WAL can lose rows" in caution for caution in db.about().cautions)
        with contextlib.closing(sqlite3.connect(path)) as newer:
            newer.execute("PRAGMA journal_mode = wal")
            newer.execute("SELECT count(*) FROM runs").fetchone()
            with pytest.raises(Conflict, match=r"put the database to WAL.*then try again"):
                Runs(db).create("t", {}, 1)
            assert len(Runs(db).list()) == 1
            with pytest.raises(Conflict, match="put the database to WAL"):
                Database.open(path)
    with Database.open(path) as db:
        Runs(db).create("t", {}, 2)
        assert db.check() == ()


def refused(path: Path, kind: type[UserError], *words: str) -> None:
    before = path.read_bytes()
    with pytest.raises(kind) as caught:
        Database.open(path)
    assert all(word in str(caught.value) for word in (str(path), *words))
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    path.write_text("Dear diary, " * 500)
    refused(path, UserError, "not a database")


def test_a_damaged_database_is_refused_and_left(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    Database.open(path).close()
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xff" * 3996
    path.write_bytes(content)
    refused(path, UserError, "damaged")


def test_damage_deeper_in_is_found_by_check(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    with Database.open(path) as db:
        Runs(db).create("t", {"long": "x" * 20_000}, 0)
    content = bytearray(path.read_bytes())
    content[-8192:] = b"\xff" * 8192
    path.write_bytes(content)
    with Database.open(path) as db:
        assert db.check()


def test_a_database_of_another_program_is_refused_and_left(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    connection = sqlite3.connect(path)
    connection.execute("create table recipes (name text)")
    connection.commit()
    connection.close()
    refused(path, UserError, "another program", "recipes")


def test_a_newer_database_is_refused_and_left(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    Database.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute("update alembic_version set version_num = '9999'")
    connection.commit()
    connection.close()
    refused(path, Conflict, "newer", "9999")


@pytest.mark.parametrize(
    ("url", "kind", "words"),
    [
        ("{tmp}", UserError, "is a folder"),
        ("{tmp}/file/p.db", UserError, "cannot be made"),
        ("/proc/nowhere/p.db", UserError, "cannot be made"),
        (":memory:", UserError, "memory"),
        ("sqlite://", UserError, "memory"),
        ("nonsense://user:secret@host/x", UserError, "cannot be used"),
    ],
)
def test_places_where_no_database_can_be(tmp_path: Path, url: str, kind: type[UserError], words: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(kind, match=words) as caught:
        Database.open(url.format(tmp=tmp_path))
    assert "secret" not in str(caught.value)


def test_a_missing_database_is_not_made_by_looking(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no database"):
        Database.open(tmp_path / "p.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_processes_that_make_a_database_at_once_make_one(tmp_path: Path) -> None:
    code = "import sys; from preceptor.storage.database import Database; Database.open(sys.argv[1]).close()"
    command = [sys.executable, "-c", code, str(tmp_path / "p.db")]
    children = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [child.communicate()[1] for child in children] == ["", "", ""]
    with Database.open(tmp_path / "p.db", create=False) as db:
        assert db.check() == ()


WRITER = """
import asyncio, sys
from preceptor.storage.database import Database
from preceptor.storage.runs import Runs
db = Database.open(sys.argv[1])
runs = Runs(db)
async def one(n):
    for k in range(int(sys.argv[3])):
        await runs.note(sys.argv[2], "n", [n, k])
        print(n, k, flush=True)
async def main():
    await asyncio.gather(*(one(n) for n in range(4)))
asyncio.run(main())
db.close()
"""


def spawn(db: Path, run: str, count: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(db), run, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_processes_write_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    with Database.open(path) as db:
        names = [Runs(db).create("t", {}, 0).id for _ in range(2)]
        children = [spawn(path, name, 40) for name in names]
        for child in children:
            _, errors = child.communicate()
            assert (child.returncode, errors) == (0, "")
        for name in names:
            events = Runs(db).events(name)
            assert [event.n for event in events] == list(range(1, 161))
            assert len({tuple(event.body) for event in events}) == 160


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    with Database.open(path) as db:
        run = Runs(db).create("t", {}, 0)
    acknowledged: set[tuple[int, ...]] = set()
    for lines in (1, 9, 33):
        child = spawn(path, run.id, 100_000)
        assert child.stdout is not None
        seen = [child.stdout.readline() for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.readlines()
        child.communicate()
        whole = [line for line in (*seen, *rest) if line.endswith("\n")]
        acknowledged |= {tuple(map(int, line.split())) for line in whole}
        with Database.open(path) as db:
            kept = {tuple(event.body) for event in Runs(db).events(run.id)}
            assert acknowledged <= kept
            assert db.check() == ()


FILLER = """
import os, resource, signal, sys
from preceptor.errors import UserError
from preceptor.storage.database import Database
from preceptor.storage.runs import Runs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
room = os.path.getsize(sys.argv[1]) + 400_000
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
with Database.open(sys.argv[1]) as db:
    for n in range(1000):
        try:
            Runs(db).event(sys.argv[2], "n", "x" * 2000)
        except UserError as fault:
            print(n, fault)
            break
"""


def test_a_full_disk_ends_in_a_sentence_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    with Database.open(path) as db:
        run = Runs(db).create("t", {}, 0)
    command = [sys.executable, "-c", FILLER, str(path), run.id]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    count, _, sentence = done.stdout.partition(" ")
    assert done.stderr == ""
    assert "what was saved is safe" in sentence
    with Database.open(path) as db:
        assert len(Runs(db).events(run.id)) == int(count) > 50
        assert db.check() == ()


def test_a_full_disk_has_room_for_a_lock(
    tmp_path: Path, room: Callable[[int], contextlib.AbstractContextManager[None]]
) -> None:
    with Database.open(tmp_path / "p.db") as db, Database.open(tmp_path / "p.db") as other:
        with room(0), db.lock("r"), pytest.raises(Conflict, match="another process"), other.lock("r"):
            pass
        with other.lock("r"):
            pass


async def test_on_a_full_disk_nobody_is_told_that_it_is_kept(tmp_path: Path) -> None:
    with Database.open(tmp_path / "p.db") as db:
        runs_ = Runs(db)
        run = runs_.create("t", {}, 0)
        await db.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 60").scalar())
        sizes = [10, 10, 1_000_000, 10]
        jobs = (runs_.note(run.id, "n", "x" * size) for size in sizes)
        outcomes = await asyncio.gather(*jobs, return_exceptions=True)
        assert isinstance(outcomes[2], UserError)
        assert "No space left" in str(outcomes[2])
        kept = [outcome for outcome in outcomes if isinstance(outcome, int)]
        assert [event.n for event in runs_.events(run.id)] == kept
        assert await runs_.note(run.id, "n", "small") == len(kept) + 1
        assert db.check() == ()


READER = """
import sys
from preceptor.errors import UserError
from preceptor.storage.database import Database
from preceptor.storage.runs import Runs
with Database.open(sys.argv[1]) as db:
    print(len(Runs(db).list()))
    try:
        Runs(db).create("t", {}, 0)
    except UserError as fault:
        print(fault)
"""


def test_a_database_that_may_not_be_written_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    with Database.open(path) as db:
        Runs(db).create("t", {}, 0)
    drop = ""
    if os.geteuid() == 0:  # root may write anything, so become somebody else once Python is loaded
        drop = (
            "import os; import preceptor.storage.runs, sqlalchemy.dialects.sqlite; os.setresuid(65534, 65534, 65534)\n"
        )
        for folder in (tmp_path, *tmp_path.parents):
            if folder.owner() != "root" or folder.stat().st_mode & 0o001:
                continue
            folder.chmod(folder.stat().st_mode | 0o055)
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        done = subprocess.run(
            [sys.executable, "-c", drop + READER, str(path)], capture_output=True, text=True, check=True
        )
    finally:
        tmp_path.chmod(0o755)
    first, sentence = done.stdout.splitlines()
    assert first == "1"
    assert "cannot be written" in sentence
