"""Which imported conversations were held against a library's scenarios, and how near they were to them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from preceptor.dialogue.conversation import Conversation
from preceptor.logs.store import conversation
from preceptor.logs.tables import log_conversations, log_entries, log_looks
from preceptor.storage.database import Database

_AT_A_TIME = 200
"""Conversations read in one piece."""
_SOURCE = (
    sa.select(sa.func.min(log_entries.c.source)).where(log_entries.c.key == log_conversations.c.key).scalar_subquery()
)
"""One that a conversation is in. Not by grouping: for each piece, that would sort all that is still to be read."""


@dataclass(frozen=True)
class Look:
    """One conversation, held against the scenarios of a library."""

    key: str
    contexts: int
    """Moments in which a customer waited for an answer."""
    far: int
    """… of which no scenario was near enough to."""

    @property
    def share(self) -> float:
        return self.far / self.contexts if self.contexts else 0.0


class Looks:
    """Those of one library in a database."""

    def __init__(self, db: Database, library: str) -> None:
        self._db, self._library = db, library
        self._mine = log_looks.c.library == library
        self._there = self._mine & sa.exists().where(log_conversations.c.key == log_looks.c.key)
        """What was removed is not to be taught from."""

    def unseen(self) -> Iterator[tuple[str, Conversation]]:
        """(key, conversation) of each that was not looked at yet, in no order that matters."""
        seen = sa.select(log_looks.c.n).where(self._mine, log_looks.c.key == log_conversations.c.key)
        wanted = (
            sa.select(log_conversations.c.key, log_conversations.c.body, _SOURCE)
            .where(~seen.exists(), _SOURCE.is_not(None))
            .order_by(log_conversations.c.key)
            .limit(_AT_A_TIME)
        )
        after = ""
        while True:
            with self._db.reading() as connection:
                rows = connection.execute(wanted.where(log_conversations.c.key > after)).all()
            for key, body, source in rows:
                yield key, conversation(key, body, source)
            if len(rows) < _AT_A_TIME:
                return
            after = rows[-1][0]

    def note(self, looks: Sequence[Look], against: str, waiting: Sequence[str]) -> None:
        """Write looks down; conversations in `waiting` are to be taught from."""
        rows = [
            {
                "library": self._library,
                "key": look.key,
                "against": against,
                "contexts": look.contexts,
                "far": look.far,
                "state": "waiting" if look.key in waiting else "near",
            }
            for look in looks
        ]
        if rows:
            with self._db.begin() as connection:
                connection.execute(sa.insert(log_looks), rows)

    def against(self, guidance: str, window: int) -> tuple[Look, ...]:
        """The first that were held against a guidance, by its hash, and the newest, at most `window` each: oldest
        first, none twice, and none in which no customer waited."""
        wanted = (
            sa.select(log_looks.c.n, log_looks.c.key, log_looks.c.contexts, log_looks.c.far)
            .where(self._mine, log_looks.c.against == guidance, log_looks.c.contexts > 0)
            .limit(window)
        )
        with self._db.reading() as connection:
            first = connection.execute(wanted.order_by(log_looks.c.n)).all()
            later = wanted.where(log_looks.c.n > (first[-1].n if first else 0)).order_by(log_looks.c.n.desc())
            newest = connection.execute(later).all()[::-1]
        return tuple(Look(row.key, row.contexts, row.far) for row in (*first, *newest))

    def waiting(self) -> int:
        """How many conversations wait to be taught from."""
        with self._db.reading() as connection:
            return self._count(connection, log_looks.c.state == "waiting")

    def take(self, batch: str, most: int) -> int:
        """Put the oldest that wait into a batch, at most so many, those included that are in it; how many are new."""
        with self._db.begin() as connection:
            waiting = sa.select(log_looks.c.n).where(self._there, log_looks.c.state == "waiting")
            room = max(0, most - self._count(connection, log_looks.c.batch == batch))
            oldest = log_looks.c.n.in_(waiting.order_by(log_looks.c.n).limit(room))
            taken = sa.update(log_looks).where(oldest).values(state="taken", batch=batch)
            return connection.execute(taken).rowcount

    def taken(self, batch: str) -> int:
        """How many conversations are in a batch."""
        with self._db.reading() as connection:
            return self._count(connection, log_looks.c.batch == batch)

    def _count(self, connection: sa.Connection, which: sa.ColumnElement[bool]) -> int:
        return connection.scalar(sa.select(sa.func.count()).select_from(log_looks).where(self._there, which)) or 0

    def batch(self, batch: str) -> Iterator[Conversation]:
        """The conversations of a batch that are still there, in the order in which they were looked at."""
        wanted = (
            sa.select(log_looks.c.key, log_conversations.c.body, _SOURCE)
            .join(log_conversations, log_conversations.c.key == log_looks.c.key)
            .where(self._mine, log_looks.c.batch == batch, _SOURCE.is_not(None))
            .order_by(log_looks.c.n)
        )
        with self._db.reading() as connection:
            rows = connection.execute(wanted).all()
        yield from (conversation(*row) for row in rows)
