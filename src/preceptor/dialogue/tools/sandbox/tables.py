"""A JSON file of tables, and each conversation's changes to it: rows are copied when they are edited, not before."""

import copy
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import orjson

from preceptor.dialogue.tools.sandbox.changes import Changes, Place, same
from preceptor.dialogue.tools.sandbox.store import Patch
from preceptor.errors import NotFound, SettingsError

T = TypeVar("T")
_GONE = object()


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise TypeError("A row that was only read cannot be changed; table.edit(key) gives one that can.")


class Frozen(dict[str, Any]):
    """A row as it is read: a dict that cannot be changed."""

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __copy__(self) -> dict[str, Any]:
        return dict(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return {key: copy.deepcopy(value, memo) for key, value in self.items()}


class FrozenList(list[Any]):
    """A list in a row, as it is read."""

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = extend = insert = remove = pop = clear = sort = reverse = _refuse

    def __copy__(self) -> list[Any]:
        return list(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        return [copy.deepcopy(value, memo) for value in self]


def frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Frozen((key, frozen(part)) for key, part in value.items())
    if isinstance(value, list | tuple):
        return FrozenList(map(frozen, value))
    return value


Rows = Mapping[str, Any]


class Table(Mapping[str, Any]):
    """The rows of a table by their keys. Reading gives rows that cannot be changed."""

    def __init__(self, name: str, rows: Rows) -> None:
        self.name = name
        self._first = rows
        self._now: dict[str, Any] = {}
        """Rows that were changed, frozen; `_GONE` for those taken away."""
        self._open: dict[str, Any] = {}
        """The same for the call under way, whose rows can be changed."""

    def __getitem__(self, key: str) -> Any:
        for rows in (self._open, self._now, self._first):
            if key in rows:
                found = rows[key]
                if found is _GONE:
                    break
                return found
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        """In the file's order, then as they were added."""
        new = dict.fromkeys([*self._now, *self._open])
        yield from (key for key in self._first if key in self)
        yield from (key for key in new if key not in self._first and key in self)

    def __contains__(self, key: object) -> bool:
        for rows in (self._open, self._now, self._first):
            if key in rows:
                return rows[key] is not _GONE  # type: ignore[index]
        return False

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def edit(self, key: str) -> dict[str, Any]:
        """A row to change in place. What it then holds is kept when the call ends well.

        Raises:
            KeyError: there is none.
        """
        if self._open.get(key, _GONE) is _GONE:
            self._open[key] = copy.deepcopy(self[key])
        found: dict[str, Any] = self._open[key]
        return found

    def add(self, key: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """Put a new row in and give it, to be changed further.

        Raises:
            ValueError: there is one with this key.
        """
        if key in self:
            raise ValueError(f"Table {self.name!r} has a row {key!r} already.")
        self._open[key] = copy.deepcopy(dict(row))
        made: dict[str, Any] = self._open[key]
        return made

    def remove(self, key: str) -> None:
        """Raises: KeyError: there is no such row."""
        self[key]
        self._open[key] = _GONE

    def keep(self) -> None:
        """The call under way ended well."""
        self._now |= {key: row if row is _GONE else frozen(row) for key, row in self._open.items()}
        self._open = {}

    def drop(self) -> None:
        """The call under way failed."""
        self._open = {}

    def changes(self) -> Iterator[tuple[Place, Any]]:
        for key, row in self._now.items():
            now = None if row is _GONE else row
            if not same(now, self._first.get(key)):
                yield (self.name, key), now


class Tables(Mapping[str, Table]):
    """An open database, for one conversation: what tool functions are given. `tables["orders"]["#W1"]` is a row."""

    def __init__(self, tables: Mapping[str, Rows]) -> None:
        self._tables = {name: Table(name, rows) for name, rows in tables.items()}

    def __getitem__(self, name: str) -> Table:
        return self._tables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def change(self, run: Callable[[Any], T]) -> T:
        try:
            result = run(self)
        except BaseException:
            for table in self._tables.values():
                table.drop()
            raise
        for table in self._tables.values():
            table.keep()
        return result

    def patch(self, patch: Patch) -> None:
        """Raises: SettingsError: there is no such table, or a row has no fields."""
        self.change(lambda _: self._patch(patch))

    def _patch(self, patch: Patch) -> None:
        for name, rows in patch.items():
            if name not in self:
                raise SettingsError(f"The database has no table {name!r}; it has: {', '.join(self)}.")
            table = self[name]
            for key, fields in rows.items():
                if fields is None:
                    if key in table:
                        table.remove(key)
                elif key in table:
                    row = table.edit(key)
                    if not isinstance(row, dict):
                        raise SettingsError(f"Row {key!r} of table {name!r} has no fields that could be set.")
                    _merge(row, fields)
                else:
                    table.add(key, fields)

    def changes(self) -> Changes:
        return {at: row for table in self._tables.values() for at, row in table.changes()}

    def close(self) -> None:
        pass


class JsonStore:
    """A JSON file: an object of tables, each an object of rows by their keys, or a list of rows with an ``id``."""

    def __init__(self, tables: Mapping[str, Any], origin: str = "the database") -> None:
        """Raises: SettingsError: it has another form."""
        self._tables = {name: frozen(_rows(name, rows, origin)) for name, rows in tables.items()}

    @classmethod
    def load(cls, path: Path) -> "JsonStore":
        """Raises: NotFound, SettingsError"""
        try:
            data = orjson.loads(path.read_bytes())
        except FileNotFoundError:
            raise NotFound(f"There is no database {str(path)!r}.") from None
        except OSError as fault:
            raise SettingsError(f"{path}: cannot be read: {fault}.") from None
        except orjson.JSONDecodeError as fault:
            raise SettingsError(f"{path}: not valid JSON: {fault}.") from None
        if not isinstance(data, dict):
            raise SettingsError(f"{path}: must be a JSON object of tables.")
        return cls(data, str(path))

    def copy(self) -> Tables:
        return Tables(self._tables)


def _rows(name: str, rows: Any, origin: str) -> Mapping[str, Any]:
    if isinstance(rows, Mapping):
        return rows
    if not isinstance(rows, list):
        raise SettingsError(f"{origin}: table {name!r} must be an object of rows by their keys, or a list of rows.")
    keys = [str(row["id"]) if isinstance(row, Mapping) and "id" in row else None for row in rows]
    if None in keys:
        raise SettingsError(f"{origin}: row {keys.index(None) + 1} of table {name!r} has no 'id'.")
    if len(set(keys)) < len(keys):
        raise SettingsError(f"{origin}: two rows of table {name!r} have one 'id'.")
    return dict(zip(map(str, keys), rows, strict=True))


def _merge(row: Any, fields: Any) -> None:
    for name, value in fields.items():
        if isinstance(value, Mapping) and isinstance(row.get(name), dict):
            _merge(row[name], value)
        else:
            row[name] = copy.deepcopy(value)
