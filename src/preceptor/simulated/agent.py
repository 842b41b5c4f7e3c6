"""Agents: students, and teachers when they answer customers themselves.

An agent sees what the customer's last message is about, reads whatever instructions stand in its prompt, and makes
each move by chance: from its own knack, or because it was told to and attended to it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from preceptor.llm.messages import Request
from preceptor.simulated.chance import Chance
from preceptor.simulated.prompt import Placement, examples, heard, placed
from preceptor.simulated.reading import Instructions, Reader
from preceptor.simulated.wording import fill, joined
from preceptor.simulated.world import AgentProfile, Situation


@dataclass(frozen=True)
class Guidance:
    """The instructions an agent finds in its prompt, by where they stand."""

    by_place: tuple[tuple[Placement, Instructions], ...]
    shown: tuple[tuple[Placement, frozenset[str]], ...] = ()
    """The moves of agents in conversations quoted there, for whoever imitates them."""

    @property
    def count(self) -> int:
        """Sentences that ask for something, all places together."""
        return sum(instructions.count for _, instructions in self.by_place)

    def told(self) -> frozenset[str]:
        return frozenset().union(*(instructions.told for _, instructions in self.by_place))

    def exemplified(self) -> frozenset[str]:
        return frozenset().union(*(moves for _, moves in self.shown))


def guidance(reader: Reader, request: Request) -> Guidance:
    return Guidance(
        tuple((place, reader.instructions(text)) for place, text in placed(request.messages)),
        tuple((place, reader.moves(text)) for place, text in examples(request.messages)),
    )


@dataclass(frozen=True)
class Agent:
    """One profile, answering one request after another."""

    reader: Reader
    profile: AgentProfile

    def reply(self, request: Request, chance: Chance) -> str:
        """The agent's message to the customer."""
        said = heard(request.messages)
        situation = self.perceived(said, chance)
        moves = [move for move, odds in self.odds(request, situation).items() if chance.happens(odds, "move", move)]
        return self._written(moves, " ".join(said), chance)

    def perceived(self, said: tuple[str, ...], chance: Chance) -> Situation | None:
        """The situation the agent takes the customer to be in: now and then a neighbouring one."""
        real = latest(self.reader, said)
        if real is None or chance.happens(self.profile.understands, "understands"):
            return real
        others = [one for one in self.reader.world.situations if one.family == real.family and one.id != real.id]
        return chance.pick(others or self.reader.world.situations, "misunderstood")

    def odds(self, request: Request, situation: Situation | None) -> dict[str, float]:
        """The chance of each move that may be made at all."""
        given = guidance(self.reader, request)
        moves = dict.fromkeys(situation.required + situation.harmful if situation else ())
        moves |= dict.fromkeys(sorted(given.told() | (given.exemplified() if self.profile.imitates else frozenset())))
        return {move: self._odds(move, situation, given) for move in moves if move not in self.profile.cannot}

    def _odds(self, move: str, situation: Situation | None, given: Guidance) -> float:
        told, forbidden = (
            self._heed(given, (place for place, found in given.by_place if move in getattr(found, kind)))
            for kind in ("told", "forbidden")
        )
        shown = self._heed(given, (place for place, moves in given.shown if move in moves))
        prompted = max(self.profile.follow * told, self.profile.imitates * shown)
        if situation and move in situation.required:
            odds = max(self.profile.untold(move), prompted)
        elif situation and move in situation.harmful:
            odds = max(self.profile.harm, prompted)
        else:
            odds = self.profile.misled * max(told, self.profile.imitates * shown)
        return odds * (1 - self.profile.follow * forbidden)

    def _heed(self, given: Guidance, places: Iterable[Placement]) -> float:
        """How much of what stands in some places gets through: the best of them, and the crowd it stands in."""
        best: float = max((getattr(self.profile.placements, place) for place in places), default=0.0)
        return best * self.profile.attention.factor(given.count)

    def _written(self, moves: list[str], heard_text: str, chance: Chance) -> str:
        world, phrases = self.reader.world, self.reader.world.phrases
        wordings = [chance.pick(world.move[move].said, "said", move) for move in chance.order(moves, "order")]
        body = wordings or [chance.pick(phrases.platitudes, "platitude")]
        opener = self._chatter(phrases.openers, "opener", chance)
        closer = self._chatter(phrases.closers, "closer", chance)
        return fill(world, joined(opener, *body, closer), heard_text, chance)

    def _chatter(self, options: tuple[str, ...], what: str, chance: Chance) -> str:
        spoken = options and chance.happens(self.profile.chatter, what)
        return chance.pick(options, "which", what) if spoken else ""


def latest(reader: Reader, said: tuple[str, ...]) -> Situation | None:
    """What the last message is about, or the last before it that says something recognisable."""
    for text in reversed(said):
        if id_ := reader.situation(text):
            return reader.world.situation[id_]
    return None
