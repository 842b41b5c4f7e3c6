"""Cases: moments kept with an answer that is good enough, which the student is held against from then on."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pydantic
import sqlalchemy as sa

from preceptor.dialogue.conversation import Context, Turn
from preceptor.errors import NotFound, UserError
from preceptor.storage.canonical import canonical, short_id
from preceptor.storage.database import Database, metadata

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("library", sa.String, primary_key=True),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("turns", sa.Text, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("who", sa.String, nullable=False),
    sa.Column("at", sa.String, nullable=False),
)
_TURNS = pydantic.TypeAdapter(tuple[Turn, ...])


@dataclass(frozen=True)
class Case:
    id: str
    context: Context
    answer: str
    """Good enough: an answer that is judged worse fails."""
    note: str
    """What it is about, in the words of who kept it."""
    who: str
    at: str
    """ISO 8601, UTC."""


class Cases:
    """The cases of a library."""

    def __init__(self, db: Database, library: str) -> None:
        self._db = db
        self._library = library

    def keep(self, context: Context, answer: str, note: str, who: str) -> Case:
        """Keep a case; the same context and answer again only renews its note.

        Raises:
            UserError: the answer is empty, or it is not the agent's turn to speak.
        """
        if not answer.strip() or not context.turns or context.turns[-1].party == "agent":
            raise UserError("A case needs a customer's message and an answer to it.")
        at = datetime.now(UTC).isoformat(timespec="seconds")
        case = Case(short_id("ca", [context.key, answer]), context, answer, note.strip(), who, at)
        row = {
            "library": self._library,
            "id": case.id,
            "turns": canonical(context.turns).decode(),
            "answer": answer,
            "note": case.note,
            "who": who,
            "at": at,
        }
        with self._db.begin() as connection:
            connection.execute(cases.delete().where(self._one(case.id)))
            connection.execute(cases.insert(), row)
        return case

    def list(self) -> tuple[Case, ...]:
        """All of them, the oldest first."""
        wanted = sa.select(cases).where(cases.c.library == self._library).order_by(cases.c.at, cases.c.id)
        with self._db.reading() as connection:
            return tuple(
                Case(row.id, Context(_TURNS.validate_json(row.turns)), row.answer, row.note, row.who, row.at)
                for row in connection.execute(wanted)
            )

    def remove(self, id_: str) -> None:
        """Raises: NotFound: there is no such case."""
        with self._db.begin() as connection:
            if connection.execute(cases.delete().where(self._one(id_))).rowcount == 0:
                raise NotFound(f"There is no case {id_!r}. `preceptor cases list` shows them.")

    def _one(self, id_: str) -> sa.ColumnElement[bool]:
        return sa.and_(cases.c.library == self._library, cases.c.id == id_)
