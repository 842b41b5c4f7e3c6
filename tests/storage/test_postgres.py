"""A server as the place of a database: taking turns, going away, coming back, and what may be wrong with it."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

import load
from cluster import Cluster
from load import Place
from places import reserved
from preceptor.errors import Conflict, NotFound, UserError
from preceptor.storage.database import Database
from preceptor.storage.runs import Runs, runs

pytestmark = pytest.mark.anyio
LONGEST = 120.0
"""Seconds after which what a test waits for counts as never coming."""


@pytest.fixture
def url(cluster: Cluster) -> Iterator[str]:
    """An empty database with our tables."""
    made = cluster.new("template")
    yield made
    cluster.drop(made)


@pytest.fixture
def empty(cluster: Cluster) -> Iterator[str]:
    """A database with nothing in it."""
    made = cluster.new()
    yield made
    cluster.drop(made)


@contextmanager
def away(cluster: Cluster) -> Iterator[None]:
    """The server falls, and is back afterwards."""
    cluster.crash()
    try:
        yield
    finally:
        cluster.start()


@contextmanager
def working(places: dict[str, Place]) -> Iterator[None]:
    """Load on a database, by threads as by processes."""
    threads = [threading.Thread(target=load.work, args=each) for each in places.items()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for place in places.values():
            (place.folder / "stop").touch()
        for thread in threads:
            thread.join()


def progress(places: dict[str, Place]) -> list[int]:
    return [len([line for line in place.lines() if line[0] == load.PROGRESS[kind]]) for kind, place in places.items()]


def wait_for_more(places: dict[str, Place]) -> None:
    before, until = progress(places), time.monotonic() + LONGEST
    while any(now <= then for now, then in zip(progress(places), before, strict=True)):
        assert time.monotonic() < until, "somebody does not go on"
        time.sleep(0.01)


def test_a_server_that_falls_under_load_loses_nothing(cluster: Cluster, url: str, tmp_path: Path) -> None:
    """In full: `make torture`."""
    places = {kind: Place(url, tmp_path / kind, kind) for kind in load.WORKERS}
    for place in places.values():
        place.folder.mkdir()
    with working(places):
        for _ in range(3):
            wait_for_more(places)
            with away(cluster):
                pass
        wait_for_more(places)
    with Database.open(url) as db:
        for kind, place in places.items():
            for what, found in load.account(kind, place, db).items():
                assert found.acknowledged > 0 or what == "releases"
                assert (what, found.lost, found.twice) == (what, 0, 0)
        assert db.check() == ()


async def test_what_is_asked_for_while_the_server_is_away_is_done_when_it_is_back(cluster: Cluster, url: str) -> None:
    with Database.open(url) as db:
        run = Runs(db).create("t", {}, 0)
        with away(cluster):
            noted = [asyncio.ensure_future(Runs(db).note(run.id, "n", n)) for n in range(5)]
            await asyncio.sleep(0.2)
            assert not any(note.done() for note in noted)
        assert await asyncio.gather(*noted) == [1, 2, 3, 4, 5]
        assert await db.read(lambda c: c.scalar(sa.select(sa.func.count()).select_from(runs))) == 1


def test_who_will_not_wait_is_told_at_once(cluster: Cluster, url: str) -> None:
    with Database.open(url.replace("preceptor@", "preceptor:secret@"), patience=0) as db:
        with away(cluster):
            with pytest.raises(UserError, match="could not be used") as caught:
                Runs(db).create("t", {}, 0)
            with pytest.raises(UserError, match="could not be used"):
                Runs(db).list()
        assert "secret" not in str(caught.value)
        assert Runs(db).list() == ()


class Cutter:
    """Between us and a server: at the next commit the line is cut, before or after it reached the server."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.cut: str | None = None
        self.then: Callable[[], object] = lambda: None
        """Called when a commit is kept, before the line is cut."""
        self.looked_up: Callable[[], bool] = lambda: False
        """Asked when a commit is looked up: whether that line is cut, too."""
        self._answered = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            threading.Thread(target=self._forth, args=(client, server), daemon=True).start()
            threading.Thread(target=self._back, args=(client, server), daemon=True).start()

    def _forth(self, client: socket.socket, server: socket.socket) -> None:
        while data := _read(client):
            if self.cut and b"COMMIT\0" in data:
                if self.cut == "after":
                    self._answered.clear()
                    server.sendall(data)
                    # What the server says stays here.
                    assert self._answered.wait(LONGEST)
                    self.then()
                self.cut = None
                break
            if b"SELECT preceptor_writers" in data and self.looked_up():
                break
            server.sendall(data)
        for line in (client, server):
            # Closing alone would cut nothing while another thread waits for what comes on it.
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def _back(self, client: socket.socket, server: socket.socket) -> None:
        while data := _read(server):
            if self.cut == "after" and b"C\x00\x00\x00\x0bCOMMIT\0" in data:
                self._answered.set()
            else:
                _write(client, data)

    def close(self) -> None:
        self._listening.close()


def _read(line: socket.socket) -> bytes:
    try:
        return line.recv(1 << 16)
    except OSError:
        return b""


def _write(line: socket.socket, data: bytes) -> None:
    try:
        line.sendall(data)
    except OSError:
        return


@pytest.fixture
def cutter(cluster: Cluster) -> Iterator[Cutter]:
    made = Cutter(cluster.port)
    yield made
    made.close()


def through(cutter: Cutter, cluster: Cluster, url: str) -> str:
    return url.replace(f":{cluster.port}/", f":{cutter.port}/")


async def test_a_commit_whose_answer_was_lost_is_looked_up(cluster: Cluster, url: str, cutter: Cutter) -> None:
    with Database.open(through(cutter, cluster, url), patience=0) as db:
        cutter.cut = "after"
        made = Runs(db).create("t", {}, 0)
        assert cutter.cut is None
        assert [run.id for run in Runs(db).list()] == [made.id]
        cutter.cut = "before"
        with pytest.raises(UserError, match="could not be used"):
            Runs(db).create("t", {}, 0)
        assert len(Runs(db).list()) == 1
        for moment in ("before", "after"):
            cutter.cut = moment
            await Runs(db).note(made.id, "n", moment)
            assert cutter.cut is None
        assert [event.body for event in Runs(db).events(made.id)] == ["before", "after"]


async def test_a_line_that_breaks_while_a_commit_is_looked_up_is_looked_up_again(
    cluster: Cluster, url: str, cutter: Cutter
) -> None:
    answers = iter([True, True, False])
    with Database.open(through(cutter, cluster, url)) as db:
        made = Runs(db).create("t", {}, 0)
        cutter.cut, cutter.looked_up = "after", lambda: next(answers, False)
        await Runs(db).note(made.id, "n", "once")
        assert list(answers) == []
        assert [event.body for event in Runs(db).events(made.id)] == ["once"]


async def test_what_cannot_be_looked_up_is_told_and_not_repeated(cluster: Cluster, url: str, cutter: Cutter) -> None:
    def rename(old: str, new: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"ALTER TABLE {old} RENAME TO {new}".encode())

    with Database.open(through(cutter, cluster, url)) as db:
        made = Runs(db).create("t", {}, 0)
        cutter.cut, cutter.then = "after", lambda: rename("preceptor_writers", "elsewhere")
        with pytest.raises(UserError, match="is not known"):
            await Runs(db).note(made.id, "n", "perhaps")
        rename("elsewhere", "preceptor_writers")
        assert [event.body for event in Runs(db).events(made.id)] == ["perhaps"]


def test_a_held_run_stays_held_when_the_server_was_away(cluster: Cluster, url: str) -> None:
    with Database.open(url) as db, Database.open(url) as other:
        run = Runs(db).create("t", {}, 0)
        with Runs(db).lock(run.id):
            with away(cluster):
                pass
            Runs(db).event(run.id, "n", 1)
            with pytest.raises(Conflict, match=f"process {os.getpid()}"), Runs(other).lock(run.id):
                pass
        with Runs(other).lock(run.id):
            pass


def test_who_lost_a_run_to_another_meanwhile_writes_no_more(cluster: Cluster, url: str) -> None:
    with Database.open(url) as db, Database.open(url) as other:
        run = Runs(db).create("t", {}, 0)
        with Runs(db).lock(run.id):
            with away(cluster):
                pass
            with Runs(other).lock(run.id):
                for _ in range(2):
                    with pytest.raises(Conflict, match="in use"):
                        Runs(db).event(run.id, "n", 1)
        Runs(db).event(run.id, "n", 2)
        assert [event.body for event in Runs(db).events(run.id)] == [2]


def test_writers_take_turns_over_processes(url: str) -> None:
    """What reads and then writes loses nothing, though nothing here locks a row."""

    def count(times: int) -> None:
        with Database.open(url) as mine:
            for _ in range(times):
                with mine.begin() as connection:
                    seed = connection.scalar(sa.select(runs.c.seed))
                    time.sleep(0.001)
                    connection.execute(sa.update(runs).values(seed=(seed or 0) + 1))

    with Database.open(url) as db:
        Runs(db).create("t", {}, 0)
        threads = [threading.Thread(target=count, args=(10,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [run.seed for run in Runs(db).list()] == [30]


def test_a_writer_that_does_nothing_is_not_waited_for_for_ever(url: str) -> None:
    names = ("lock_timeout", "idle_in_transaction_session_timeout")
    with Database.open(url) as db:
        with db.begin() as connection:
            assert [connection.scalar(sa.func.current_setting(name)) for name in names] == ["1min", "1min"]
        with db.reading() as connection:
            assert [connection.scalar(sa.func.current_setting(name)) for name in names] == ["0", "0"]


def test_a_reading_must_not_write(url: str) -> None:
    with Database.open(url) as db, pytest.raises(UserError, match="cannot be written"), db.reading() as connection:
        connection.execute(sa.update(runs).values(seed=1))


def test_texts_are_ordered_as_bytes_whatever_the_servers_language(db: Database) -> None:
    names = ["a", "B", "_b", "á", "Z", "a-b", "ab", "~", "𝄞"]
    rows = [{"id": n, "kind": "t", "status": "done", "settings": "{}", "seed": 0, "created": ""} for n in names]
    with db.begin() as connection:
        connection.execute(runs.insert(), rows)
        found = list(connection.scalars(sa.select(runs.c.id).order_by(runs.c.id)))
    assert found == sorted(names, key=str.encode)


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_text_that_not_every_database_can_hold_is_refused_by_each(db: Database, text: str) -> None:
    with pytest.raises(UserError, match=r"NUL|surrogate"):
        Runs(db).create(text, {}, 0)
    assert Runs(db).list() == ()


# What may be wrong with a place


def test_a_server_without_our_tables_is_not_filled_by_looking(empty: str) -> None:
    with pytest.raises(NotFound, match="nothing of preceptor"):
        Database.open(empty, create=False)
    with Database.open(empty) as db, db.reading() as connection:
        assert "runs" in sa.inspect(connection).get_table_names()


@pytest.mark.parametrize(
    ("statement", "kind", "words"),
    [
        ("CREATE TABLE recipes (name text)", UserError, "another program .*recipes"),
        ("CREATE TABLE alembic_version AS SELECT '9999' AS version_num", Conflict, "newer version .*9999"),
    ],
)
def test_what_is_not_ours_is_refused_and_left(empty: str, statement: str, kind: type[UserError], words: str) -> None:
    engine = sa.create_engine(empty.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
        before = sa.inspect(connection).get_table_names()
    with pytest.raises(kind, match=words):
        Database.open(empty)
    with engine.begin() as connection:
        assert sa.inspect(connection).get_table_names() == before
    engine.dispose()


def test_a_server_that_keeps_text_otherwise_is_refused(cluster: Cluster) -> None:
    cluster.tell("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'")
    with pytest.raises(UserError, match="LATIN1"):
        Database.open(cluster.url("latin"))


def test_an_address_where_nobody_answers(cluster: Cluster) -> None:
    with pytest.raises(UserError, match="could not be used"):
        Database.open(cluster.url("nobody"))
    with reserved() as port, pytest.raises(UserError, match="could not be used"):
        Database.open(f"postgres://preceptor@127.0.0.1:{port}/p")


def test_processes_that_fill_a_server_at_once_fill_it_once(empty: str) -> None:
    code = "import sys; from preceptor.storage.database import Database; Database.open(sys.argv[1]).close()"
    children = [subprocess.Popen([sys.executable, "-c", code, empty], stderr=subprocess.PIPE, text=True) for _ in "123"]
    assert [child.communicate()[1] for child in children] == ["", "", ""]


def test_damage_is_found(cluster: Cluster, url: str) -> None:
    with Database.open(url) as db:
        Runs(db).create("t", {"long": os.urandom(20_000).hex()}, 0)
        with db.reading() as connection:
            toast = "SELECT pg_relation_filepath(reltoastrelid) FROM pg_class WHERE relname = 'runs'"
            path = cluster.data / str(connection.exec_driver_sql(toast).scalar())
        assert db.check() == ()
        cluster.stop()
        with path.open("r+b") as file:
            file.seek(8000)
            file.write(b"\xff" * 8000)
        cluster.start()
        (found,) = db.check()
        assert found.startswith("runs: ")
