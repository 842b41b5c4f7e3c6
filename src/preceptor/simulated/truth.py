"""What really happened, for tests and benchmarks only: which moves were missing where, so *learned* can be counted.

Nothing that teaches, serves or judges may use this module. Conversations are given as (party, text) pairs, party being
``customer`` or ``agent``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from preceptor.simulated.check import only_poor
from preceptor.simulated.course import Stretch, answered, at_hand
from preceptor.simulated.profiles import AgentProfile
from preceptor.simulated.prompt import Said
from preceptor.simulated.quality import Ending, satisfaction, turn_quality
from preceptor.simulated.reading import Reader
from preceptor.simulated.world import Situation, World

PRACTISED = 0.7
"""A move a profile makes untold at least this often is not worth a strategy: it counts as known, not as learnable."""

Lines = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Act:
    """One agent turn as it was."""

    situation: Situation | None
    """What the agent had to answer; None when no message so far says anything the reader knows."""
    made: frozenset[str]
    quality: float | None
    """0…1; None without a situation."""

    @property
    def missing(self) -> frozenset[str]:
        """Required moves not made."""
        return frozenset(self.situation.required) - self.made if self.situation else frozenset()

    @property
    def harmful(self) -> frozenset[str]:
        """Harmful moves made."""
        return self.made.intersection(self.situation.harmful) if self.situation else frozenset()


class Truth:
    """A world's own account of texts."""

    def __init__(self, world: World, reader: Reader | None = None) -> None:
        self.world = world
        self._reader = reader or Reader(world)

    def moves(self, reply: str) -> frozenset[str]:
        """The moves a reply makes."""
        return self._reader.moves(reply)

    def situation(self, *messages: str) -> str | None:
        """What the last of a customer's messages is about, or the last before it that is about anything."""
        found = at_hand(self._reader, [Said("customer", text) for text in messages]).situation
        return found.id if found else None

    def at_hand(self, said: Sequence[Said]) -> Stretch:
        """What the agent has to answer now, tools and all, with what it already did about it."""
        return at_hand(self._reader, said)

    def made(self, here: Stretch, turn: Said) -> frozenset[str]:
        """The moves made about what is at hand, before a turn of the agent's and in it, in words and by calls."""
        return here.made(self._reader) | here.made_in(self._reader, turn)

    def described(self, description: str) -> str | None:
        """The situation a scenario's description speaks of."""
        return self._reader.described(description)

    def asks(self, strategy: str) -> frozenset[str]:
        """The moves a strategy's text asks for."""
        return self._reader.instructions(strategy).told

    def forbids(self, strategy: str) -> frozenset[str]:
        """The moves a strategy's text forbids."""
        return self._reader.instructions(strategy).forbidden

    def acts(self, lines: Lines) -> tuple[Act, ...]:
        """Every agent turn of a conversation that answers somebody."""
        found = answered(self._reader, tuple(Said(party, text) for party, text in lines))
        turns = [(one.situation, one.made(self._reader)) for one in found]
        return tuple(Act(here, made, self._quality(here, made)) for here, made in turns)

    def satisfaction(self, lines: Lines, ending: Ending) -> float:
        """1…5, without noise."""
        qualities = [0.5 if act.quality is None else act.quality for act in self.acts(lines)]
        return satisfaction(self.world, qualities, ending)

    def learnable(self, model: str) -> frozenset[str]:
        """Moves required somewhere that a profile can make and does not practise by itself.

        Raises:
            NotFound: the world has no such model.
            ValueError: it is no agent.
        """
        profile = self.world.profile(model)
        if not isinstance(profile, AgentProfile):
            raise ValueError(f"Model {model!r} is not an agent.")
        required = {move for situation in self.world.situations for move in situation.required}
        return frozenset(move for move in required - profile.cannot if profile.untold(move) < PRACTISED)

    def only_poor(self) -> frozenset[str]:
        """Situations that an agent whose every reply is good never meets."""
        return only_poor(self.world)

    def _quality(self, situation: Situation | None, made: frozenset[str]) -> float | None:
        return turn_quality(self.world, situation, made) if situation else None
