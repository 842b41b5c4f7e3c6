"""Agents: students, and teachers when they answer customers themselves.

An agent sees what the customer's last message, or a tool's result, is about, reads whatever instructions stand in its
prompt, and makes each move by chance: from its own knack, or because it was told to and attended to it. Moves that are
tool calls stand beside what it says in the same message.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

from preceptor.llm.messages import Message, Request, ToolCall
from preceptor.simulated.chance import Chance
from preceptor.simulated.course import Stretch, arguments, at_hand
from preceptor.simulated.profiles import AgentProfile
from preceptor.simulated.prompt import Placement, examples, lines, placed
from preceptor.simulated.reading import Instructions, Reader
from preceptor.simulated.wording import fill, joined
from preceptor.simulated.world import Situation


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

    def reply(self, request: Request, chance: Chance) -> Message:
        """The agent's message to the customer, with the tools it calls."""
        here = at_hand(self.reader, lines(request.messages))
        situation = self.perceived(here.situation, chance)
        calls = self.calls(request, here, chance)
        odds = self.odds(request, situation, here.made(self.reader) if here.turns else None)
        able = {move: chance_ for move, chance_ in odds.items() if self._able(move, calls)}
        moves = [move for move, chance_ in able.items() if chance.happens(chance_, "move", move)]
        spoken = [move for move in moves if move not in calls]
        made = tuple(calls[move] for move in moves if move in calls)
        text = "" if made and not spoken else self._written(spoken, here, chance)
        return Message("assistant", text, made)

    def perceived(self, real: Situation | None, chance: Chance) -> Situation | None:
        """The situation the agent takes the customer to be in: now and then a neighbouring one."""
        if real is None or chance.happens(self.profile.understands, "understands"):
            return real
        alike = [one for one in self.reader.world.situations if (one.result is None) == (real.result is None)]
        others = [one for one in alike if one.family == real.family and one.id != real.id]
        return chance.pick(others or alike, "misunderstood")

    def odds(
        self, request: Request, situation: Situation | None, done: frozenset[str] | None = None
    ) -> dict[str, float]:
        """The chance of each move that may be made at all.

        `done`: what the agent did about the situation before it called tools whose results change nothing; only what
        is required and still missing is then left to do.
        """
        given = guidance(self.reader, request)
        moves = dict.fromkeys(situation.required + situation.harmful if situation else ())
        moves |= dict.fromkeys(sorted(given.told() | (given.exemplified() if self.profile.imitates else frozenset())))
        if done is not None:
            moves = dict.fromkeys(move for move in (situation.required if situation else ()) if move not in done)
        return {move: self._odds(move, situation, given) for move in moves if move not in self.profile.cannot}

    def calls(self, request: Request, here: Stretch, chance: Chance) -> dict[str, ToolCall]:
        """By move, the call that it is: of the tools on offer, with what the customer and the tools have said."""
        offered = {tool.name for tool in request.tools}
        found: dict[str, ToolCall] = {}
        for move in self.reader.world.moves:
            if move.calls and move.calls.tool in offered:
                known = arguments(self.reader.world, move, here.heard, here.given)
                if known is not None:
                    id_ = f"call_{int(chance.draw('call', move.id) * 16**10):010x}"
                    found[move.id] = ToolCall(id_, move.calls.tool, orjson.dumps(known).decode())
        return found

    def _able(self, move: str, calls: Mapping[str, ToolCall]) -> bool:
        return move in calls or self.reader.world.move[move].calls is None

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

    def _written(self, moves: list[str], here: Stretch, chance: Chance) -> str:
        world, phrases = self.reader.world, self.reader.world.phrases
        wordings = [chance.pick(world.move[move].said, "said", move) for move in chance.order(moves, "order")]
        body = wordings or [chance.pick(phrases.platitudes, "platitude")]
        opener = self._chatter(phrases.openers, "opener", chance)
        closer = self._chatter(phrases.closers, "closer", chance)
        return fill(world, joined(opener, *body, closer), here.heard, chance, here.given)

    def _chatter(self, options: tuple[str, ...], what: str, chance: Chance) -> str:
        spoken = options and chance.happens(self.profile.chatter, what)
        return chance.pick(options, "which", what) if spoken else ""
