"""Keys as the gateway goes by them: in memory, kept up to date from the database.

Promises: nothing in the path of a request waits for the database; what is added, revoked or spent elsewhere is in force
here within a second or two; while the database cannot be read, known keys stay good and unknown ones are told to come
back later, never that they are wrong. What was last read is kept in a file, so that this holds for a gateway that is
started meanwhile, too.
"""

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import anyio.to_thread
import orjson

from preceptor.errors import NotFound, PreceptorError
from preceptor.llm.messages import Usage
from preceptor.llm.prices import FREE, NOTHING, Amount, Price
from preceptor.serving.access import Caller
from preceptor.serving.keys import Held, Keys, Period, from_plain, hashed, periods, plain
from preceptor.serving.refusals import Refused
from preceptor.serving.spending import Spending
from preceptor.storage.canonical import canonical
from preceptor.storage.database import Database

EVERY = 1.0
"""Seconds between two readings of the keys; what was spent is written as often."""
FRESH = 5.0
"""Seconds for which what was last read is taken for the truth about a key that is not in it."""
MINUTE = 60.0


class Source(Protocol):
    """Where the database is had from. Called in threads, one at a time."""

    def database(self) -> Database:
        """Raises: PreceptorError: it cannot be used."""

    def close(self) -> None: ...


@dataclass
class _Ring:
    """A good key and what is known of its use."""

    held: Held
    caller: Caller
    spent: Amount = NOTHING
    """In the current period, as the database and this process know it."""
    times: deque[float] = field(default_factory=deque)
    """When requests of the last minute came, on the monotonic clock; only kept where they are bounded."""

    def admit(self, now: float) -> Caller:
        """Raises: Refused: spent up, or too often."""
        key = self.held.key
        if (key.nano is not None and self.spent.nano >= key.nano) or (
            key.tokens is not None and self.spent.tokens >= key.tokens
        ):
            until = "" if key.period == "ever" else f" until the {key.period} is over (UTC)"
            raise Refused(
                429,
                f"What the key {key.name!r} may spend is spent{until}.",
                code="insufficient_quota",
                headers={"x-should-retry": "false"},
            )
        if key.per_minute is not None:
            self._count(now, key.per_minute)
        return self.caller

    def _count(self, now: float, most: int) -> None:
        times = self.times
        while times and times[0] <= now - MINUTE:
            times.popleft()
        if len(times) >= most:
            wait = f"{max(1, round(times[0] + MINUTE - now + 0.5))}"
            raise Refused(
                429,
                f"The key {self.held.key.name!r} may ask {most} times a minute. Try again in {wait} s.",
                code="rate_limit_exceeded",
                headers={"retry-after": wait},
            )
        times.append(now)


class Keyring:
    """Admits by key."""

    def __init__(
        self,
        source: Source,
        folder: Path,
        prices: Mapping[str, Price] | None = None,
        open_to: Caller | None = None,
        fresh: float = FRESH,
    ) -> None:
        """`source`: only this uses it. `folder`: for the journal and the copy
        of the keys. `prices`: by upstream. `open_to`: who everybody is while no key was ever made; None: nobody is
        admitted without one. `fresh`: seconds for which what was last read is taken for the truth about a key that is
        not in it."""
        self._source = source
        self._copy = folder / "keys.json"
        self._prices = prices or {}
        self._open_to = open_to
        self._fresh = fresh
        self._libraries: Callable[[Iterable[str]], None] = lambda names: None
        self._spending = Spending(folder)
        self._all: tuple[Held, ...] | None = None
        """None: never read, neither here nor from the copy."""
        self._rings: dict[str, _Ring] = {}
        self._by_id: dict[str, _Ring] = {}
        self._read = float("-inf")
        self.fault = "nothing was read yet"
        """Why the keys cannot be read; empty when all is well."""

    @property
    def known(self) -> int:
        """Keys there are or were."""
        return len(self._all or ())

    @property
    def keyed(self) -> bool:
        """Whether a key is asked for."""
        return self._open_to is None or self._all != ()

    def admit(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Raises: Refused: 401, 429, or 503 while it cannot be told."""
        if self._open_to is not None and self._all == ():
            return self._open_to
        secret = secret_in(headers)
        ring = self._rings.get(hashed(secret)) if secret else None
        if ring is not None:
            return ring.admit(time.monotonic())
        if secret and time.monotonic() - self._read > self._fresh and hashed(secret) not in self._revoked:
            raise Refused(
                503,
                "Keys cannot be looked up at present. Try again shortly.",
                None,
                "keys_unavailable",
                {"retry-after": "5"},
            )
        said = "This key is not good here, or no more." if secret else "A key is needed: Authorization: Bearer KEY."
        raise Refused(401, said, code="invalid_api_key", headers={"www-authenticate": "Bearer"})

    def charge(self, caller: Caller, upstream: str, usage: Usage) -> Amount:
        """Count a reply that a caller got."""
        amount = _cost(self._prices.get(upstream, FREE), usage)
        if caller.key:
            self._spending.charge(caller.key, amount)
            if ring := self._by_id.get(caller.key):
                ring.spent += amount
        return amount

    @contextlib.asynccontextmanager
    async def running(self, libraries: Callable[[Iterable[str]], None]) -> AsyncIterator[None]:
        """Keys read and kept up to date, spending written. `libraries`: told which libraries the keys name; called in
        a thread."""
        self._libraries = libraries
        await anyio.to_thread.run_sync(self.look, True)
        stop = asyncio.Event()
        following = asyncio.create_task(self._follow(stop))
        try:
            yield
        finally:
            stop.set()
            await following
            await anyio.to_thread.run_sync(self._end)

    async def _follow(self, stop: asyncio.Event) -> None:
        # Not by cancelling: the thread would go on with what is being closed.
        while not stop.is_set():
            await anyio.to_thread.run_sync(self.look)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), EVERY)

    def look(self, first: bool = False) -> None:
        """Write what was spent and read how things are. Faults are kept."""
        try:
            db = self._source.database()
            if first:
                self._spending.recover(db)
            self._spending.settle(db)
            now = datetime.now(UTC)
            unsettled = self._spending.unsettled
            self._take(Keys(db).all(), Keys(db).spent(now), unsettled, now)
            self._read, self.fault = time.monotonic(), ""
        except NotFound as fault:
            # No database yet: no key was ever made, unless the copy knows better.
            self.fault = str(fault)
            self._recall()
            self._all = self._all or ()
        except Exception as fault:
            # Whatever is wrong with the database, good keys stay good.
            self.fault = str(fault) if isinstance(fault, PreceptorError) else type(fault).__name__
            self._recall()

    def _take(
        self,
        keys: Sequence[Held],
        spent: Mapping[str, Mapping[Period, Amount]],
        unsettled: Mapping[tuple[str, str], Amount],
        now: datetime,
    ) -> None:
        before = self._by_id
        rings = [
            _Ring(
                held,
                _caller(held),
                spent.get(held.key.id, {}).get(held.key.period, NOTHING) + _within(held, unsettled, now),
                before[held.key.id].times if held.key.id in before else deque(),
            )
            for held in keys
            if held.key.revoked is None
        ]
        changed = tuple(keys) != self._all
        self._by_id = {ring.held.key.id: ring for ring in rings}
        self._rings = {ring.held.hash: ring for ring in rings}
        self._all = tuple(keys)
        if changed:
            self._libraries([ring.caller.library for ring in rings])
            self._remember()

    @property
    def _revoked(self) -> frozenset[str]:
        return frozenset(held.hash for held in self._all or () if held.key.revoked is not None)

    def _remember(self) -> None:
        spare = self._copy.with_suffix(f".{os.getpid()}")
        # Without a copy everything works, as long as the database does.
        with contextlib.suppress(OSError):
            self._copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            spare.touch(mode=0o600)
            spare.write_bytes(canonical([plain(held) for held in self._all or ()]))
            spare.replace(self._copy)

    def _recall(self) -> None:
        if self._all is not None:
            return
        with contextlib.suppress(OSError, ValueError, TypeError, LookupError):
            self._take([from_plain(row) for row in orjson.loads(self._copy.read_bytes())], {}, {}, datetime.now(UTC))

    def _end(self) -> None:
        self.look()
        try:
            self._spending.close(None if self.fault else self._source.database())
        finally:
            self._source.close()


def secret_in(headers: Mapping[bytes, bytes]) -> str | None:
    """The key a request carries, wherever its protocol puts it."""
    bearer = headers.get(b"authorization", b"")
    if bearer[:7].lower() == b"bearer ":
        return bearer[7:].strip().decode("latin-1") or None
    given = headers.get(b"x-api-key") or headers.get(b"api-key")
    return given.decode("latin-1") if given else None


def _caller(held: Held) -> Caller:
    key = held.key
    return Caller(key.tenant, key.library, key.release, key.id, frozenset(key.models))


def _cost(price: Price, usage: Usage) -> Amount:
    if price is FREE:
        return Amount(1, usage.prompt_tokens, usage.completion_tokens)
    return price.amount(usage)


def _within(held: Held, unsettled: Mapping[tuple[str, str], Amount], now: datetime) -> Amount:
    """What the database does not know yet of a key's current period."""
    period = periods(now)[held.key.period]
    mine = (amount for (key, day), amount in unsettled.items() if key == held.key.id and day.startswith(period))
    return sum(mine, NOTHING)
