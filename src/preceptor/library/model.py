"""What a library is made of: scenarios, strategies, the evidence for them, and releases.

All of it is plain frozen data with content-derived ids; `library.store` keeps every version.
"""

from dataclasses import dataclass, field
from typing import Literal

from preceptor.dialogue.conversation import Context
from preceptor.storage.canonical import content_hash, short_id

Level = Literal["general", "scenario"]
"""General strategies hold for the whole domain; the others for one scenario."""
Measured = Literal["proposed", "accepted", "refused", "dropped"]
"""What the measured gate said: not yet tried; helps; does not; helped, but consolidation took it out."""
Decision = Literal["pending", "approved", "rejected"]
"""What a person said."""
Placement = Literal["system_end", "before_last", "in_last", "prefix"]
"""Where the slot stands: at the end of the system message, as a message just before the customer's last, inside the
customer's last turn as a marked note, or as the first words of the assistant's reply (where a server allows it)."""


@dataclass(frozen=True)
class Effect:
    """A measured difference with its 95 % interval, in `unit`."""

    mean: float
    low: float
    high: float
    n: int
    """Contexts it was measured on."""
    unit: str = "win rate - loss rate"


@dataclass(frozen=True)
class Evidence:
    """Where a strategy came from and what it did."""

    kind: Literal["origin", "retry", "acceptance", "loss", "no_harm", "general", "consolidation", "edit"]
    """`loss`: a context in which the reply with it was judged worse."""
    run: str
    """The run that produced it. Not part of any content hash."""
    context: Context | None = None
    """The source turn's context, for `origin` and `retry`."""
    before: str = ""
    """The student's reply without the strategy."""
    after: str = ""
    """The student's reply with it."""
    teacher: str = ""
    """The teacher's (or, from a log, the person's) reply."""
    reason: str = ""
    """The teacher's stated reason, or why the gate decided as it did."""
    effect: Effect | None = None


@dataclass(frozen=True)
class Voice:
    """Whose words a context holds."""

    customer: str
    """A customer's key, or a log's id of one."""
    source: str = "simulated"
    """``simulated``, or the log's name."""


@dataclass(frozen=True)
class Scenario:
    """A kind of context in which the student falls short."""

    id: str
    description: str
    """Third person, no customer's data: ``The customer calls again about the same fault.``"""
    examples: tuple[Context, ...] = ()
    """Contexts of this scenario, in order of arrival; retrieval learns from them."""
    tags: tuple[str, ...] = ()

    @staticmethod
    def new_id(description: str, first: Context) -> str:
        return short_id("sc", [description, first.key])


@dataclass(frozen=True)
class Strategy:
    """One imperative instruction, with the reason the teacher gave."""

    id: str
    text: str
    reason: str
    scenario: str | None
    """The scenario's id; None for a general strategy."""
    value: float = 0.0
    """Measured effect that orders strategies in the slot: larger first."""
    measured: Measured = "proposed"
    decision: Decision = "pending"
    version: int = 1
    flags: tuple[str, ...] = ()
    """What a reader should look at twice (`library.lint`)."""

    @property
    def level(self) -> Level:
        return "general" if self.scenario is None else "scenario"

    @staticmethod
    def new_id(text: str, scenario: str | None) -> str:
        return short_id("st", [text, scenario])


@dataclass(frozen=True)
class Guidance:
    """What a student can be given: scenarios, the strategies to use, and how to use them.

    A candidate library while teaching, and the body of a release. Its hash names it.
    """

    domain: str
    scenarios: tuple[Scenario, ...] = ()
    strategies: tuple[Strategy, ...] = ()
    placement: Placement = "system_end"
    false_injections: float = 0.05
    """Chosen share of contexts in which a slot stands though the context belongs to no scenario."""
    foreign: float = 1.0
    """Share of contexts met that belong to no scenario, as estimated while teaching. 1: not known, so the chosen rate
    is kept among those alone."""

    def of(self, scenario: str | None) -> tuple[Strategy, ...]:
        """The strategies of a scenario (None: the general ones), most valuable first."""
        mine = (strategy for strategy in self.strategies if strategy.scenario == scenario)
        return tuple(sorted(mine, key=lambda strategy: (-strategy.value, strategy.id)))

    @property
    def hash(self) -> str:
        """Content hash over what reaches a student, whatever the order it was learned in."""
        return content_hash(
            {
                "domain": self.domain,
                "placement": self.placement,
                "false_injections": self.false_injections,
                "foreign": round(self.foreign, 6),
                "scenarios": sorted([s.id, s.description, [c.key for c in s.examples]] for s in self.scenarios),
                "strategies": sorted([s.id, s.text, s.scenario or "", round(s.value, 6)] for s in self.strategies),
            }
        )


@dataclass(frozen=True)
class Release:
    """A frozen, approved set. Immutable, named by its content hash."""

    guidance: Guidance
    created: str
    """ISO 8601, UTC."""
    author: str
    note: str = ""
    parent: str | None = None
    evidence: dict[str, tuple[Evidence, ...]] = field(default_factory=dict, compare=False)
    """By strategy id."""

    @property
    def hash(self) -> str:
        return self.guidance.hash
