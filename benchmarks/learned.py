"""What a library has taught, by a world's own account: which missing moves it covers, and what in it does harm.

Simulated. Counts only; nothing here talks to a model.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from preceptor.dialogue.conversation import Context, Conversation, Turn
from preceptor.dialogue.world import lines
from preceptor.library.model import Guidance, Scenario, Strategy
from preceptor.simulated.course import Stretch
from preceptor.simulated.truth import Truth
from preceptor.simulated.world import Situation
from preceptor.student.student import Finder


@dataclass(frozen=True)
class Need:
    """A move that was required and not made at one agent turn, though the student can learn it."""

    context: Context
    situation: str
    move: str


@dataclass(frozen=True)
class Coverage:
    """Needs, each with whether the slot for its context asks for its move. Shares are 0…1; nan of nothing."""

    needs: tuple[tuple[Need, bool], ...]

    @property
    def share(self) -> float:
        """Of all needs."""
        return _mean([covered for _, covered in self.needs])

    @property
    def by_pair(self) -> float:
        """The same with every pair of situation and move counting once, however often it was met."""
        pairs: dict[tuple[str, str], list[bool]] = defaultdict(list)
        for need, covered in self.needs:
            pairs[need.situation, need.move].append(covered)
        return _mean([fmean(found) for found in pairs.values()])

    def within(self, situations: Collection[str]) -> Coverage:
        return Coverage(tuple(one for one in self.needs if one[0].situation in situations))


def needs(truth: Truth, model: str, conversations: Iterable[Conversation]) -> tuple[Need, ...]:
    """What a student lacked in conversations it held; `model` is its id in the world."""
    return tuple(_needs(truth, truth.learnable(model), conversations))


def _needs(truth: Truth, learnable: frozenset[str], conversations: Iterable[Conversation]) -> Iterator[Need]:
    for conversation in conversations:
        for context, turn in conversation.contexts():
            here = truth.at_hand(lines(context.turns))
            if situation := here.situation:
                missing = learnable.intersection(situation.required) - made(truth, here, turn)
                yield from (Need(context, situation.id, move) for move in sorted(missing))


def coverage(truth: Truth, wanted: Sequence[Need], finder: Finder) -> Coverage:
    """Hold needs against what a finder would put into the slot."""
    contexts = {need.context.key: need.context for need in wanted}
    found = {key: finder.find(context).strategies for key, context in contexts.items()}
    asked = {strategy.text: truth.asks(strategy.text) for strategies in found.values() for strategy in strategies}
    told = {key: frozenset().union(*(asked[s.text] for s in strategies)) for key, strategies in found.items()}
    return Coverage(tuple((need, need.move in told[need.context.key]) for need in wanted))


def harmful(truth: Truth, guidance: Guidance) -> tuple[Strategy, ...]:
    """Strategies that do more harm than good where they apply.

    A strategy does harm in a situation in which it asks for a harmful move or forbids a required one. A scenario's
    strategy applies to the situations of its scenario's examples, each as often as there are examples of it: a stray
    example does not make a right strategy harmful, and alone is enough where the move is of no use. A general strategy
    applies to every situation of the world once. One of a scenario that is not there applies nowhere.
    """
    places = {scenario.id: _situations(truth, scenario) for scenario in guidance.scenarios}
    everywhere = truth.world.situations
    return tuple(
        strategy
        for strategy in guidance.strategies
        if _harms(truth, strategy, everywhere if strategy.scenario is None else places.get(strategy.scenario, ()))
    )


def _harms(truth: Truth, strategy: Strategy, places: Sequence[Situation]) -> bool:
    balance: Counter[tuple[str, str]] = Counter()
    for move in truth.asks(strategy.text):
        balance["told", move] = sum((move in here.harmful) - (move in here.required) for here in places)
    for move in truth.forbids(strategy.text):
        balance["forbidden", move] = sum((move in here.required) - (move in here.harmful) for here in places)
    return any(harm > 0 for harm in balance.values())


def addressed(truth: Truth, guidance: Guidance) -> frozenset[str]:
    """Situations that have a scenario of their own with a strategy: most of its examples are theirs."""
    worked = {strategy.scenario for strategy in guidance.strategies}
    found = set()
    for scenario in guidance.scenarios:
        situations = Counter(situation.id for situation in _situations(truth, scenario))
        if scenario.id in worked and situations:
            found.add(situations.most_common(1)[0][0])
    return frozenset(found)


def made(truth: Truth, here: Stretch, turn: Turn) -> frozenset[str]:
    """The moves made about what is at hand, before this turn of the agent's and in it."""
    return truth.made(here, *lines([turn]))


def at_hand(truth: Truth, context: Context) -> Situation | None:
    """The situation the agent has to answer."""
    return truth.at_hand(lines(context.turns)).situation


def _situations(truth: Truth, scenario: Scenario) -> tuple[Situation, ...]:
    found = (at_hand(truth, example) for example in scenario.examples)
    return tuple(situation for situation in found if situation)


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else float("nan")
