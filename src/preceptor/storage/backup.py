"""Backups: everything in a database as lines of JSON, the same from SQLite and from PostgreSQL.

Promises: a backup is a view of one moment, whoever writes meanwhile; its file is there whole or not at all; the same
content gives the same lines and the same digest, whichever database it came from, so that a project moves from one
to the other and back; what does not fit its digest is not restored; a restore is all or nothing, is read again and
compared before it counts, and never goes into a place where something is.

The first line says what it is, the last how many rows there were and the SHA-256 of all lines between. Between them
each table has a line of its own, followed by its rows in the order of their keys. A backup made at an earlier schema
is restored at that schema and then brought up to date like any database.
"""

import base64
import gzip
import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

import orjson
import pydantic
import sqlalchemy as sa

from preceptor.errors import Conflict, NotFound, UserError
from preceptor.storage import files, migrations
from preceptor.storage.canonical import canonical
from preceptor.storage.database import Database
from preceptor.storage.postgres import WRITERS

FORMAT = 1
_AT_A_TIME = 500
_NOT_OURS = ("alembic_version", WRITERS)
"""What a database needs to work, and is made with it."""


@dataclass(frozen=True)
class Contents:
    """What a backup holds."""

    schema: str
    """The schema's step at which it was made."""
    made: str
    """ISO 8601, UTC."""
    rows: Mapping[str, int]
    """By table."""
    digest: str
    """SHA-256 of tables and rows, as 64 hex digits: the same for the same content."""

    @property
    def count(self) -> int:
        return sum(self.rows.values())


def backup(db: Database, path: Path) -> Contents:
    """Write everything in a database to a file; compressed if its name ends in ``.gz``.

    Raises:
        Conflict: the file is there already.
        UserError: the database cannot be read, or there is no such folder.
        OSError: the file cannot be written.
    """
    if path.exists():
        raise Conflict(f"There is a file {str(path)!r} already. Name another.")
    if not path.parent.is_dir():
        raise UserError(f"There is no folder {str(path.parent)!r} to write {path.name!r} to.")
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with db.snapshot(part.with_name(f"{part.name}.db")) as connection, _written(part, path.suffix) as file:
            contents = _write(connection, file, db.name)
        files.put(part, path)
    except FileExistsError:
        raise Conflict(f"There is a file {str(path)!r} already. Name another.") from None
    finally:
        part.unlink(missing_ok=True)
    return contents


def restore(path: Path, place: str | Path) -> Contents:
    """Fill a new database from a backup. `place`: as for `Database.open`; a server's database may have our tables,
    without rows.

    Raises:
        NotFound: no such file.
        Conflict: something is there; or the backup was made by a newer version.
        UserError: it is no backup, or not what was written; or the database cannot be made.
    """
    contents = examine(path)
    with Database.at(place) as db, db.filling() as connection:
        _clear(connection, db.name)
        migrations.run(connection, None, db.name, contents.schema)
        db.settle(connection)
        try:
            _fill(connection, path)
        except _UNFIT as fault:
            raise UserError(f"{str(path)!r} does not hold what its tables do. Nothing was restored.") from fault
        if _digest(connection) != contents.digest:
            raise UserError(f"{db.name!r} does not keep what {str(path)!r} holds. Nothing was restored.")
        if contents.schema != migrations.HEAD:
            migrations.run(connection, contents.schema, db.name)
            db.settle(connection)
    return contents


def examine(path: Path) -> Contents:
    """What a backup holds, read to its end and held against its digest.

    Raises:
        NotFound: no such file.
        UserError: it is no backup, was cut off, or changed since it was made.
    """
    sha, head, last = hashlib.sha256(), None, b""
    try:
        for line in _lines(path):
            if head is None:
                head = _head(line, path)
                continue
            if last:
                sha.update(last)
            last = line
        end = orjson.loads(last)
        contents = _CONTENTS.validate_python({**head, **end}) if head else None
    except (ValueError, TypeError, LookupError):
        contents = None
    if contents is None:
        raise UserError(f"{str(path)!r} is no backup of preceptor, or was cut off.")
    if sha.hexdigest() != contents.digest:
        raise UserError(f"{str(path)!r} is not what was backed up: it was changed, or cut off. Nothing was restored.")
    return contents


def _head(line: bytes, path: Path) -> dict[str, Any]:
    head: dict[str, Any] = orjson.loads(line)
    if head["preceptor"] != "backup":
        raise ValueError
    if head["format"] != FORMAT:
        raise Conflict(f"{str(path)!r} was made by a newer version of preceptor. Upgrade; nothing was changed.")
    return head


# Writing


_CONTENTS = pydantic.TypeAdapter(Contents)
_UNFIT = (
    *(ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError),
    *(sa.exc.IntegrityError, sa.exc.DataError, sa.exc.ProgrammingError, sa.exc.InterfaceError, sa.exc.CompileError),
)
"""What comes of rows that are of no table, or of none in such a form; a digest can be made for those, too."""


@contextmanager
def _written(part: Path, suffix: str) -> Iterator[IO[bytes]]:
    """A file only we may read: it holds what customers said."""
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        if suffix == ".gz":
            # Without the time, the same content is the same file.
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                yield packed  # type: ignore[misc]
        else:
            yield file
        file.flush()
        os.fsync(file.fileno())


def _write(connection: sa.Connection, file: IO[bytes], name: str) -> Contents:
    schema = migrations.revision(connection, name) or ""
    made = datetime.now(UTC).isoformat(timespec="seconds")
    head = {"preceptor": "backup", "format": FORMAT, "schema": schema, "made": made}
    file.write(canonical(head) + b"\n")
    sha, rows = hashlib.sha256(), dict[str, int]()
    for table, lines in _tables(connection):
        rows[table.name] = -1
        for line in lines:
            rows[table.name] += 1
            sha.update(line)
            file.write(line)
    file.write(canonical({"rows": rows, "digest": sha.hexdigest()}) + b"\n")
    return Contents(schema, made, rows, sha.hexdigest())


def _digest(connection: sa.Connection) -> str:
    sha = hashlib.sha256()
    for _, lines in _tables(connection):
        for line in lines:
            sha.update(line)
    return sha.hexdigest()


def _tables(connection: sa.Connection) -> Iterator[tuple[sa.Table, Iterator[bytes]]]:
    """Every table with its lines, those first that others refer to."""
    for table in _ours(connection):
        yield table, _lines_of(connection, table)


def _ours(connection: sa.Connection) -> list[sa.Table]:
    """As the database has them, so that this room need not know who keeps what."""
    found = sa.MetaData()
    found.reflect(connection, only=lambda name, _: name not in _NOT_OURS)
    return found.sorted_tables


def _lines_of(connection: sa.Connection, table: sa.Table) -> Iterator[bytes]:
    # Not as the table has them: a column that a step added stands last there, and elsewhere where it was declared.
    columns = sorted(table.columns, key=lambda column: column.name)
    yield canonical({"table": table.name, "columns": [column.name for column in columns]}) + b"\n"
    wanted = sa.select(*columns).order_by(*table.primary_key)
    for row in connection.execute(wanted, execution_options={"yield_per": _AT_A_TIME}):
        yield canonical([_plain(value) for value in row]) + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return {"base64": base64.b64encode(value).decode()}
    # SQLite knows no negative nought.
    return value + 0.0 if isinstance(value, float) else value


# Reading


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as lines:
            yield from lines
    except FileNotFoundError:
        raise NotFound(f"There is no file {str(path)!r}.") from None
    except (EOFError, zlib.error, OSError) as fault:
        raise UserError(f"{str(path)!r} cannot be read: {fault}.") from None


def _clear(connection: sa.Connection, name: str) -> None:
    """Take away tables without rows. Raises: Conflict: there are rows."""
    if migrations.revision(connection, name) is None:
        return
    tables = _ours(connection)
    for table in tables:
        if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first():
            raise Conflict(f"The database {name!r} is not empty (table {table.name!r}). Restore into another.")
    found = sa.MetaData()
    found.reflect(connection)
    found.drop_all(connection)


def _fill(connection: sa.Connection, path: Path) -> None:
    tables = {table.name: table for table in _ours(connection)}
    for table, columns, rows in _groups(_lines(path)):
        while some := [dict(zip(columns, row, strict=True)) for row in islice(rows, _AT_A_TIME)]:
            connection.execute(sa.insert(tables[table]), some)


def _groups(lines: Iterable[bytes]) -> Iterator[tuple[str, list[str], Iterator[list[Any]]]]:
    """Each table with its columns and rows, which must be taken before the next."""
    values = map(orjson.loads, islice(lines, 1, None))
    value: dict[str, Any] = next(values, {})
    while "table" in value:
        after: dict[str, Any] = {}
        yield value["table"], value["columns"], _rows(values, after)
        value = after


def _rows(values: Iterator[Any], after: dict[str, Any]) -> Iterator[list[Any]]:
    """Rows, up to what is none, which is put into `after`."""
    for value in values:
        if isinstance(value, dict):
            after.update(value)
            return
        yield [base64.b64decode(one["base64"]) if isinstance(one, dict) else one for one in value]
