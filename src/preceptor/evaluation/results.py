"""What was measured: one `Served` for each arm and customer. Plain data; `report` computes, `rendering` shows."""

from dataclasses import dataclass
from math import comb
from statistics import fmean

from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.customers import Customer
from preceptor.judging.verdicts import Comparison, Rating, Unscored


@dataclass(frozen=True)
class Cost:
    """What an arm's side of a conversation took. The customer's and the judge's calls are not in it."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    nano: int = 0
    """Money, in billionths of the project's currency; 0 where the model has no price."""
    seconds: float = 0.0
    """Spent waiting for the model, calls one after the other; 0 where nothing was waited for."""

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.nano + other.nano,
            self.seconds + other.seconds,
        )


@dataclass(frozen=True)
class Breach:
    """A rule of the domain file that a conversation broke."""

    rule: str
    """The rule's id."""
    turn: int | None
    """Index into the conversation's turns; None where the whole conversation lacks something."""
    reason: str
    """In words, for the reader."""


@dataclass(frozen=True)
class Guided:
    """What stood in the slot at one of the agent's turns."""

    turn: int
    """Index into the conversation's turns."""
    matches: tuple[tuple[str, float], ...]
    """(scenario id, probability), likeliest first."""
    strategies: tuple[str, ...]
    """Ids, in the order of the slot; empty when nothing was near enough."""


@dataclass(frozen=True)
class Duel:
    """An arm's reply held against the first arm's, in a context of the first arm's conversation."""

    turn: int
    """Index into the first arm's conversation: the agent turn that is answered anew."""
    reply: str
    """The arm's reply, actions included; the first arm's stands in its conversation."""
    verdict: Comparison | Unscored


@dataclass(frozen=True)
class Served:
    """One customer, served by one arm."""

    arm: str
    customer: Customer
    conversation: Conversation
    ratings: tuple[Rating | Unscored, ...]
    """One for each repeat of the judge."""
    breaches: tuple[Breach, ...] = ()
    guided: tuple[Guided, ...] = ()
    """One for each agent turn, for arms that choose strategies; else empty."""
    cost: Cost = Cost()
    duels: tuple[Duel, ...] = ()
    """Empty for the first arm."""
    rules: int = 0
    """How many rules were checked; with none, nothing was kept or broken."""
    escalated: bool | None = None
    """Whether a person was asked for or called in; None where the domain does not say how that shows."""
    again: tuple[Conversation, ...] = ()
    """The same customer in further trials, where one can tell what came of a conversation. They are not rated."""

    @property
    def satisfaction(self) -> float | None:
        """Mean over the repeats that were scored, 1 to 5; None when none was. The same, in whatever order they came."""
        scored = [rating.satisfaction for rating in self.ratings if isinstance(rating, Rating)]
        return fmean(scored) if scored else None

    def share(self, what: str) -> float | None:
        """Share of scored repeats in which `goal_reached` or `policy_kept` was found; None when none was scored."""
        scored = [float(getattr(rating, what)) for rating in self.ratings if isinstance(rating, Rating)]
        return sum(scored) / len(scored) if scored else None

    @property
    def passes(self) -> tuple[bool, ...]:
        """By trial, whether all was as it should be in the end; those of which one cannot tell are left out."""
        outcomes = (one.outcome for one in (self.conversation, *self.again))
        return tuple(outcome.passed for outcome in outcomes if outcome)

    def pass_hat(self, k: int) -> float | None:
        """The chance that `k` trials drawn from those there were all passed; None for fewer than `k`.

        Over customers its mean is an unbiased estimate of pass^k (Yao et al., tau-bench, arXiv 2406.12045).
        """
        passes = self.passes
        return comb(sum(passes), k) / comb(len(passes), k) if len(passes) >= k else None

    @property
    def resolved(self) -> bool:
        """Did the customer leave with what they came for?"""
        return self.conversation.ending == "resolved"

    @property
    def agent_turns(self) -> int:
        return sum(turn.party == "agent" for turn in self.conversation.turns)
