"""The records behind a world's tools: rows drawn from their keys, and one conversation's changes to them.

The same world and key give the same row, in every conversation and on every machine; what a conversation changes is
seen in that conversation alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from preceptor.simulated.chance import Chance
from preceptor.simulated.tools import Digits, Service

if TYPE_CHECKING:
    from preceptor.simulated.world import World

Place = tuple[str, str]
"""A table and a key."""
Row = Mapping[str, str]
_ARGUMENT = re.compile(r"^\{([a-z][a-z0-9_]*)\}$")


@dataclass(frozen=True)
class Answer:
    """What a tool says."""

    body: dict[str, Any]
    place: Place | None = None
    """The row it was about; None where there is none."""
    refused: bool = False

    @property
    def text(self) -> str:
        """As the agent gets it: JSON."""
        return orjson.dumps(self.body).decode()


@dataclass
class Records:
    """A world's records as one conversation finds and leaves them."""

    world: "World"
    changed: dict[Place, dict[str, str]] = field(default_factory=dict)
    """By row, the columns that no longer hold what they held at first."""

    def row(self, table: str, key: str) -> Row:
        """What a row holds now. The table is one of the world's, the key one that it takes."""
        return {**self._drawn(table, key), **self.changed.get((table, key), {})}

    def call(self, tool: str, arguments: str) -> Answer:
        """Run a tool with its arguments as the model wrote them; what is wrong with them is an answer, too."""
        service = self.world.tools.get(tool)
        if service is None:
            return _error(f"There is no tool {tool!r}.")
        try:
            given = orjson.loads(arguments or "{}")
        except orjson.JSONDecodeError:
            given = None
        if not isinstance(given, dict):
            return _error("The arguments are not a JSON object.")
        said = {name: str(value).strip() for name, value in given.items()}
        missing = [name for name in _needed(service) if not said.get(name)]
        if missing:
            return _error(f"The argument {missing[0]!r} is missing.")
        key = said[service.by]
        if not self._takes(service.table, key):
            return _error(f"There is nothing under {service.by} {key!r}.")
        return self._done(tool, service, key, said)

    def _done(self, tool: str, service: Service, key: str, said: Mapping[str, str]) -> Answer:
        place, row = (service.table, key), self.row(service.table, key)
        if any(row[column] not in values for column, values in service.only.items()):
            return Answer({"error": service.refusal}, place, refused=True)
        if not service.sets:
            return Answer({service.by: key, **row}, place)
        new = {column: _filled(value, said) for column, value in service.sets.items()}
        self._write(place, new)
        return Answer({"done": tool, service.by: key, **new}, place)

    def _write(self, place: Place, new: Mapping[str, str]) -> None:
        """Only differences are kept, so that what is put back is as if it had never been changed."""
        at_first = self._drawn(*place)
        now = {**self.changed.get(place, {}), **new}
        different = {column: value for column, value in now.items() if value != at_first[column]}
        self.changed.pop(place, None)
        if different:
            self.changed[place] = different

    def _drawn(self, table: str, key: str) -> Row:
        chance = Chance("record", self.world.seed, table, key)
        return {
            name: chance.number(column.digits, name) if isinstance(column, Digits) else chance.weighted(column, name)
            for name, column in self.world.records[table].columns.items()
        }

    def _takes(self, table: str, key: str) -> bool:
        values = self.world.placeholders[self.world.records[table].key]
        if isinstance(values, Digits):
            return key.isascii() and key.isdigit() and len(key) == values.digits
        return key in values


def _needed(service: Service) -> list[str]:
    written = (_ARGUMENT.match(value) for value in service.sets.values())
    return [service.by, *(found[1] for found in written if found)]


def _filled(value: str, said: Mapping[str, str]) -> str:
    found = _ARGUMENT.match(value)
    return said[found[1]] if found else value


def _error(text: str) -> Answer:
    return Answer({"error": text}, refused=True)
