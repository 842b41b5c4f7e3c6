"""Conversations in the project's database, by the file they came from.

A conversation is known by a hash of what was said and of the id its file gives it: the same again adds nothing, from
whichever file. It is stored whole or not at all, and a source that was not finished is finished by importing it again.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
import sqlalchemy as sa

from preceptor.dialogue.conversation import Conversation, Turn
from preceptor.errors import Conflict, NotFound
from preceptor.llm.messages import ToolCall
from preceptor.logs.marks import Mark
from preceptor.logs.outcomes import logged
from preceptor.logs.rows import Place
from preceptor.logs.tables import log_conversations, log_entries, log_sources
from preceptor.logs.talk import Talk
from preceptor.storage.canonical import content_hash
from preceptor.storage.database import Database

State = Literal["importing", "done", "empty", "removed"]
_UNSEEN = ("empty", "removed")
"""States of sources that hold nothing: rows of them are there to tell what came of a file."""
_AT_A_TIME = 200
"""Conversations read, or looked up, in one piece."""


@dataclass(frozen=True)
class Imported:
    """A source: a file, or a part of a folder."""

    name: str
    path: str
    """Where the file was."""
    state: State
    redacted: bool
    at: str
    """When it was last imported or removed; ISO 8601, UTC."""
    conversations: int = 0
    turns: int = 0
    rejected: int = 0
    """Rows that could not be read, the last time."""
    forms: tuple[str, ...] = ()
    found: Mapping[str, int] = field(default_factory=dict)
    """Data replaced, by kind, the last time."""
    mark: Mark | None = None
    """How far its file was read; None: it is no file, or that was not to its end."""


@dataclass(frozen=True)
class Stored:
    """A conversation on its way into the database."""

    key: str
    line: int
    turns: int
    body: str


def stored(talk: Talk, line: int) -> Stored:
    """Raises: TypeError: it has no JSON form, such as half of a character"""
    turns = [_written(turn) for turn in talk.turns]
    body = {"turns": turns, "id": talk.id, "ending": talk.ending, "tags": talk.tags}
    return Stored(content_hash([turns, talk.id])[:32], line, len(turns), orjson.dumps(body).decode())


def _written(turn: Turn) -> list[Any]:
    if not turn.tool_calls and turn.tool_call_id is None:
        return [turn.party, turn.text]
    calls = [[call.id, call.name, call.arguments] for call in turn.tool_calls]
    return [turn.party, turn.text, calls, turn.tool_call_id]


class Store:
    """What was imported into a database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def lock(self) -> AbstractContextManager[None]:
        """Held by whoever imports. Raises: Conflict: another process does"""
        return self._db.lock("logs")

    def sources(self) -> tuple[Imported, ...]:
        """Those that hold anything, or were begun."""
        return tuple(source for source in self._all() if source.state not in _UNSEEN)

    def _all(self) -> tuple[Imported, ...]:
        with self._db.reading() as connection:
            rows = connection.execute(sa.select(log_sources).order_by(log_sources.c.at, log_sources.c.name)).all()
        return tuple(map(_source, rows))

    def mark(self, name: str) -> Mark | None:
        """How far the file of that name was read, whether anything was in it or not; None: not yet, or not wholly."""
        return next((one.mark for one in self._all() if one.name == name and one.state in ("done", "empty")), None)

    def source(self, name: str) -> Imported:
        """Raises: NotFound"""
        sources = {source.name: source for source in self.sources()}
        if name not in sources:
            there = f"There are: {', '.join(sources)}." if sources else "`preceptor logs import FILE` makes one."
            raise NotFound(f"There is no source {name!r} of conversations. {there}")
        return sources[name]

    def check(self, name: str, path: str, *, redacted: bool, elsewhere: bool = False) -> None:
        """Whether a file may be imported as a source. `elsewhere`: it may have come from another file before.

        Raises:
            Conflict: it is of another file, or was imported with the other choice about redaction.
        """
        before = next((source for source in self.sources() if source.name == name), None)
        if before is not None and before.path != path and not elsewhere:
            raise Conflict(
                f"The source {name!r} was imported from {before.path!r}. Give this one another name with "
                "--name, or the same on purpose."
            )
        if before is not None and before.redacted != redacted and before.conversations:
            how = "redacted" if before.redacted else "with --no-redact"
            raise Conflict(
                f"The source {name!r} was imported {how}; both forms of the same conversations would count twice. "
                f"Remove it first: preceptor logs remove {name!r}"
            )

    def begin(self, name: str, path: str, *, redacted: bool) -> None:
        """Open a source for importing."""
        before = next((source for source in self.sources() if source.name == name), None)
        source = before or Imported(name, path, "importing", redacted, "")
        with self._db.begin() as connection:
            _put(connection, replace(source, path=path, state="importing", redacted=redacted, mark=None))

    def pass_over(self, name: str, path: str, mark: Mark | None, *, redacted: bool) -> Imported:
        """Note that nothing came in from a file. What its source held from before stays as it was."""
        before = next((source for source in self.sources() if source.name == name), None)
        empty = Imported(name, path, "empty", redacted, "", mark=mark)
        if before is None:
            with self._db.begin() as connection:
                _put(connection, empty)
        return before or empty

    def add(self, source: str, talks: Sequence[Stored]) -> int:
        """Store conversations of a source, all or none; how many were in no source before.

        Raises:
            UserError, Conflict: the disk or the server does not allow it; none was stored.
        """
        unique = {talk.key: talk for talk in reversed(talks)}
        with self._db.begin() as connection:
            held = _held(connection, log_conversations.c.key, list(unique))
            here = _held(connection, log_entries.c.key, list(unique), log_entries.c.source == source)
            new = [
                {"key": talk.key, "turns": talk.turns, "body": talk.body}
                for key, talk in unique.items()
                if key not in held
            ]
            entries = [
                {"source": source, "key": key, "n": talk.line} for key, talk in unique.items() if key not in here
            ]
            if new:
                connection.execute(sa.insert(log_conversations), new)
            if entries:
                connection.execute(sa.insert(log_entries), entries)
        return len(new)

    def finish(
        self,
        name: str,
        rejected: int,
        forms: Sequence[str],
        found: Mapping[str, int],
        mark: Mark | None = None,
        *,
        onward: bool = False,
    ) -> Imported:
        """Say how it went; counts of conversations are taken from what is there. `onward`: these are about the rest of
        a file of which the beginning was read before."""
        with self._db.begin() as connection:
            row = connection.execute(sa.select(log_sources).where(log_sources.c.name == name)).one()
            mine = log_entries.join(log_conversations, log_entries.c.key == log_conversations.c.key)
            counted = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(log_conversations.c.turns), 0))
            counts = connection.execute(counted.select_from(mine).where(log_entries.c.source == name)).one()
            before = _source(row)
            all_found = dict(Counter(before.found) + Counter(found)) if onward else dict(found)
            source = replace(
                before,
                state="done" if counts[0] else "empty",
                conversations=counts[0],
                turns=int(counts[1]),
                rejected=rejected + (before.rejected if onward else 0),
                forms=tuple(sorted({*forms, *(before.forms if onward else ())})),
                found=all_found or before.found,
                mark=mark,
            )
            _put(connection, source)
        return source

    def conversations(self, name: str) -> Iterator[Conversation]:
        """Of a source, in the order of its file, without holding all of them. Raises: NotFound"""
        self.source(name)
        wanted = (
            sa.select(log_entries.c.n, log_entries.c.key, log_conversations.c.body)
            .join(log_conversations, log_entries.c.key == log_conversations.c.key)
            .where(log_entries.c.source == name)
            .order_by(log_entries.c.n, log_entries.c.key)
            .limit(_AT_A_TIME)
        )
        after: tuple[int, str] | None = None
        while True:
            here = wanted if after is None else wanted.where(sa.tuple_(log_entries.c.n, log_entries.c.key) > after)
            # Not one long read: with a rollback journal nobody could write for as long as the caller takes.
            with self._db.reading() as connection:
                rows = connection.execute(here).all()
            for row in rows:
                yield conversation(row.key, row.body, name)
            if len(rows) < _AT_A_TIME:
                return
            after = (rows[-1].n, rows[-1].key)

    def remove(self, name: str) -> Imported:
        """Remove a source and the conversations that are in no other; a line of it stays. Raises: NotFound"""
        source = self.source(name)
        with self._db.begin() as connection:
            connection.execute(sa.delete(log_entries).where(log_entries.c.source == name))
            kept = sa.select(log_entries.c.key).where(log_entries.c.key == log_conversations.c.key)
            connection.execute(sa.delete(log_conversations).where(~kept.exists()))
            _put(connection, replace(source, state="removed", mark=None))
        return source


def _held(connection: sa.Connection, column: Any, keys: Sequence[str], *more: Any) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(keys), _AT_A_TIME):
        found |= set(connection.scalars(sa.select(column).where(column.in_(keys[start : start + _AT_A_TIME]), *more)))
    return found


def _put(connection: sa.Connection, source: Imported) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    known = asdict(source)
    row = {name: known.pop(name) for name in ("name", "path", "state", "redacted")}
    del known["at"]
    row |= {"at": now, "body": orjson.dumps(known).decode()}
    if connection.scalar(sa.select(log_sources.c.name).where(log_sources.c.name == source.name)) is None:
        connection.execute(sa.insert(log_sources), row)
    else:
        connection.execute(sa.update(log_sources).where(log_sources.c.name == source.name).values(row))


def _source(row: Any) -> Imported:
    known = orjson.loads(row.body)
    known |= {"forms": tuple(known["forms"]), "mark": _mark(known.get("mark"))}
    return Imported(row.name, row.path, row.state, row.redacted, row.at, **known)


def _mark(known: Mapping[str, Any] | None) -> Mark | None:
    if known is None:
        return None
    return Mark(**{**known, "place": Place(**known["place"]) if known["place"] else None})


def conversation(key: str, body: str, source: str) -> Conversation:
    """As its row has it; `source`: one it is in."""
    known = orjson.loads(body)
    turns = tuple(_turn(*turn) for turn in known["turns"])
    return logged(turns, known["ending"], known["id"] or key[:12], source, tuple(known["tags"]))


def _turn(party: Any, text: str, calls: Sequence[Sequence[str]] = (), call: str | None = None) -> Turn:
    return Turn(party, text, tuple(ToolCall(*made) for made in calls), call)
