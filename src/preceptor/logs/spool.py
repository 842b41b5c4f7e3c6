"""Rows put together by what they belong to, wherever in a file they stand, in constant memory.

They wait in a temporary SQLite database that has no name in any folder and is gone when it is closed, or the process
ends: what customers said is not left behind. Sorting in memory would bound a file by the machine; taking rows of one
conversation to stand together would break those of an export by time.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import groupby
from types import TracebackType
from typing import Any, Self

import orjson

from preceptor.errors import UserError

_BATCH = 5_000


class Spool:
    """Put all, then go through the groups once; a context manager.

    What it is asked for raises UserError where there is no room for the rows.
    """

    def __init__(self) -> None:
        self.count = 0
        """Rows that were put."""
        self._rows: list[tuple[str, int, bytes]] = []
        self._db = sqlite3.connect("")
        self._db.execute("CREATE TABLE rows (key TEXT, n INTEGER, body BLOB)")

    def put(self, key: str, n: int, body: Any) -> None:
        """`n`: its number in the file; groups come in the order of their first rows.

        Raises:
            TypeError, ValueError: it has no JSON form, or its key is no text.
        """
        key.encode()
        self._rows.append((key, n, orjson.dumps(body)))
        self.count += 1
        if len(self._rows) >= _BATCH:
            self._write()

    def groups(self) -> Iterator[tuple[str, list[tuple[int, Any]]]]:
        """(key, its rows with their numbers, as they stand in the file)."""
        self._write()
        with _room():
            self._db.execute("CREATE TABLE firsts AS SELECT key, min(n) AS first FROM rows GROUP BY key")
        wanted = "SELECT key, n, body FROM rows JOIN firsts USING (key) ORDER BY first, key, n, rows.rowid"
        with _room(), closing(self._db.execute(wanted)) as found:
            for key, group in groupby(found, key=lambda row: row[0]):
                yield key, [(n, orjson.loads(body)) for _, n, body in group]

    def _write(self) -> None:
        with _room(), self._db:
            self._db.executemany("INSERT INTO rows VALUES (?, ?, ?)", self._rows)
        self._rows.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._db.close()


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as fault:
        raise UserError(
            f"There is no room to put the rows of conversations together ({fault}). Free some where temporary files "
            "are kept, or name another folder for them in the environment variable SQLITE_TMPDIR."
        ) from None
