"""The models of a run, by role: each with ledger, budget, limits, retries and stopping around it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from preceptor.errors import PreceptorError, Stopped
from preceptor.llm.budget import Budget
from preceptor.llm.ledger import Ledger, Total
from preceptor.llm.limits import Limiter, Turns
from preceptor.llm.prices import NOTHING, Amount
from preceptor.llm.stack import Stacked, stack
from preceptor.llm.stopping import Stop
from preceptor.llm.watching import Watched
from preceptor.settings.models import Providers, Sampled, patience, price
from preceptor.settings.schema import ROLES, AnyModel, BudgetSection, Endpoint, ModelsSection, Role, Simulated


@dataclass(frozen=True)
class Team:
    """Use it as an async context manager: leaving waits until every call is on disk, and closes the connections."""

    stacks: Mapping[Role, Stacked]
    models: Mapping[Role, Watched]
    """What to ask: the stacks with the settings' sampling, watched for whether their answers are of use."""
    providers: Providers
    ledger: Ledger
    budget: Budget
    stop: Stop

    @classmethod
    def gather(
        cls,
        sections: ModelsSection,
        bounds: BudgetSection,
        providers: Providers,
        ledger: Ledger,
        stop: Stop,
        used: Amount = NOTHING,
        turns: Callable[[str], Turns] | None = None,
    ) -> "Team":
        """Put everything around every role's model. What the ledger says was used counts against the budget, and so
        does what others have `used` of it. `turns`: those at an endpoint, where other processes take some, too.

        Raises:
            NotFound, SettingsError: from a model's section.
        """
        budget = Budget(bounds.calls, bounds.tokens, bounds.money, ledger.charged + used)
        limiters = _limiters(sections, stop, turns)
        stacks: dict[Role, Stacked] = {}
        for role in ROLES:
            section = sections.of(role)
            limiter = limiters[_place(section)]
            bare = providers.model(section)
            stacks[role] = stack(
                bare, role, ledger, budget, limiter, stop, price=price(section), patience=patience(section)
            )
        models = {role: Watched(Sampled(stacks[role], sections.of(role)), role, stop) for role in ROLES}
        return cls(stacks, models, providers, ledger, budget, stop)

    @property
    def totals(self) -> Mapping[str, Total]:
        """Use so far, by role."""
        return self.ledger.totals

    @property
    def state(self) -> str:
        """What calls are waiting for, and how many go out at a time; for displays."""
        waits = [f"{role}: {stacked.retrying.state}" for role, stacked in self.stacks.items() if stacked.retrying.state]
        limited = {
            id(stacked.limiter): stacked.limiter.traffic
            for stacked in self.stacks.values()
            if stacked.limiter.traffic.rate_limited
        }
        slowed = [
            f"slowed to {traffic.pace:,.3g} calls a second by {traffic.rate_limited} 429s"
            for traffic in limited.values()
            if traffic.pace
        ]
        return "; ".join([*waits, *slowed])

    @property
    def unusable(self) -> str:
        """Answers that could not be used, in words, such as ``judge 3 of 400``; empty when there were none."""
        told = [
            f"{role} {unused:,} of {unused + model.used.total():,}"
            for role, model in self.models.items()
            if (unused := model.unused.total())
        ]
        return ", ".join(told)

    def check(self) -> None:
        """To be asked when a run is over. Raises: Denied: none of a model's answers was of use."""
        for model in self.models.values():
            model.check()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None
    ) -> None:
        """Raises:
        UserError, Conflict: a reply could not be written down; told only if nothing else went wrong.
        ProviderError: in place of the stop it led to.
        """
        try:
            await self.ledger.written()
        except PreceptorError:
            if fault is None:
                raise
        finally:
            await self.providers.aclose()
        if isinstance(fault, Stopped) and self.stop.fault:
            raise self.stop.fault from None


def _limiters(sections: ModelsSection, stop: Stop, turns: Callable[[str], Turns] | None) -> dict[str, Limiter]:
    """One limiter to an endpoint; where its roles differ, the strictest limit holds."""
    by_place: dict[str, list[AnyModel]] = {}
    for role in ROLES:
        by_place.setdefault(_place(sections.of(role)), []).append(sections.of(role))
    return {place: _limiter(group, stop, turns(place) if turns else None) for place, group in by_place.items()}


def _limiter(group: list[AnyModel], stop: Stop, turns: Turns | None) -> Limiter:
    paces = [section.requests_per_minute for section in group if section.requests_per_minute is not None]
    return Limiter(
        maximum=min(section.concurrency for section in group),
        requests_per_minute=min(paces) if paces else None,
        stop=stop,
        turns=turns,
    )


def _place(section: Endpoint | Simulated) -> str:
    return section.base_url if isinstance(section, Endpoint) else section.world
