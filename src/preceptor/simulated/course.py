"""The course of a conversation: what the agent had to answer at each point, and what it did about it.

What is at hand is decided by the last message or the last tool result that says anything: an agent asked to change a
booking has one thing to do, and another once it has looked up what was booked. Whatever it does until then, in however
many turns, is one answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from preceptor.simulated.prompt import Call, Said
from preceptor.simulated.reading import Reader
from preceptor.simulated.wording import Given, filled
from preceptor.simulated.world import Move, Situation, World


@dataclass
class Stretch:
    """One thing to answer, and the agent's turns about it."""

    situation: Situation | None
    """None: no message so far says anything the reader knows."""
    heard: str
    """All that the customer had said by then."""
    given: Given
    """What tools had told by then."""
    message: int
    """Which of the customer's messages it follows from, counted from 0."""
    turns: list[Said] = field(default_factory=list)

    def made(self, reader: Reader) -> frozenset[str]:
        """The moves of its turns."""
        return frozenset().union(*(self.made_in(reader, turn) for turn in self.turns))

    def made_in(self, reader: Reader, turn: Said) -> frozenset[str]:
        """The moves a turn makes here, in words and by calls."""
        said = reader.moves(turn.text)
        return said | acted(reader.world, turn.calls, self.heard, self.given) if turn.calls else said


def course(reader: Reader, said: Sequence[Said]) -> list[Stretch]:
    """Every stretch of a conversation, the last of which may have no turns yet; empty before anybody asks anything."""
    walk = _Walk(reader)
    for turn in said:
        walk.hear(turn)
    return walk.stretches


def at_hand(reader: Reader, said: Sequence[Said]) -> Stretch:
    """What the agent has to answer now, with what it already did about it."""
    found = course(reader, said)
    if not found:
        return Stretch(None, "", {}, 0)
    last = found[-1]
    # Another turn after an answer that no result calls for answers anew.
    waiting = not last.turns or (bool(reader.world.tools) and said[-1].party == "tool")
    return last if waiting else Stretch(last.situation, last.heard, last.given, last.message)


def answered(reader: Reader, said: Sequence[Said]) -> list[Stretch]:
    """The stretches in which the agent said or did something."""
    return [stretch for stretch in course(reader, said) if stretch.turns]


class _Walk:
    """Goes through a conversation, line by line."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.stretches: list[Stretch] = []
        self._here: Situation | None = None
        self._heard: list[str] = []
        self._given: dict[str, str] = {}
        self._waiting: list[Call] = []
        self._told = False
        """Whether tools have told something since the agent's last turn."""

    def hear(self, turn: Said) -> None:
        match turn.party:
            case "customer":
                self._customer(turn.text)
            case "agent":
                self._agent(turn)
            case _:
                self._tool(turn.text)

    def _customer(self, text: str) -> None:
        if id_ := self.reader.situation(text):
            self._here = self.reader.world.situation[id_]
        self._heard.append(text)
        self._waiting = []
        self._begin()

    def _agent(self, turn: Said) -> None:
        if not self._heard or (turn.calls and not turn.text and not self.reader.world.tools):
            return
        if self.stretches[-1].turns and not self._told:
            self._begin()
        self.stretches[-1].turns.append(turn)
        self._waiting, self._told = list(turn.calls), False

    def _tool(self, text: str) -> None:
        call = self._waiting.pop(0) if self._waiting else None
        told = _object(text)
        self._told = bool(self.reader.world.tools)
        if call is None or told is None or not self.stretches:
            return
        self._given |= _columns(self.reader.world, call, told)
        self.stretches[-1].given = dict(self._given)
        if after := led_to(self.reader.world, self._here, call.tool, told):
            self._here = after
            self._begin()

    def _begin(self) -> None:
        """A stretch nobody has answered yet gives way to the next."""
        if self.stretches and not self.stretches[-1].turns:
            self.stretches.pop()
        message = len(self._heard) - 1
        self.stretches.append(Stretch(self._here, " ".join(self._heard), dict(self._given), message))


def led_to(world: World, here: Situation | None, tool: str, told: dict[str, str]) -> Situation | None:
    """The situation that a tool's result makes of the one at hand; None: it is still the same."""
    if here is None:
        return None
    for one in world.led_by.get(tool, ()):
        result = one.result
        assert result is not None
        fits = all(told.get(column) in values for column, values in result.when.items())
        if here.id in result.after and fits and result.refused == ("error" in told):
            return one
    return None


def acted(world: World, calls: Sequence[Call], heard: str, given: Given) -> frozenset[str]:
    """The moves that calls are: the right tool, with what the customer and the tools had said."""
    return frozenset(
        move.id for call in calls for move in world.actions.get(call.tool, ()) if _is(world, move, call, heard, given)
    )


def arguments(world: World, move: Move, heard: str, given: Given) -> dict[str, str] | None:
    """What to call an action's tool with; None where that is not known yet."""
    assert move.calls is not None
    values = {name: filled(world, text, heard, given) for name, text in move.calls.arguments.items()}
    known = {name: value for name, value in values.items() if value is not None}
    return known if len(known) == len(values) else None


def _is(world: World, move: Move, call: Call, heard: str, given: Given) -> bool:
    wanted, made = arguments(world, move, heard, given), _object(call.arguments)
    return wanted is not None and made is not None and all(made.get(name) == value for name, value in wanted.items())


def _columns(world: World, call: Call, told: dict[str, str]) -> dict[str, str]:
    service = world.tools.get(call.tool)
    if service is None:
        return {}
    columns = world.records[service.table].columns
    return {f"{service.table}.{name}": value for name, value in told.items() if name in columns}


def _object(text: str) -> dict[str, str] | None:
    """A JSON object with its values as texts; None where it is none."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return {name: str(value).strip() for name, value in found.items()} if isinstance(found, dict) else None
