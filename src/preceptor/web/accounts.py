"""Accounts of the review: who may sign in, with which role; and sessions, which are kept here and not in the browser.

Promises: a password is kept as its argon2id hash only, a session as a hash of the cookie's value; whoever is removed or
given another role has it at their next click.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import Lock
from typing import Any

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from preceptor.errors import Conflict, NotFound, UserError
from preceptor.storage.database import Database
from preceptor.web import tables
from preceptor.web.people import Person, Role

SHORTEST = 12
"""Letters of a password: with argon2's cost, more than a stolen database gives up to guessing."""
LONGEST = 1024
"""So that hashing one cannot be made to take long."""
NAME = 100


@dataclass(frozen=True)
class Account:
    name: str
    role: Role
    password: bool
    """Can sign in here; otherwise through a proxy only."""
    created: str
    """ISO 8601, UTC."""


class Accounts:
    """The accounts of a database."""

    def __init__(self, db: Database, hasher: PasswordHasher | None = None) -> None:
        self._db = db
        self._hasher = hasher or PasswordHasher()
        self._hashing = Lock()

    @cached_property
    def _nobody(self) -> str:
        """A hash that no password has, for names that are none."""
        return self._hasher.hash(secrets.token_hex())

    def add(self, name: str, role: Role, password: str | None) -> Account:
        """Make an account; without a password its person comes through a proxy.

        Raises:
            Conflict: there is one of this name.
            UserError: the name or the password will not do.
        """
        name = _checked(name)
        kept = None if password is None else self._hashed(password)
        made = datetime.now(UTC).isoformat(timespec="seconds")
        with self._db.begin() as connection:
            if _row(connection, name) is not None:
                raise Conflict(
                    f"There is an account {name!r} already. `preceptor accounts role` gives it another role."
                )
            row = {"name": name, "role": role, "password": kept, "created": made}
            connection.execute(sa.insert(tables.accounts), row)
        return Account(name, role, kept is not None, made)

    def all(self) -> Sequence[Account]:
        """By name."""
        with self._db.reading() as connection:
            rows = connection.execute(sa.select(tables.accounts).order_by(tables.accounts.c.name)).all()
        return [_account(row) for row in rows]

    def get(self, name: str) -> Account | None:
        with self._db.reading() as connection:
            row = _row(connection, name)
        return None if row is None else _account(row)

    def set_role(self, name: str, role: Role) -> None:
        """Raises: NotFound: no such account."""
        self._change(name, {"role": role})

    def set_password(self, name: str, password: str) -> None:
        """Give a new password, and end all sessions begun with the old one.

        Raises:
            NotFound: no such account.
            UserError: the password will not do.
        """
        self._change(name, {"password": self._hashed(password)}, ends=True)

    def remove(self, name: str) -> None:
        """The account and its sessions; what was done under its name stays in the trail.

        Raises:
            NotFound: no such account.
        """
        with self._db.begin() as connection:
            _found(connection, name)
            _end(connection, name)
            connection.execute(sa.delete(tables.accounts).where(tables.accounts.c.name == name))

    def check(self, name: str, password: str) -> Account | None:
        """The account, if the password is its own. Takes as long whether or not there is such an account."""
        with self._db.reading() as connection:
            row = _row(connection, name)
        known = row is not None and row.password is not None
        try:
            # One at a time: each takes 64 MiB, and whoever is not signed in can ask for it.
            with self._hashing:
                self._hasher.verify(row.password if known else self._nobody, password[:LONGEST])
        except (VerificationError, InvalidHashError):
            return None
        return _account(row) if known else None

    def begin(self, account: str, lasting: timedelta) -> str:
        """Begin a session; its cookie's value."""
        value, now = secrets.token_urlsafe(32), datetime.now(UTC)
        row = {"hash": _hash(value), "account": account, "expires": (now + lasting).isoformat(timespec="seconds")}
        with self._db.begin() as connection:
            past = tables.sessions.c.expires <= now.isoformat(timespec="seconds")
            connection.execute(sa.delete(tables.sessions).where(past))
            connection.execute(sa.insert(tables.sessions), row)
        return value

    def person(self, value: str) -> Person | None:
        """Who is signed in with a cookie's value; None: nobody, or no longer."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        both = tables.sessions.join(tables.accounts)
        mine = (tables.sessions.c.hash == _hash(value)) & (tables.sessions.c.expires > now)
        with self._db.reading() as connection:
            wanted = sa.select(tables.accounts.c.name, tables.accounts.c.role).select_from(both).where(mine)
            row = connection.execute(wanted).first()
        return None if row is None else Person(row.name, row.role, leaves=True)

    def end(self, value: str) -> None:
        """End a session."""
        with self._db.begin() as connection:
            connection.execute(sa.delete(tables.sessions).where(tables.sessions.c.hash == _hash(value)))

    def _change(self, name: str, values: dict[str, Any], *, ends: bool = False) -> None:
        with self._db.begin() as connection:
            _found(connection, name)
            if ends:
                _end(connection, name)
            mine = tables.accounts.c.name == name
            connection.execute(sa.update(tables.accounts).where(mine).values(values))

    def _hashed(self, password: str) -> str:
        if len(password) < SHORTEST:
            raise UserError(f"A password needs at least {SHORTEST} characters. A few unrelated words do well.")
        if len(password) > LONGEST:
            raise UserError(f"A password may have at most {LONGEST:,} characters.")
        return self._hasher.hash(password)


def _checked(name: str) -> str:
    name = name.strip()
    if not name or len(name) > NAME or not name.isprintable():
        raise UserError(f"{name[:NAME]!r} cannot be a name. Give 1 to {NAME} letters that can be seen.")
    return name


def _row(connection: sa.Connection, name: str) -> Any:
    return connection.execute(sa.select(tables.accounts).where(tables.accounts.c.name == name)).first()


def _found(connection: sa.Connection, name: str) -> Any:
    row = _row(connection, name)
    if row is None:
        raise NotFound(f"There is no account {name!r}. `preceptor accounts list` shows them.")
    return row


def _end(connection: sa.Connection, name: str) -> None:
    connection.execute(sa.delete(tables.sessions).where(tables.sessions.c.account == name))


def _account(row: Any) -> Account:
    return Account(row.name, row.role, row.password is not None, row.created)


def _hash(value: str) -> str:
    """A plain hash will do: a session is 256 random bits."""
    return hashlib.sha256(value.encode()).hexdigest()
