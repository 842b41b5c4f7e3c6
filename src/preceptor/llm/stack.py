"""The wrappers around a model, in their one right order."""

from dataclasses import dataclass

from preceptor.llm.budget import Budget, Budgeted
from preceptor.llm.clock import Clock
from preceptor.llm.ledger import Ledger, Ledgered
from preceptor.llm.limits import Admitted, Limited, Limiter
from preceptor.llm.messages import Reply, Request
from preceptor.llm.model import Model
from preceptor.llm.prices import FREE, Price
from preceptor.llm.retrying import PATIENT, Patience, Retrying
from preceptor.llm.stopping import Stop, Stoppable


@dataclass(frozen=True)
class Stacked:
    """A model with everything around it, and what displays want to read."""

    outer: Ledgered
    retrying: Retrying
    """`state`: what is being waited for."""
    limiter: Limiter
    """`traffic`: how many calls are in flight."""

    @property
    def name(self) -> str:
        return self.outer.name

    async def ask(self, request: Request) -> Reply:
        return await self.outer.ask(request)


def stack(
    model: Model,
    role: str,
    ledger: Ledger,
    budget: Budget,
    limiter: Limiter,
    stop: Stop,
    *,
    price: Price = FREE,
    patience: Patience = PATIENT,
    clock: Clock | None = None,
) -> Stacked:
    """Outermost first, each where it is for a reason:

    - `Ledgered`: a call that is known costs nothing further down, not even a stop;
    - `Retrying`: each attempt passes everything below, so each is limited, stoppable and paid for; one that backs off
      holds no place;
    - `Admitted`: of the calls that wait for their turn, few have reserved and written anything yet, so a kill finds in
      flight, and charged, little more than what was sent;
    - `Stoppable`: none of those that wait here is begun after a stop;
    - `Budgeted`: reserves, writes the row, sends, settles;
    - `Limited`: a place at the endpoint is held for as long as the endpoint takes, and not while a row is written;
    - `Stoppable`, once more: a call that was prepared but not sent when the stop came is not sent.

    A budget shared by several stacks holds over all of them; so does a limiter, for roles behind one endpoint.
    """
    account = ledger.account(role, model.name)
    limited = Limited(Stoppable(model, stop), limiter)
    budgeted = Budgeted(limited, budget, price, account)
    retrying = Retrying(Admitted(Stoppable(budgeted, stop), limiter), stop, patience, clock)
    return Stacked(Ledgered(retrying, account), retrying, limiter)
