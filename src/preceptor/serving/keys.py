"""Virtual keys: who may ask the gateway, for what, how often and for how much.

Promises: a key is shown once, when it is made; the database holds its hash, from which it cannot be had back. A key is
never deleted, only revoked: what was spent on it stays on the books.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
import sqlalchemy as sa

from preceptor.errors import Conflict, NotFound
from preceptor.llm.prices import Amount
from preceptor.serving.tables import access_keys, spends
from preceptor.storage.canonical import canonical
from preceptor.storage.database import Database

Period = Literal["day", "month", "ever"]
MARK = "sk-pre-"
"""What keys begin with, so that people and scanners for leaked secrets know one."""


@dataclass(frozen=True)
class Key:
    """What a key allows. Bounds that are None do not bind."""

    id: str
    name: str
    """Whose it is; for people."""
    tenant: str
    """Under which name its requests are counted."""
    library: str
    """Whose live release its requests are given."""
    release: str | None = None
    """The beginning of a release's hash to give instead of the live one."""
    models: tuple[str, ...] = ()
    """Models it may ask for; empty: all."""
    per_minute: int | None = None
    """Requests in any 60 seconds, for each gateway process."""
    nano: int | None = None
    """Money, in billionths, for each `period`."""
    tokens: int | None = None
    """Prompts and replies together, for each `period`."""
    period: Period = "month"
    """By the calendar, in UTC."""
    created: str = field(default="", compare=False)
    revoked: str | None = None
    """When it ceased to be good."""


@dataclass(frozen=True)
class Held:
    """A key as the gateway has it in mind."""

    hash: str
    key: Key


class Keys:
    """The keys of a database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, key: Key) -> tuple[str, Key]:
        """Make a key; `id` and `created` are filled in. The secret is given here and never again.

        Raises:
            Conflict: there is a good key of this name.
            UserError: from the database.
        """
        secret = MARK + secrets.token_urlsafe(32)
        made = replace(key, id=f"key-{hashed(secret)[:10]}", created=_now(), revoked=None)
        with self._db.begin() as connection:
            same = (access_keys.c.name == key.name) & access_keys.c.revoked.is_(None)
            if connection.scalar(sa.select(access_keys.c.id).where(same)):
                raise Conflict(f"There is a key {key.name!r} already. Name this one otherwise, or revoke that one.")
            row = {"id": made.id, "hash": hashed(secret), "name": made.name, "created": made.created}
            connection.execute(sa.insert(access_keys), {**row, "revoked": None, "body": _body(made)})
        return secret, made

    def all(self) -> Sequence[Held]:
        """Every key there ever was, oldest first."""
        with self._db.reading() as connection:
            rows = connection.execute(sa.select(access_keys).order_by(access_keys.c.created, access_keys.c.id)).all()
        return [Held(row.hash, _key(row)) for row in rows]

    def revoke(self, name: str) -> Key:
        """Make a key bad for good; by id, its beginning, or name.

        Raises:
            NotFound, Conflict: no good key, or several, are meant.
        """
        good = [held.key for held in self.all() if held.key.revoked is None]
        meant = [key for key in good if name in (key.id, key.name)] or [key for key in good if key.id.startswith(name)]
        if len(meant) != 1:
            raise _unclear(name, meant)
        gone = replace(meant[0], revoked=_now())
        with self._db.begin() as connection:
            mine = access_keys.c.id == gone.id
            connection.execute(sa.update(access_keys).where(mine).values(revoked=gone.revoked))
        return gone

    def spent(self, at: datetime) -> dict[str, dict[Period, Amount]]:
        """What was spent on each key in the day and month of `at` and ever."""
        named = {text: period for period, text in periods(at).items()}
        with self._db.reading() as connection:
            rows = connection.execute(sa.select(spends).where(spends.c.period.in_(named))).all()
        found: dict[str, dict[Period, Amount]] = {}
        for row in rows:
            amount = Amount(row.calls, row.prompt_tokens, row.completion_tokens, row.nano)
            found.setdefault(row.key, {})[named[row.period]] = amount
        return found


def hashed(secret: str) -> str:
    """What stands for a key wherever it is kept. A plain hash will do: a key is 256 random bits, which no dictionary
    holds and no machine can try out."""
    return hashlib.sha256(secret.encode()).hexdigest()


def periods(at: datetime) -> dict[Period, str]:
    """The names of the periods that a moment belongs to."""
    day = at.astimezone(UTC).date().isoformat()
    return {"day": day, "month": day[:7], "ever": ""}


def plain(held: Held) -> dict[str, Any]:
    """A key as JSON: what `from_plain` reads."""
    key = held.key
    return {"hash": held.hash, **{part.name: getattr(key, part.name) for part in fields(key)}}


def from_plain(data: dict[str, Any]) -> Held:
    """Raises: TypeError, LookupError: the data is of another form."""
    parts = {**data, "models": tuple(data["models"])}
    return Held(parts.pop("hash"), Key(**parts))


_COLUMNS = ("id", "name", "created", "revoked")


def _body(key: Key) -> str:
    return canonical({part.name: getattr(key, part.name) for part in fields(key) if part.name not in _COLUMNS}).decode()


def _key(row: sa.Row[Any]) -> Key:
    body = orjson.loads(row.body)
    columns = {name: getattr(row, name) for name in _COLUMNS}
    return Key(**columns, **{**body, "models": tuple(body["models"])})


def _unclear(name: str, meant: Sequence[Key]) -> NotFound | Conflict:
    if not meant:
        return NotFound(f"There is no good key {name!r}. `preceptor keys list` shows them.")
    return Conflict(f"{name!r} may be {', '.join(key.id for key in meant)}. Give more of the id.")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
