"""Budgets that bind: calls, tokens and money over all roles of a run together.

A call reserves its worst case before it is sent and settles for what it really used. When the rest does not cover the
worst case, it waits for what others have reserved to come back; when nothing is outstanding either, the run stops
(`BudgetExhausted`) and can be resumed with more. So nothing is overshot as long as the provider counts no more than
the bound `Price.worst` states.
"""

import asyncio
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol

from preceptor.errors import Adjusted, BudgetExhausted, Denied, RateLimited, Rejected, Stopped, Unavailable
from preceptor.llm.messages import Reply, Request
from preceptor.llm.model import Model
from preceptor.llm.prices import NOTHING, Amount, Price, from_nano, to_nano


class Book(Protocol):
    """Where each attempt is written down, so that a resumed run knows what was used."""

    async def sending(self, request: Request, worst: Amount) -> None:
        """An attempt is about to be made; returns when that is safe on disk."""

    def settled(self, request: Request, worst: Amount, used: Amount) -> None:
        """It turned out to have used that much."""


class Budget:
    """Limits (None: no limit), what has been used and what is reserved."""

    def __init__(
        self,
        calls: int | None = None,
        tokens: int | None = None,
        money: Decimal | None = None,
        used: Amount = NOTHING,
    ) -> None:
        self.calls = calls
        self.tokens = tokens
        self.money = money
        self.used = used
        self.reserved = NOTHING
        self._settled = asyncio.Event()

    async def reserve(self, worst: Amount) -> None:
        """Set aside the worst case of one call.

        Raises:
            BudgetExhausted: it does not fit, and nothing is outstanding that could make room.
        """
        while short := self._short_of(worst):
            if not self.reserved.calls:
                raise BudgetExhausted(short)
            settled = self._settled
            await settled.wait()
        self.reserved += worst

    def settle(self, worst: Amount, used: Amount) -> None:
        """Give back a reservation and book what was used instead."""
        self.reserved -= worst
        self.used += used
        self._settled.set()
        self._settled = asyncio.Event()

    def _short_of(self, worst: Amount) -> str:
        """What is missing for a call, in words; empty when it fits."""
        need = self.used + self.reserved + worst
        if self.calls is not None and need.calls > self.calls:
            return f"The budget of {self.calls} calls is used up."
        if self.tokens is not None and need.tokens > self.tokens:
            return _short("tokens", self.tokens - self.used.tokens, self.tokens, worst.tokens)
        if self.money is not None and need.nano > to_nano(self.money):
            return _short("money", self.money - from_nano(self.used.nano), self.money, from_nano(worst.nano))
        return ""


@dataclass(frozen=True)
class Budgeted:
    """Reserves before each call and settles after it. Each attempt passes here, so each counts."""

    model: Model
    budget: Budget
    price: Price
    book: Book

    @property
    def name(self) -> str:
        return self.model.name

    async def ask(self, request: Request) -> Reply:
        worst = self.price.worst(request)
        await self.budget.reserve(worst)
        used = NOTHING
        try:
            await self.book.sending(request, worst)
            used = worst
            reply = await self.model.ask(request)
            used = self._used(reply, worst)
        except BaseException as fault:
            used = _lost(fault, used)
            raise
        finally:
            self.budget.settle(worst, used)
            self.book.settled(request, worst, used)
        return replace(reply, nano=used.nano)

    def _used(self, reply: Reply, worst: Amount) -> Amount:
        """A provider that does not count is charged the worst case: whatever it was, it was no more."""
        return self.price.amount(reply.usage) if reply.usage.total else worst


def _short(what: str, rest: object, limit: object, worst: object) -> str:
    return f"What is left of the budget ({rest} of {limit} {what}) may not cover the next call (up to {worst})."


def _lost(fault: BaseException, sent: Amount) -> Amount:
    """What an attempt without a reply used: a refusal nothing but the call, anything else perhaps all it could."""
    if isinstance(fault, Stopped):
        return NOTHING
    unread = isinstance(fault, RateLimited | Rejected | Denied | Adjusted) or (
        isinstance(fault, Unavailable) and not fault.reached
    )
    return Amount(calls=sent.calls) if unread else sent
