"""What a teaching run knows so far: scenarios, strategies by fate, and the evidence for each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from preceptor.dialogue.conversation import Context
from preceptor.library.model import Evidence, Guidance, Placement, Scenario, Strategy, Voice
from preceptor.teaching.moments import Moment
from preceptor.teaching.orders import Orders
from preceptor.teaching.scenarios import Book

SET_ASIDE = "It was written where a customer gives orders; what was written again without these counts."
"""Why a strategy is refused that may be as good as any: it is tried like a new one where it is written otherwise."""


@dataclass
class Notebook:
    """The state of the loop; `guidance` is what a student would be given now."""

    domain: str
    false_injections: float
    placement: Placement = "system_end"
    foreign: float = 1.0
    """Share of the moments of the last iteration that belonged to no scenario known before it."""
    book: Book = field(default_factory=Book)
    accepted: dict[str, Strategy] = field(default_factory=dict)
    waiting: dict[str, Strategy] = field(default_factory=dict)
    """Written, helpful so far, but not on enough contexts to decide."""
    refused: dict[str, tuple[Strategy, str]] = field(default_factory=dict)
    dropped: dict[str, Strategy] = field(default_factory=dict)
    evidence: dict[str, list[Evidence]] = field(default_factory=dict)
    source_customers: dict[str, set[str]] = field(default_factory=dict)
    """By scenario: customers its strategies were written from."""
    orders: Orders = field(default_factory=Orders)
    ordered: dict[str, Voice] = field(default_factory=dict)
    """By context key: whose words held an order, which was cut since."""

    @classmethod
    def opened(cls, start: Guidance) -> "Notebook":
        """A notebook that goes on from a library."""
        notebook = cls(start.domain, start.false_injections, start.placement, start.foreign)
        for scenario in start.scenarios:
            notebook.book.open(scenario)
        notebook.accepted = {strategy.id: strategy for strategy in start.strategies}
        return notebook

    def guidance(self) -> Guidance:
        return Guidance(
            self.domain,
            tuple(self.book.scenarios.values()),
            tuple(self.accepted.values()),
            self.placement,
            self.false_injections,
            self.foreign,
        )

    def in_force(self, scenario: str) -> tuple[Strategy, ...]:
        """General strategies and those of the scenario, as they would stand in the slot."""
        guidance = self.guidance()
        return (*guidance.of(None), *guidance.of(scenario))

    def known(self, strategy_id: str) -> bool:
        """Whether it is in force, open, or decided."""
        decided = strategy_id in self.refused and self.refused[strategy_id][1] != SET_ASIDE
        return strategy_id in self.accepted or strategy_id in self.waiting or decided

    def wait(self, strategy: Strategy) -> None:
        """A strategy is to be tried."""
        self.refused.pop(strategy.id, None)
        self.waiting[strategy.id] = strategy

    def note(self, strategy_id: str, evidence: Iterable[Evidence]) -> None:
        self.evidence.setdefault(strategy_id, []).extend(evidence)

    def refuse(self, strategy: Strategy, reason: str) -> None:
        for shelf in (self.accepted, self.waiting):
            shelf.pop(strategy.id, None)
        self.refused[strategy.id] = (replace(strategy, measured="refused"), reason)

    def held_back(self, scenario: str) -> tuple[Context, ...]:
        """Contexts of a scenario from customers that nothing was written from, oldest first."""
        used = self.source_customers.get(scenario, set())
        return tuple(m.context for m in self.book.moments[scenario] if m.customer not in used)

    def choose_sources(self, scenario: str, fresh: Sequence[Moment], count: int, spare: int) -> list[Moment]:
        """Moments to write from, one per customer, leaving `spare` customers to test on: where a failed attempt went
        wrong first, then first divergences."""
        used = self.source_customers.setdefault(scenario, set())
        customers = {moment.customer for moment in self.book.moments[scenario]}
        free = max(0, len(customers - used) - spare)
        chosen: list[Moment] = []
        for moment in sorted(fresh, key=lambda moment: (moment.contrast is None, not moment.first)):
            if len(chosen) == min(count, free):
                break
            if all(moment.customer != other.customer for other in chosen):
                chosen.append(moment)
        used.update(moment.customer for moment in chosen)
        return chosen

    def voices(self) -> dict[str, Voice]:
        """By context key: whose words the contexts of scenarios hold."""
        moments = (moment for some in self.book.moments.values() for moment in some)
        return {moment.context.key: moment.voice for moment in moments} | self.ordered

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        return tuple(self.book.scenarios.values())
