"""SQLite files: the same promises as for tables, and the file is never written."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from preceptor.dialogue.tools.sandbox.sqlite import SqliteStore
from preceptor.dialogue.tools.sandbox.store import Patch
from preceptor.errors import NotFound, SettingsError

SCHEMA = """
CREATE TABLE hires (number TEXT PRIMARY KEY, days INTEGER NOT NULL CHECK (days > 0));
INSERT INTO hires VALUES ('h1', 3), ('h2', 1);
CREATE TABLE log (said TEXT);
INSERT INTO log VALUES ('opened');
"""


@pytest.fixture(params=["delete", "wal"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A database in a file, with either kind of journal."""
    place = tmp_path / "hire.db"
    connection = sqlite3.connect(place)
    connection.execute(f"PRAGMA journal_mode = {request.param}")
    connection.executescript(SCHEMA)
    connection.close()
    return place


def days(connection: sqlite3.Connection) -> dict[str, int]:
    return {row["number"]: row["days"] for row in connection.execute("SELECT * FROM hires ORDER BY number")}


def test_conversations_have_a_copy_each_and_the_file_stays(path: Path) -> None:
    before = hashlib.sha256(path.read_bytes()).digest()
    store = SqliteStore(path)
    one, other = store.copy(), store.copy()
    one.change(lambda db: db.execute("UPDATE hires SET days = 9 WHERE number = 'h1'"))
    one.change(lambda db: db.execute("DELETE FROM hires WHERE number = 'h2'"))
    one.change(lambda db: db.execute("INSERT INTO log VALUES ('changed')"))
    assert one.changes() == {
        ("hires", "h1"): {"number": "h1", "days": 9},
        ("hires", "h2"): None,
        ("log", "2"): {"rowid": 2, "said": "changed"},
    }
    assert other.changes() == {}
    assert other.change(days) == {"h1": 3, "h2": 1}
    one.close()
    other.close()
    assert hashlib.sha256(path.read_bytes()).digest() == before


def test_what_fails_leaves_nothing(path: Path) -> None:
    copy = SqliteStore(path).copy()

    def change(db: sqlite3.Connection) -> None:
        db.execute("UPDATE hires SET days = 5")
        db.execute("UPDATE hires SET days = 0")

    with pytest.raises(sqlite3.IntegrityError):
        copy.change(change)
    assert copy.changes() == {}
    copy.close()


def test_what_is_put_back_is_no_change(path: Path) -> None:
    copy = SqliteStore(path).copy()
    for count in (5, 3):
        copy.change(lambda db, count=count: db.execute("UPDATE hires SET days = ? WHERE number = 'h1'", [count]))  # type: ignore[misc]
    assert copy.changes() == {}
    copy.close()


def test_a_patch_sets_adds_and_takes_away(path: Path) -> None:
    copy = SqliteStore(path).copy()
    copy.patch({"hires": {"h1": {"days": 8}, "h2": None, "h3": {"days": 2}}})
    assert copy.change(days) == {"h1": 8, "h3": 2}
    wrong: list[tuple[Patch, str]] = [
        ({"hire": {"h1": {}}}, "'hire'.*hires, log"),
        ({"log": {"1": {"said": "x"}}}, "no primary key"),
        ({"hires": {"h1": {"weeks": 1}}}, "weeks"),
        ({"hires": {"h1": {"days": 0}}}, "does not fit"),
    ]
    for patch, said in wrong:
        with pytest.raises(SettingsError, match=said):
            copy.patch(patch)
    copy.close()


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        SqliteStore(tmp_path / "none.db")
    (tmp_path / "text.db").write_text("This is no database, though it is long enough to be looked at as one. " * 20)
    with pytest.raises(SettingsError, match=r"text\.db"):
        SqliteStore(tmp_path / "text.db")


def test_rows_are_told_apart_by_all_of_their_key(tmp_path: Path) -> None:
    path = tmp_path / "hire.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("""
            CREATE TABLE places (aisle TEXT, shelf TEXT, free INTEGER, PRIMARY KEY (aisle, shelf));
            INSERT INTO places VALUES ('a/b', 'c', 1), ('a', 'b/c', 1);
        """)
    copy = SqliteStore(path).copy()
    copy.change(lambda db: db.execute("UPDATE places SET free = 0 WHERE shelf = 'c'"))
    assert [row["aisle"] for row in copy.changes().values() if row] == ["a/b"]
    copy.close()
