"""The ledger: every call of a run is a row, written before it is sent and finished with its reply.

A reply is handed on as soon as it is there, and its row written behind it: writes keep their order, so whatever is sent
because of a reply is on disk after it. In flight, then, is what was sent and whose reply is not on disk yet.

Rows are keyed by a hash of role, model and request, so that a run that is resumed asks again, is answered from here,
and sends only what was in flight when it ended (marked `resent`). Identical requests at the same time share one call.
A refusal of the request itself, or a reply that could not be used, is an outcome like any other: a resumed run decides
the same way. A server that was away, a key that was refused or a stop is none.

Tokens and cost of a row are what was *charged*: real usage where it is known, the worst case of attempts whose usage
nobody can know. They start the budget of a resumed run, so that it holds over kills too.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
import sqlalchemy as sa

from preceptor.errors import BadReply, Garbled, PreceptorError, Rejected
from preceptor.llm.messages import Message, Reply, Request, ToolCall, Usage
from preceptor.llm.model import Model
from preceptor.llm.prices import NOTHING, Amount
from preceptor.storage.canonical import canonical
from preceptor.storage.database import Database, metadata

State = Literal["sent", "done", "failed"]

_SENT = sa.text("state = 'sent'")

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("run", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("model", sa.String, nullable=False),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("reply", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("prompt_tokens", sa.Integer, nullable=False),
    sa.Column("completion_tokens", sa.Integer, nullable=False),
    sa.Column("cost_nano", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("resent", sa.Integer, nullable=False),
    sa.Column("sent_at", sa.String, nullable=False),
    sa.Column("finished_at", sa.String),
    sa.Column("owner", sa.String),
    sa.Index("ix_calls_sent", "run", "owner", sqlite_where=_SENT, postgresql_where=_SENT),
)

_LOADED = (
    "key",
    "role",
    "state",
    "reply",
    "error",
    "prompt_tokens",
    "completion_tokens",
    "cost_nano",
    "attempts",
    "resent",
)


@dataclass
class _Entry:
    role: str
    state: State
    charged: Amount = NOTHING
    reply: str | None = None
    error: str | None = None
    resent: int = 0
    in_flight: bool = False
    """Sent by this process and not yet settled."""


class Known(Exception):
    """No call is needed: another process has made it meanwhile. Not for callers: `Ledgered` gives them the outcome."""

    def __init__(self, end: Reply | PreceptorError) -> None:
        self.end = end


@dataclass
class Total:
    """What a role has used in a run."""

    calls: int = 0
    """Requests that were answered or given up; `charged.calls` counts their attempts."""
    charged: Amount = NOTHING
    resent: int = 0


class Ledger:
    """The calls of one run. Everything finished is in memory: a replay reads nothing from disk."""

    def __init__(self, db: Database, run: str) -> None:
        """Load a run's rows (none: a new run)."""
        self._db = db
        self._run = run
        self._entries: dict[str, _Entry] = {}
        self.flights: dict[str, asyncio.Future[Reply]] = {}
        self._totals: dict[str, Total] = {}
        self._fault: BaseException | None = None
        self._load()

    @property
    def totals(self) -> Mapping[str, Total]:
        """By role."""
        return self._totals

    @property
    def charged(self) -> Amount:
        """Over all roles: where a resumed budget starts."""
        return sum((total.charged for total in self._totals.values()), NOTHING)

    def account(self, role: str, model: str) -> "Account":
        return Account(self, role, model)

    def _load(self) -> None:
        self.flush()
        columns = [calls.c[name] for name in _LOADED]
        with self._db.reading() as connection:
            for row in connection.execute(sa.select(*columns).where(calls.c.run == self._run)):
                charged = Amount(row.attempts, row.prompt_tokens, row.completion_tokens, row.cost_nano)
                entry = _Entry(row.role, row.state, charged, row.reply, row.error, row.resent)
                self._entries[row.key] = entry
                total = self._total(row.role)
                total.charged += charged
                total.calls += entry.state != "sent" and charged.calls > 0
                total.resent += entry.resent

    def flush(self) -> None:
        """Wait until everything is on disk; takes as long as a commit. Raises: UserError: it could not be written."""
        self._db.submit(lambda _: None).result()
        self._check()

    async def written(self) -> None:
        """`flush` without holding up the event loop."""
        await self._db.write(lambda _: None)
        self._check()

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _total(self, role: str) -> Total:
        return self._totals.setdefault(role, Total())

    def outcome(self, key: str) -> Reply | PreceptorError | None:
        """How a call ended, if it has."""
        entry = self._entries.get(key)
        return None if entry is None else read_end(entry.reply, entry.error)

    async def sending(self, key: str, account: "Account", request: Request, worst: Amount) -> None:
        """Write down that a call is about to be made, and what it may cost.

        Raises:
            Known: it was made by another process.
            UserError, Conflict: it cannot be written.
        """
        self._check()
        entry = self._entries.get(key)
        known = entry is not None
        if entry is None:
            entry = _Entry(account.role, "sent")
        elif entry.state == "sent" and not entry.in_flight:
            entry.resent += 1
            self._total(entry.role).resent += 1
        entry.state, entry.in_flight = "sent", True
        entry.charged += worst
        row = self._row(key, entry)
        if not known:
            row |= {"role": account.role, "model": account.model, "request": canonical(request).decode()}
        written = self._db.submit(lambda connection: connection.execute(_AGAIN if known else _FIRST, row))
        try:
            await asyncio.wrap_future(written)
        except asyncio.CancelledError:
            if not written.cancel():
                # The row is there all the same, or will be; whoever asks next must know.
                self._entries[key] = entry
                written.add_done_callback(self._written)
            raise
        except PreceptorError as fault:
            # The row may be there all the same: a disk can fail after it has taken a commit. Only a resumed run knows.
            self._fault = self._fault or fault
            raise
        self._entries[key] = entry

    def settled(self, key: str, worst: Amount, used: Amount) -> None:
        if entry := self._entries.get(key):
            entry.charged += used - worst
            self._total(entry.role).charged += used

    def finish(self, key: str, end: Reply | PreceptorError) -> None:
        """Write down how a call ended; nothing if it was never sent."""
        entry = self._entries.get(key)
        if entry is None or not entry.in_flight:
            return
        entry.in_flight = False
        self._total(entry.role).calls += entry.charged.calls > 0
        entry.state, entry.reply, entry.error = written_end(end)
        row = self._row(key, entry) | {"b_reply": entry.reply, "b_error": entry.error}
        written = self._db.submit(lambda connection: connection.execute(_FINISH, row), urgent=False)
        written.add_done_callback(self._written)

    def leave(self, key: str) -> None:
        """A call is broken off. What came of it nobody knows, so it stays in flight until a resumed run asks again."""

    def _written(self, future: "Future[Any]") -> None:
        """Keep the first fault for whoever sends next: without a ledger nothing may be sent."""
        self._fault = self._fault or future.exception()

    def _row(self, key: str, entry: _Entry) -> dict[str, Any]:
        return {
            "b_run": self._run,
            "b_key": key,
            "b_state": entry.state,
            "b_prompt": entry.charged.prompt_tokens,
            "b_completion": entry.charged.completion_tokens,
            "b_nano": entry.charged.nano,
            "b_attempts": entry.charged.calls,
            "b_resent": entry.resent,
            "b_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }


@dataclass(frozen=True)
class Account:
    """A role's calls to one model in a ledger: the `Book` that `Budgeted` writes to."""

    ledger: Ledger
    role: str
    model: str

    def key(self, request: Request) -> str:
        digest = hashlib.sha256(canonical([self.role, self.model]))
        digest.update(canonical(request))
        return digest.hexdigest()

    async def sending(self, request: Request, worst: Amount) -> None:
        await self.ledger.sending(self.key(request), self, request, worst)

    def settled(self, request: Request, worst: Amount, used: Amount) -> None:
        self.ledger.settled(self.key(request), worst, used)


class Ledgered:
    """Answers from the ledger what it knows; asks the model, once, what it does not.

    The model below must write each sending to the same account (`Budgeted` does).
    """

    def __init__(self, model: Model, account: Account) -> None:
        self._model = model
        self._account = account
        self._ledger = account.ledger

    @property
    def name(self) -> str:
        return self._model.name

    async def ask(self, request: Request) -> Reply:
        """Raises: as the model, and again as it did when that outcome is recorded."""
        key = self._account.key(request)
        while True:
            if (end := self._ledger.outcome(key)) is not None:
                return _tell(end)
            if (flight := self._ledger.flights.get(key)) is None:
                return await self._lead(key, request)
            await asyncio.wait([flight])
            if not flight.cancelled():
                return flight.result()

    async def _lead(self, key: str, request: Request) -> Reply:
        flight = self._ledger.flights[key] = asyncio.get_running_loop().create_future()
        try:
            reply = await self._send(key, request)
        except asyncio.CancelledError:
            self._ledger.leave(key)
            flight.cancel()
            raise
        except BaseException as fault:
            flight.set_exception(fault)
            # Nobody may be waiting; that is no reason for asyncio to complain about an exception never looked at.
            flight.exception()
            raise
        else:
            flight.set_result(reply)
            return reply
        finally:
            del self._ledger.flights[key]

    async def _send(self, key: str, request: Request) -> Reply:
        try:
            reply = await self._model.ask(request)
        except Known as known:
            return _tell(known.end)
        except PreceptorError as fault:
            self._ledger.finish(key, fault)
            raise
        self._ledger.finish(key, reply)
        return reply


_BOUND: Mapping[str, Any] = {
    "state": sa.bindparam("b_state"),
    "prompt_tokens": sa.bindparam("b_prompt"),
    "completion_tokens": sa.bindparam("b_completion"),
    "cost_nano": sa.bindparam("b_nano"),
    "attempts": sa.bindparam("b_attempts"),
    "resent": sa.bindparam("b_resent"),
    "owner": None,
}
_THIS = (calls.c.run == sa.bindparam("b_run")) & (calls.c.key == sa.bindparam("b_key"))
_FIRST = sa.insert(calls).values(
    run=sa.bindparam("b_run"),
    key=sa.bindparam("b_key"),
    role=sa.bindparam("role"),
    model=sa.bindparam("model"),
    request=sa.bindparam("request"),
    sent_at=sa.bindparam("b_at"),
    **_BOUND,
)
_AGAIN = sa.update(calls).where(_THIS).values(sent_at=sa.bindparam("b_at"), **_BOUND)
_FINISH = (
    sa.update(calls)
    .where(_THIS)
    .values(reply=sa.bindparam("b_reply"), error=sa.bindparam("b_error"), finished_at=sa.bindparam("b_at"), **_BOUND)
)


def charged(db: Database, run: str) -> Amount:
    """What a run has used, over all roles, without its calls being read. Raises: UserError: from the database."""
    db.submit(lambda _: None).result()
    counted = (calls.c.attempts, calls.c.prompt_tokens, calls.c.completion_tokens, calls.c.cost_nano)
    sums = sa.select(*(sa.func.coalesce(sa.func.sum(column), 0) for column in counted)).where(calls.c.run == run)
    with db.reading() as connection:
        return Amount(*map(int, connection.execute(sums).one()))


def read_end(reply: str | None, error: str | None) -> Reply | PreceptorError | None:
    """How a call ended, from its row; None: it has not, or is to be made again."""
    return _read_reply(reply) if reply is not None else _read_error(error)


def written_end(end: Reply | PreceptorError) -> tuple[State, str | None, str | None]:
    """A row's state, reply and error."""
    if isinstance(end, Reply):
        return "done", canonical(end).decode(), None
    return "failed", None, _write_error(end)


def _tell(end: Reply | PreceptorError) -> Reply:
    if isinstance(end, PreceptorError):
        raise end
    return end


def _read_reply(text: str) -> Reply:
    raw = orjson.loads(text)
    message = raw["message"]
    return Reply(
        Message(
            message["role"],
            message["content"],
            tuple(ToolCall(**call) for call in message["tool_calls"]),
            message["tool_call_id"],
        ),
        Usage(**raw["usage"]),
        raw["finish"],
        raw["thinking"],
        tuple(raw["notes"]),
        raw.get("seconds", 0.0),
        raw.get("nano", 0),
    )


def _write_error(fault: PreceptorError) -> str:
    about = {"status": fault.status, "param": fault.param} if isinstance(fault, Rejected) else {}
    return canonical({"kind": type(fault).__name__, "message": str(fault), **about}).decode()


def _read_error(text: str | None) -> PreceptorError | None:
    """The outcome an error is, or None when the call is to be made again."""
    raw = orjson.loads(text or "{}")
    if raw.get("kind") in (BadReply.__name__, Garbled.__name__):
        return BadReply(raw["message"])
    if raw.get("kind") == Rejected.__name__:
        return Rejected(raw["message"], raw["status"], raw["param"])
    return None
