"""Which strategies apply to a context: the nearest scenarios' and the general ones, the most valuable first."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from preceptor.dialogue.conversation import Context
from preceptor.library.model import Guidance, Strategy
from preceptor.retrieval.embedding import Embedder, StaticEmbedder
from preceptor.retrieval.matcher import Example, Match, Matcher

SCENARIOS = 3
"""Most scenarios whose strategies are mixed when a context is between them."""
TIED = 0.5
"""A scenario is tied with the likeliest if its probability is at least this share of it."""


@dataclass(frozen=True)
class Found:
    """What a library has to say about a context."""

    matches: tuple[tuple[str, float], ...]
    """(scenario id, probability), likeliest first."""
    abstained: bool
    """No scenario is near enough; then `strategies` is empty."""
    strategies: tuple[Strategy, ...]
    """The most valuable first, so that a smaller budget is a prefix of a larger."""


class Retriever:
    """Finds strategies for contexts in a library."""

    def __init__(
        self,
        guidance: Guidance,
        embedder: Embedder | None = None,
        limit: int | None = None,
        tokens: int | None = None,
        matcher: Matcher | None = None,
    ) -> None:
        """Without an embedder: the embedded default. `limit`: most strategies; `tokens`: most tokens, about;
        `matcher`: what `fit` made of the same scenarios, if it did.

        Raises:
            UserError, ProviderError: see `Matcher.fit`.
        """
        self.guidance = guidance
        self.limit = limit
        self.tokens = tokens
        self.matcher = matcher or fit(guidance, embedder)
        # By scenario, because a guidance looks through all its strategies for those of one.
        self._strategies: dict[str | None, list[Strategy]] = {}
        for strategy in guidance.strategies:
            self._strategies.setdefault(strategy.scenario, []).append(strategy)

    def find(self, context: Context) -> Found:
        """The scenarios a context belongs to, and the strategies for it."""
        return self.choose(self.matcher.match(context.turns))

    def choose(self, match: Match) -> Found:
        """The strategies for a context of which this is known."""
        if match.abstained:
            return Found(match.ranked, True, ())
        worth = [(strategy.value, strategy) for strategy in self._strategies.get(None, ())]
        for scenario, share in _tied(match.ranked):
            worth += [(share * strategy.value, strategy) for strategy in self._strategies.get(scenario, ())]
        worth.sort(key=lambda pair: (-pair[0], pair[1].id))
        return Found(match.ranked, False, within([strategy for _, strategy in worth[: self.limit]], self.tokens))


def within(strategies: Sequence[Strategy], tokens: int | None) -> tuple[Strategy, ...]:
    """The first strategies that together take at most so many tokens, about; all without a bound."""
    spent = accumulate(about_tokens(strategy.text) for strategy in strategies)
    return tuple(s for s, total in zip(strategies, spent, strict=True) if tokens is None or total <= tokens)


def fit(guidance: Guidance, embedder: Embedder | None = None) -> Matcher:
    """What tells a library's scenarios apart: what takes a retriever its time, and strategies have no part in.

    Raises:
        UserError, ProviderError: see `Matcher.fit`.
    """
    scenarios = sorted(guidance.scenarios, key=lambda scenario: scenario.id)
    return Matcher.fit(
        [Example(context.turns, scenario.id) for scenario in scenarios for context in scenario.examples],
        embedder or StaticEmbedder(),
        guidance.false_injections,
        foreign=guidance.foreign,
        descriptions={scenario.id: scenario.description for scenario in scenarios},
    )


def about_tokens(text: str) -> int:
    """An estimate on the high side: four characters a token and one for the line."""
    return len(text) // 4 + 2


def _tied(ranked: tuple[tuple[str, float], ...]) -> list[tuple[str, float]]:
    """The likeliest scenario and those tied with it, each with its share."""
    best = ranked[0][1] if ranked else 0.0
    near = [(scenario, share) for scenario, share in ranked[:SCENARIOS] if share >= TIED * best]
    total = sum(share for _, share in near)
    return [(scenario, share / total) for scenario, share in near]
