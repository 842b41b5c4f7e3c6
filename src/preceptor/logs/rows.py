"""The rows of a file, whatever the file is: JSON lines, a JSON list or an object that holds one, CSV, Excel.

One row at a time: a file may be larger than memory (an Excel sheet is held by its reader; it has a million rows at
most). What cannot be read is told with its number and passed over.
"""

import csv
import datetime
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from preceptor.errors import SettingsError
from preceptor.logs.opening import Opened, opened

Skip = Callable[[int, str], None]
LISTS = ("conversations", "tickets", "traces", "runs", "data", "items", "results")
"""Under which an object may hold a list of conversations, or of parts of them."""
TURN_KEYS = frozenset(("from", "value", "role", "content"))
"""What a list that is itself a conversation has in its elements."""
_LINES, _TABLES = (".jsonl", ".ndjson"), (".csv", ".tsv")
_ZIP, _OLE, _BOM = b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\xef\xbb\xbf"
_FIRST_LINE = 1 << 24
"""Bytes of a first line that are looked at to tell lines from one document."""
_NOT_UTF_8 = "Not UTF-8. Say `encoding` in a mapping file (from Excel often cp1252), or save it as UTF-8."
LONGEST_LINE = 1 << 26
"""Bytes of a line that are read: a file without line ends must not be held in memory as one."""


class Unreadable(Exception):
    """Why a row cannot be read."""


@dataclass(frozen=True)
class Row:
    number: int
    """A line's, or a row's or element's, from 1; in a table the first below the headings is 2, as in a spreadsheet."""
    data: dict[str, Any]


@dataclass(frozen=True)
class Place:
    """How far a file of lines was read."""

    offset: int
    """Bytes; a line begins there."""
    line: int
    """Lines before it."""


BEGINNING = Place(0, 0)


class Source:
    """The rows of one file. Iterate once."""

    def __init__(
        self,
        path: Path,
        skip: Skip,
        *,
        delimiter: str | None = None,
        sheet: str | None = None,
        encoding: str | None = None,
        growing: Place | None = None,
    ) -> None:
        """`growing`: of lines read those from there, and leave alone a last one that is still being written."""
        self.path = path
        self.headings: tuple[str, ...] = ()
        """Of a table; empty: it is none."""
        self.through: Place | None = None
        """Up to where lines were read that will not change; None: no lines, or not as the file lies on the disk."""
        self._skip, self._delimiter, self._sheet, self._encoding = skip, delimiter, sheet, encoding
        self._growing = growing
        self._opened: Opened | None = None

    @property
    def progress(self) -> tuple[int, int]:
        """(bytes read so far, bytes in all)."""
        return (self._opened.position, self._opened.size) if self._opened else (0, 0)

    def __iter__(self) -> Iterator[Row]:
        """Raises: NotFound, SettingsError: there is no such file, or it cannot be opened."""
        with opened(self.path, self._encoding) as found:
            self._opened = found
            yield from self._rows(found)

    def _rows(self, found: Opened) -> Iterator[Row]:
        file, suffix = found.file, found.suffix
        head = file.read(4096)
        file.seek(0)
        start = head.removeprefix(_BOM).lstrip()[:1]
        if head.startswith((_ZIP, _OLE)):
            return self._records(_sheet_rows(file, self.path, self._sheet))
        if suffix in _TABLES or (suffix not in _LINES and start not in (b"[", b"{", b"")):
            # Among the headings: a cell may hold one by mistake, and costs only itself.
            if b"\0" in head.partition(b"\n")[0]:
                raise SettingsError(
                    f"{self.path}: is no text, nor anything else we can read: JSON, JSON lines, CSV and Excel are, "
                    "also compressed with gzip."
                )
            return self._table(file)
        if start == b"[":
            return self._elements(file, "item")
        if suffix in _LINES or _by_line(file):
            return self._lines(file, found.as_it_lies)
        return self._document(file)

    def _lines(self, file: BinaryIO, as_it_lies: bool) -> Iterator[Row]:
        at = self._growing or BEGINNING
        file.seek(at.offset)
        for line, size in _bounded(file):
            at = Place(at.offset + size, at.line + 1)
            whole = line.endswith(b"\n")
            row = line.removeprefix(_BOM) if at.line == 1 else line
            try:
                if size > LONGEST_LINE:
                    raise Unreadable(f"Longer than {LONGEST_LINE >> 20} MB.")
                if row.strip():
                    yield Row(at.line, parse(row))
            except Unreadable as fault:
                if whole or self._growing is None:
                    self._skip(at.line, str(fault))
            if whole and as_it_lies:
                self.through = at

    def _document(self, file: BinaryIO) -> Iterator[Row]:
        file.seek(0)
        prefix = _place(file)
        return self._elements(file, prefix)

    def _elements(self, file: BinaryIO, prefix: str) -> Iterator[Row]:
        import ijson

        file.seek(len(_BOM) if file.read(3) == _BOM else 0)
        number = 0
        try:
            for number, element in enumerate(ijson.items(file, prefix, use_float=True, multiple_values=True), 1):
                if isinstance(element, dict):
                    yield Row(number, element)
                else:
                    self._skip(number, "Not a JSON object.")
        except (ijson.JSONError, ValueError, OverflowError) as fault:
            self._skip(number + 1, f"Not valid JSON, and nothing after it can be read: {_short(fault)}")

    def _table(self, file: BinaryIO) -> Iterator[Row]:
        text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
        try:
            delimiter = self._delimiter or _delimiter(text.readline())
            text.seek(0)
            yield from self._records(_csv(csv.reader(text, delimiter=delimiter), self._skip))
        finally:
            if not text.closed:
                text.detach()

    def _records(self, rows: Iterator[tuple[int, Sequence[str]]]) -> Iterator[Row]:
        _, first = next(rows, (1, ()))
        self.headings = tuple(cell.strip() for cell in first)
        for number, row in rows:
            if not any(row):
                continue
            if any("\udc80" <= letter <= "\udfff" for cell in row for letter in cell if letter > "\ud7ff"):
                self._skip(number, _NOT_UTF_8)
            elif len(row) > len(self.headings):
                self._skip(number, f"Has {len(row)} cells under {len(self.headings)} headings.")
            else:
                yield Row(number, dict(zip(self.headings, row, strict=False)))


def parse(row: bytes) -> dict[str, Any]:
    """Raises: Unreadable"""
    try:
        data = orjson.loads(row)
    except orjson.JSONDecodeError as fault:
        raise Unreadable(f"Not valid JSON: {fault}.") from None
    if not isinstance(data, dict):
        raise Unreadable("Not a JSON object.")
    return data


def _by_line(file: BinaryIO) -> bool:
    """Whether a file that begins with an object has an object on each line."""
    file.seek(0)
    try:
        first = parse(file.readline(_FIRST_LINE).removeprefix(_BOM))
    except Unreadable:
        return False
    return not any(_holds(first.get(name)) for name in LISTS)


def _holds(found: object) -> bool:
    """Whether it is a list of conversations, rather than of a conversation's turns."""
    return isinstance(found, list) and bool(found) and isinstance(found[0], dict) and not TURN_KEYS & found[0].keys()


def _place(file: BinaryIO) -> str:
    """Where in a JSON object the list of conversations is; nothing: the object is one."""
    import ijson

    inside = None
    try:
        for prefix, event, value in ijson.parse(file, multiple_values=True):
            if inside and event == "map_key":
                if value not in TURN_KEYS:
                    return f"{inside}.item"
                inside = None
            elif event == "start_array" and prefix in LISTS:
                inside = prefix
            elif event == "end_array" and prefix == inside:
                inside = None
    except (ijson.JSONError, ValueError, OverflowError):
        pass  # told where it is read
    return ""


def _bounded(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """(line, its bytes): of one that is too long only its end."""
    while line := file.readline(LONGEST_LINE + 1):
        size = len(line)
        while size > LONGEST_LINE and not line.endswith(b"\n") and (more := file.readline(1 << 20)):
            line, size = more, size + len(more)
        yield line, size


def _delimiter(heading: str) -> str:
    """The one that makes most cells of the headings."""
    return max(",;\t|", key=heading.count)


def _csv(reader: Any, skip: Skip) -> Iterator[tuple[int, Sequence[str]]]:
    number = 0
    while True:
        number += 1
        try:
            yield number, next(reader)
        except csv.Error as fault:
            skip(number, f"No row of CSV: {fault}.")
        except StopIteration:
            return


def _sheet_rows(file: BinaryIO, path: Path, sheet: str | None) -> Iterator[tuple[int, Sequence[str]]]:
    """Raises: SettingsError: not installed, no workbook, or it has no such sheet."""
    try:
        import python_calamine as calamine
    except ImportError:
        raise SettingsError(
            f"{path}: Excel files need 'python-calamine'. Install preceptor with its 'excel' extra, or save it as CSV."
        ) from None
    try:
        book = calamine.CalamineWorkbook.from_filelike(file)
        name = sheet or next(iter(book.sheet_names), None)
        if name not in book.sheet_names:
            raise SettingsError(f"{path}: has no sheet {name!r}; there are: {', '.join(book.sheet_names) or 'none'}.")
        for number, row in enumerate(book.get_sheet_by_name(name).iter_rows(), 1):
            yield number, [_cell(value) for value in row]
    except (calamine.CalamineError, calamine.PasswordError, ValueError, OSError) as fault:
        raise SettingsError(f"{path}: is no Excel file we can read: {_short(fault)}.") from None
    except BaseException as fault:
        if type(fault).__name__ == "PanicException":  # the reader, which is compiled, fell over a damaged file
            raise SettingsError(f"{path}: is no Excel file we can read: it is damaged.") from None
        raise


def _cell(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
    return str(value)


def _short(fault: BaseException) -> str:
    return " ".join(str(fault).split())[:80]
