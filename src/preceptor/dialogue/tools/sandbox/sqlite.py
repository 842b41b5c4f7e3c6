"""An SQLite file, copied in memory for each conversation: functions are given a connection."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from preceptor.dialogue.tools.sandbox.changes import Changes, Row, same
from preceptor.dialogue.tools.sandbox.store import Patch
from preceptor.errors import NotFound, SettingsError

T = TypeVar("T")
Content = Mapping[str, Mapping[str, Row]]
"""By table and key."""
_JOURNAL = slice(18, 20)
"""Bytes of the file's head that say which journal it uses. A copy in memory cannot use a write-ahead log."""


class SqliteCopy:
    """One conversation's database."""

    def __init__(self, image: bytes, first: Content) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._connection.deserialize(image)
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.row_factory = sqlite3.Row
        self._first = first

    def change(self, run: Callable[[Any], T]) -> T:
        self._connection.execute("BEGIN")
        try:
            result = run(self._connection)
        except BaseException:
            self._end("ROLLBACK")
            raise
        self._end("COMMIT")
        return result

    def _end(self, how: str) -> None:
        # A function that commits by itself has ended the transaction.
        if self._connection.in_transaction:
            self._connection.execute(how)

    def patch(self, patch: Patch) -> None:
        """Raises: SettingsError: it does not fit the tables."""
        try:
            self.change(lambda connection: _patch(connection, patch))
        except sqlite3.Error as fault:
            raise SettingsError(f"The patch does not fit the database: {fault}.") from None

    def changes(self) -> Changes:
        if not self._connection.total_changes:
            return {}
        now = content(self._connection)
        found: dict[tuple[str, str], Row | None] = {}
        for table in now.keys() | self._first.keys():
            before, after = self._first.get(table, {}), now.get(table, {})
            for key in before.keys() | after.keys():
                if not same(before.get(key), after.get(key)):
                    found[table, key] = after.get(key)
        return found

    def close(self) -> None:
        self._connection.close()


class SqliteStore:
    """A database file, read once."""

    def __init__(self, path: Path) -> None:
        """Raises: NotFound, SettingsError: it is no SQLite database."""
        if not path.is_file():
            raise NotFound(f"There is no database {str(path)!r}.")
        try:
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            try:
                connection.row_factory = sqlite3.Row
                image = bytearray(connection.serialize())
                self._first = content(connection)
            finally:
                connection.close()
        except sqlite3.Error as fault:
            raise SettingsError(f"{path}: cannot be read as an SQLite database: {fault}.") from None
        image[_JOURNAL] = b"\x01\x01"
        self._image = bytes(image)

    def copy(self) -> SqliteCopy:
        return SqliteCopy(self._image, self._first)


def content(connection: sqlite3.Connection) -> Content:
    """All rows of all tables, by their primary keys."""
    return {table: dict(_rows(connection, table)) for table in _tables(connection)}


def _tables(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
    )
    return sorted(row[0] for row in found)


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[tuple[str, Row]]:
    keys = _keys(connection, table)
    for row in connection.execute(f"SELECT {'*' if keys else 'rowid AS rowid, *'} FROM {_quoted(table)}"):  # noqa: S608 - names are quoted
        fields = dict(row)
        yield _key([fields[key] for key in keys or ("rowid",)]), fields


def _key(values: Sequence[Any]) -> str:
    """Of several columns as Python writes them, so that no two rows have one key."""
    return str(values[0]) if len(values) == 1 else ", ".join(map(repr, values))


def _keys(connection: sqlite3.Connection, table: str) -> list[str]:
    columns = connection.execute(f"PRAGMA table_info({_quoted(table)})").fetchall()
    return [row["name"] for row in sorted(columns, key=lambda row: row["pk"]) if row["pk"]]


def _patch(connection: sqlite3.Connection, patch: Patch) -> None:
    known = _tables(connection)
    for table, rows in patch.items():
        if table not in known:
            raise SettingsError(f"The database has no table {table!r}; it has: {', '.join(known)}.")
        keys = _keys(connection, table)
        if len(keys) != 1:
            raise SettingsError(f"Table {table!r} has no primary key of one column, by which a patch could name rows.")
        for key, fields in rows.items():
            _write(connection, table, keys[0], key, fields)


def _write(connection: sqlite3.Connection, table: str, by: str, key: str, fields: Mapping[str, Any] | None) -> None:
    name, at = _quoted(table), f"{_quoted(by)} = ?"
    if fields is None:
        connection.execute(f"DELETE FROM {name} WHERE {at}", [key])  # noqa: S608 - names are quoted
    elif connection.execute(f"SELECT 1 FROM {name} WHERE {at}", [key]).fetchone():  # noqa: S608 - names are quoted
        setting = ", ".join(f"{_quoted(column)} = ?" for column in fields)
        connection.execute(f"UPDATE {name} SET {setting} WHERE {at}", [*fields.values(), key])  # noqa: S608 - names are quoted
    else:
        row = {by: key, **fields}
        columns, marks = ", ".join(map(_quoted, row)), ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO {name} ({columns}) VALUES ({marks})", list(row.values()))  # noqa: S608 - names are quoted


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
