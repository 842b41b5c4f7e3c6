"""Conversations of people and machines, read from files. One row at a time: a log may be larger than memory.

The form is found out row by row (`forms`, `exchanges`, `mapping`), or said. A row that cannot be read is skipped with
its line and the reason; the rest is read.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from preceptor.dialogue.conversation import Conversation
from preceptor.errors import SettingsError
from preceptor.logs import exchanges, forms, mapping
from preceptor.logs.outcomes import logged
from preceptor.logs.rows import Place, Row, Source, Unreadable, parse
from preceptor.logs.spool import Spool
from preceptor.logs.talk import Talk

__all__ = ["FORMS", "Log", "Skipped", "Unreadable", "conversation_of", "parse", "read"]
TABLE = "table"
FORMS = (*forms.FORMS, *exchanges.FORMS, TABLE)
_KEPT = 100


@dataclass(frozen=True)
class Skipped:
    """A row that could not be read."""

    line: int
    """From 1; of a JSON list its element, of a table its row."""
    reason: str


class Log:
    """A file of conversations. Iterate over it, as often as you like."""

    def __init__(
        self,
        path: Path,
        form: str | None = None,
        columns: mapping.Columns | None = None,
        growing: Place | None = None,
    ) -> None:
        """`growing`: as of `rows.Source`."""
        self.path = path
        self.skipped: list[Skipped] = []
        """The first hundred rows the last iteration could not read."""
        self.skipped_rows = 0
        """How many there were."""
        self.rejected: Callable[[Skipped], None] | None = None
        """Hears of each of them."""
        self.forms: set[str] = set()
        """Those the last iteration met."""
        self.through: Place | None = None
        """Up to where the last iteration read rows of which each is a conversation; None: a later row may go on with
        one that was read, so that a file that has grown is to be read again as a whole."""
        self.growing = growing
        self._form, self._columns = form, columns
        self._source: Source | None = None
        self._table: mapping.Columns | None = None

    @property
    def progress(self) -> tuple[int, int]:
        """(bytes read so far, bytes in all)."""
        return self._source.progress if self._source else (0, 0)

    def __iter__(self) -> Iterator[Conversation]:
        """Raises: NotFound, SettingsError: there is no such file, it cannot be opened, or its columns do not tell."""
        for line, talk in self.talks():
            yield _conversation(talk, self.path.stem, line)

    def talks(self) -> Iterator[tuple[int, Talk]]:
        """(where it begins, conversation). Raises: as above"""
        self.skipped, self.skipped_rows, self.forms, self.through = [], 0, set(), None
        columns = self._table = self._columns
        told = {name: getattr(columns, name) for name in ("delimiter", "sheet", "encoding")} if columns else {}
        self._source = source = Source(self.path, self.skip, growing=self.growing, **told)
        with Spool() as spool:
            for row in source:
                yield from self._row(row, source, spool)
            self.through = None if spool.count else source.through
            for key, parts in spool.groups():
                try:
                    yield parts[0][0], self._together(key, [part for _, part in parts])
                except Unreadable as fault:
                    self.skip(parts[0][0], str(fault))

    def skip(self, line: int, reason: str) -> None:
        self.skipped_rows += 1
        skipped = Skipped(line, reason)
        if len(self.skipped) < _KEPT:
            self.skipped.append(skipped)
        if self.rejected:
            self.rejected(skipped)

    def _row(self, row: Row, source: Source, spool: Spool) -> Iterator[tuple[int, Talk]]:
        """What of a row is a conversation; parts of one wait in the spool."""
        form = self._form or self._found(row.data, source)
        if form:
            self.forms.add(form)
        try:
            if form == TABLE:
                self._turn(row, source, spool)
            elif form in exchanges.FORMS:
                for key, part in exchanges.parts_of(row.data, form):
                    spool.put(key, row.number, [form, asdict(part)])
            else:
                yield row.number, forms.talk_of(row.data, form)
        except Unreadable as fault:
            self.skip(row.number, str(fault))
        except (TypeError, ValueError):
            self.skip(row.number, "Holds what is no text, or a number that JSON has no room for.")

    def _found(self, data: Mapping[str, Any], source: Source) -> str | None:
        if self._columns is not None:
            return TABLE
        if (form := exchanges.form_of(data)) or not source.headings:
            return form if form and not forms.form_of(data) else forms.form_of(data)
        return TABLE

    def _turn(self, row: Row, source: Source, spool: Spool) -> None:
        """Raises: Unreadable, SettingsError: its columns do not tell"""
        columns = self._table = self._table or mapping.usual(source.headings or tuple(row.data))
        if columns is None:
            raise mapping.unknown(source.headings or tuple(row.data), self.path)
        if source.headings:  # rows of JSON may leave out what is empty
            mapping.check(columns, source.headings, self.path)
        if (part := mapping.part_of(row.data, columns)) is not None:
            spool.put(part[0], row.number, [TABLE, part[1]])

    def _together(self, key: str, parts: list[Any]) -> Talk:
        found = [part for form, part in parts]
        if parts[0][0] == TABLE and self._table:
            return mapping.talk_of(key, found, self._table)
        return exchanges.talk_of(key, found)


def read(
    path: Path, form: str | None = None, columns: mapping.Columns | None = None, growing: Place | None = None
) -> Log:
    """The conversations of a log file (`-`: standard input). `form`: one of `FORMS`; found out row by row when not
    given. `columns`: of a table with one turn a row, be it CSV, Excel or JSON lines. `growing`: how far lines were read
    before; the rest is, but for a last line that is still being written.

    Raises:
        SettingsError: there is no such form.
    """
    if form is not None and form not in FORMS:
        raise SettingsError(f"There is no form {form!r}; there are: {', '.join(FORMS)}.")
    return Log(path, form, columns, growing)


def conversation_of(data: Mapping[str, Any], log: str, line: int) -> Conversation:
    """A row that is a conversation. Raises: Unreadable"""
    return _conversation(forms.talk_of(data), log, line)


def _conversation(talk: Talk, log: str, line: int) -> Conversation:
    return logged(talk.turns, talk.ending, talk.id or str(line), log, talk.tags)
