"""One run's calls, budget and pace, kept by several processes at once, on a shared PostgreSQL.

Promises:

- A call is made by one process at a time. Its row says whose it is (`owner`); who finds another's waits for it, and
  takes it over, marked `resent`, once that process shows no sign of life.
- What a call may cost is set aside in the transaction that writes its row (`charges`), so the budget holds over all
  processes, and whoever is killed leaves no hole in it: the sum of the rows is what is charged, always.
- A run that is closed to others (`Purse.close`) is sent no further call of theirs, from that moment on.
- An outcome once written is never replaced.

Nothing finished is kept in memory, so a process at a run of millions of calls needs no more than one at a small run.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from preceptor.errors import BudgetExhausted, PreceptorError, Stopped
from preceptor.llm.budget import Budget
from preceptor.llm.ledger import Account, Known, Ledger, Total, calls, read_end, written_end
from preceptor.llm.messages import Reply, Request
from preceptor.llm.prices import NOTHING, Amount, to_nano
from preceptor.storage.canonical import canonical
from preceptor.storage.database import Database, metadata

LOOK = 0.5
"""Seconds between two looks at what another process is to bring: a reply, or a place in the budget."""

purses = sa.Table(
    "purses",
    metadata,
    sa.Column("run", sa.String, primary_key=True),
    sa.Column("open", sa.Boolean, nullable=False),
    sa.Column("crew", sa.Text, nullable=False),
    sa.Column("calls", sa.BigInteger),
    sa.Column("tokens", sa.BigInteger),
    sa.Column("nano", sa.BigInteger),
)

charges = sa.Table(
    "charges",
    metadata,
    sa.Column("run", sa.String, primary_key=True),
    sa.Column("role", sa.String, primary_key=True),
    sa.Column("answered", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.BigInteger, nullable=False),
    sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
    sa.Column("completion_tokens", sa.BigInteger, nullable=False),
    sa.Column("nano", sa.BigInteger, nullable=False),
    sa.Column("resent", sa.BigInteger, nullable=False),
)

paces = sa.Table(
    "paces",
    metadata,
    sa.Column("place", sa.String, primary_key=True),
    sa.Column("next", sa.Float, nullable=False),
)

Alive = Callable[[sa.Connection, str], bool]
"""Whether the process of this name has lately shown a sign of life."""


@dataclass(frozen=True)
class Purse:
    """What a run may use, kept where all its processes see it."""

    db: Database
    run: str

    def open(self, budget: Budget, elsewhere: Amount, crew: str) -> None:
        """Let other processes take part, within what `budget` leaves beside what is used `elsewhere`.

        `crew`: what they must have in common with the one that leads.
        """
        bounds = {
            "calls": _rest(budget.calls, elsewhere.calls),
            "tokens": _rest(budget.tokens, elsewhere.tokens),
            "nano": _rest(None if budget.money is None else to_nano(budget.money), elsewhere.nano),
        }
        sums = sa.select(
            calls.c.run,
            calls.c.role,
            sa.func.count().filter((calls.c.state != "sent") & (calls.c.attempts > 0)),
            *(sa.func.sum(calls.c[name]) for name in ("attempts", "prompt_tokens", "completion_tokens", "cost_nano")),
            sa.func.sum(calls.c.resent),
        )
        columns = [column.name for column in charges.columns]
        with self.db.begin() as connection:
            connection.execute(purses.delete().where(purses.c.run == self.run))
            connection.execute(purses.insert(), {"run": self.run, "open": True, "crew": crew, **bounds})
            connection.execute(charges.delete().where(charges.c.run == self.run))
            mine = sums.where(calls.c.run == self.run).group_by(calls.c.run, calls.c.role)
            connection.execute(charges.insert().from_select(columns, mine))

    def close(self) -> None:
        """Nobody else makes a call for this run any more, beyond what is in flight."""
        with self.db.begin() as connection:
            connection.execute(purses.update().where(purses.c.run == self.run).values(open=False))

    @property
    def crew(self) -> str | None:
        """What processes must have in common to take part; None: the run is closed to them."""
        with self.db.reading() as connection:
            return connection.scalar(sa.select(purses.c.crew).where(purses.c.run == self.run, purses.c.open))

    async def totals(self) -> dict[str, Total]:
        """By role, over all processes. What is in flight counts as the most it can use."""
        return await self.db.read(partial(_totals, run=self.run))


def _rest(bound: int | None, used: int) -> int | None:
    return None if bound is None else max(0, bound - used)


def _totals(connection: sa.Connection, run: str) -> dict[str, Total]:
    rows = connection.execute(sa.select(charges).where(charges.c.run == run))
    return {
        row.role: Total(
            row.answered, Amount(row.attempts, row.prompt_tokens, row.completion_tokens, row.nano), row.resent
        )
        for row in rows
    }


_Refusal = Literal["closed", "elsewhere"]


@dataclass(frozen=True)
class _Short:
    """A call that the budget does not cover."""

    reason: str
    others: bool
    """Somebody else has calls in flight, which may turn out to cost less."""


@dataclass
class _Sent:
    """A call of this process."""

    owner: str
    owed: Amount = NOTHING
    """Used beyond what its row says; less than nothing once it has turned out cheaper than its worst case."""


class SharedLedger(Ledger):
    """The calls of one run, of which this process makes some."""

    def __init__(self, db: Database, run: str, owner: Callable[[], str], alive: Alive) -> None:
        """`owner`: the name this process goes by at the moment. The run's purse must be open."""
        self._mine: dict[str, _Sent] = {}
        self._owner = owner
        self._alive = alive
        self._looking = asyncio.Lock()
        super().__init__(db, run)

    def _load(self) -> None:
        with self._db.reading() as connection:
            self._totals = _totals(connection, self._run)

    @property
    def charged(self) -> Amount:
        """Nothing: the budget of all processes is kept in the run's purse."""
        return NOTHING

    async def refresh(self) -> None:
        """Bring `totals` up to date with what other processes have done."""
        self._totals = await Purse(self._db, self._run).totals()

    def outcome(self, key: str) -> Reply | PreceptorError | None:
        """Nothing is known here: what is on disk is found when a call is about to be made."""
        return None

    async def sending(self, key: str, account: Account, request: Request, worst: Amount) -> None:
        """Raises:
        Known: the call was made already.
        Stopped: the run is closed to this process.
        BudgetExhausted: it does not fit, and nothing is outstanding anywhere that could make room.
        """
        text = canonical(request).decode()
        while True:
            self._check()
            sent = self._mine.get(key) or _Sent(self._owner())
            claiming = self._db.submit(partial(self._claim, key, sent, account, text, worst))
            try:
                claim = await asyncio.wrap_future(claiming)
            except asyncio.CancelledError:
                self._mine.pop(key, None)
                claiming.cancel()
                claiming.add_done_callback(partial(self._give_back, key, sent, worst))
                raise
            match claim:
                case None:
                    self._mine[key] = replace(sent, owed=NOTHING)
                    return
                case "elsewhere":
                    self._mine.pop(key, None)
                    await asyncio.sleep(LOOK)
                case "closed":
                    raise self._given_up(key, Stopped("The run is no longer open to workers."))
                case _Short():
                    if not claim.others and not self._mine.keys() - {key}:
                        raise self._given_up(key, BudgetExhausted(claim.reason))
                    async with self._looking:
                        await asyncio.sleep(LOOK)
                case _:
                    self._mine.pop(key, None)
                    raise Known(claim)

    def _give_back(self, key: str, sent: _Sent, worst: Amount, claiming: "Future[Any]") -> None:
        """Nobody waits for a claim any more, and its call is not sent; others would wait for that as long as this
        process lives."""
        claimed = not claiming.cancelled() and claiming.exception() is None and claiming.result() is None
        left = replace(sent, owed=NOTHING - worst) if claimed else sent
        self._submit_end(key, left, Stopped("Broken off before it was sent."))

    def _given_up(self, key: str, why: Stopped) -> Stopped:
        """A call that was tried before is not tried again."""
        self.finish(key, why)
        return why

    def leave(self, key: str) -> None:
        self.finish(key, Stopped("Given up, because another call failed."))

    def _claim(
        self, key: str, sent: _Sent, account: Account, request: str, worst: Amount, connection: sa.Connection
    ) -> _Refusal | _Short | Reply | PreceptorError | None:
        """Take a call; None: it is ours now, to be made. In a transaction, in which nobody else writes."""
        # In few statements: while they go there and back, everybody else waits.
        this = (calls.c.run == self._run) & (calls.c.key == key)
        columns = (calls.c.key, calls.c.state, calls.c.owner, calls.c.reply, calls.c.error)
        both = sa.select(purses, *columns).select_from(purses.outerjoin(calls, this))
        row = connection.execute(both.where(purses.c.run == self._run)).first()
        if row is None or not row.open:
            return "closed"
        in_flight = row.state == "sent"
        again = in_flight and row.owner == sent.owner and key in self._mine
        if row.key is not None:
            if (end := read_end(row.reply, row.error)) is not None:
                return end
            if in_flight and not again and row.owner and self._alive(connection, row.owner):
                return "elsewhere"
        more = sent.owed + worst
        if short := self._short(connection, row, more):
            return _Short(short, self._others(connection))
        resent = int(in_flight and not again)
        now = {"state": "sent", "owner": sent.owner, "sent_at": _now()}
        if row.key is None:
            first = {"run": self._run, "key": key, "role": account.role, "model": account.model, "request": request}
            written: sa.Insert | sa.Update = calls.insert().values(first | now | {"resent": 0} | _counted(more))
        else:
            grown = {"resent": calls.c.resent + resent} | _grown(calls, more)
            written = calls.update().where(this).values(now | grown)
        made = written.returning(calls.c.key).cte("made")
        connection.execute(self._charge(account.role, more, resent=resent).add_cte(made))
        return None

    def _short(self, connection: sa.Connection, purse: Any, more: Amount) -> str:
        """What is missing for a call, in words; empty when it fits."""
        bounds = (purse.calls, purse.tokens, purse.nano)
        if bounds == (None, None, None):
            return ""
        used = sum((total.charged for total in _totals(connection, self._run).values()), NOTHING)
        need = used + more
        for what, bound, needed in zip(
            ("calls", "tokens", "money"), bounds, (need.calls, need.tokens, need.nano), strict=True
        ):
            if bound is not None and needed > bound:
                return f"What is left of the budget ({what}) may not cover the next call, over all workers of the run."
        return ""

    def _others(self, connection: sa.Connection) -> bool:
        """Has any other process that lives calls in flight?"""
        sent = sa.select(calls.c.owner).distinct().where(calls.c.run == self._run, calls.c.state == "sent")
        owners = {owner for owner in connection.scalars(sent) if owner} - {
            one.owner for one in list(self._mine.values())
        }
        return any(self._alive(connection, owner) for owner in owners)

    def _charge(self, role: str, more: Amount, *, answered: int = 0, resent: int = 0) -> sa.Insert:
        row = {
            "run": self._run,
            "role": role,
            "answered": answered,
            "attempts": more.calls,
            "prompt_tokens": more.prompt_tokens,
            "completion_tokens": more.completion_tokens,
            "nano": more.nano,
            "resent": resent,
        }
        new = insert(charges).values(row)
        grown = {name: charges.c[name] + new.excluded[name] for name in row if name not in ("run", "role")}
        return new.on_conflict_do_update(index_elements=["run", "role"], set_=grown)

    def settled(self, key: str, worst: Amount, used: Amount) -> None:
        if sent := self._mine.get(key):
            sent.owed += used - worst

    def finish(self, key: str, end: Reply | PreceptorError) -> None:
        """Write down how a call ended, unless somebody else has taken it over; nothing if it was never sent."""
        if (sent := self._mine.pop(key, None)) is not None:
            self._submit_end(key, sent, end)

    def _submit_end(self, key: str, sent: _Sent, end: Reply | PreceptorError) -> None:
        written = self._db.submit(partial(self._end, key, sent, end), urgent=False)
        written.add_done_callback(self._written)

    def _end(self, key: str, sent: _Sent, end: Reply | PreceptorError, connection: sa.Connection) -> None:
        this = (calls.c.run == self._run) & (calls.c.key == key)
        mine = (calls.c.state == "sent") & (calls.c.owner == sent.owner)
        state, reply, error = written_end(end)
        ended = {"state": state, "reply": reply, "error": error, "finished_at": _now()}
        values = {
            name: sa.case((mine, sa.literal(value, calls.c[name].type)), else_=calls.c[name])
            for name, value in ended.items()
        }
        kept = (calls.c.state == state) & (calls.c.owner == sent.owner) & (calls.c.finished_at == ended["finished_at"])
        change = calls.update().where(this).values(values | _grown(calls, sent.owed)).returning(calls.c.role, kept)
        for role, ours in connection.execute(change).all():
            connection.execute(self._charge(role, sent.owed, answered=int(bool(ours))))


def _counted(amount: Amount) -> dict[str, int]:
    return {
        "attempts": amount.calls,
        "prompt_tokens": amount.prompt_tokens,
        "completion_tokens": amount.completion_tokens,
        "cost_nano": amount.nano,
    }


def _grown(table: sa.Table, by: Amount) -> dict[str, Any]:
    return {name: table.c[name] + count for name, count in _counted(by).items()}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class SharedTurns:
    """The turns at one endpoint of all processes at a database, by the server's clock."""

    db: Database
    place: str

    async def take(self, spacing: float) -> float:
        return await self.db.write(partial(self._take, spacing))

    def _take(self, spacing: float, connection: sa.Connection) -> float:
        now: float = connection.scalar(sa.select(sa.extract("epoch", sa.func.clock_timestamp()).cast(sa.Float))) or 0.0
        new = insert(paces).values(place=self.place, next=now + spacing)
        later = sa.func.greatest(paces.c.next, now) + spacing
        mine = new.on_conflict_do_update(index_elements=["place"], set_={"next": later}).returning(paces.c.next)
        return float(connection.scalar(mine) or now) - spacing - now
