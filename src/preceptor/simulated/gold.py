"""What should have come of a conversation in a world with tools: end state, information given, actions left alone.

What a customer came for decides, not what the agent made of it: where a message calls for looking something up, what
the right call would have shown counts, whether it was made or not. So an agent that does nothing fails wherever
something was to be done or told, and is right where nothing was.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from preceptor.simulated.course import Stretch, answered, arguments, course, led_to
from preceptor.simulated.prompt import Said
from preceptor.simulated.reading import Reader
from preceptor.simulated.records import Place, Records
from preceptor.simulated.references import PLACEHOLDER
from preceptor.simulated.world import Move, Situation


@dataclass(frozen=True)
class Aim:
    """Something that had to be said, with the values that had to be in it."""

    move: str
    values: tuple[str, ...]


@dataclass
class Gold:
    """What the customer's messages called for, taken together."""

    records: Records
    """As they should be in the end."""
    aims: dict[Aim, int] = field(default_factory=dict)
    """With the message from which on it was called for."""
    situations: dict[int, list[Situation]] = field(default_factory=dict)
    """By message, the situations that it leads to when all is done right."""


@dataclass(frozen=True)
class Findings:
    """How a conversation came out; each empty where all is right."""

    state: tuple[str, ...]
    """Rows that are not as they should be, in words."""
    untold: tuple[str, ...]
    """Names of moves that should have been made, with the right values, and were not."""
    misdeeds: tuple[str, ...]
    """Names of actions that were taken and did harm."""


def outcome(reader: Reader, said: Sequence[Said], found: Records) -> Findings:
    """Hold a conversation and the records as it left them against what should have come of it."""
    gold = gold_of(reader, said)
    stretches = answered(reader, said)
    return Findings(
        tuple(_differences(gold.records, found)),
        tuple(_untold(reader, gold, stretches)),
        tuple(dict.fromkeys(_misdeeds(reader, gold, stretches))),
    )


def gold_of(reader: Reader, said: Sequence[Said]) -> Gold:
    """What a conversation's messages called for, one after the other."""
    gold = Gold(Records(reader.world))
    for stretch in course(reader, said):
        if stretch.situation and not stretch.situation.result:
            _Path(gold, stretch).go(stretch.situation)
    return gold


@dataclass
class _Path:
    """What should follow from one message."""

    gold: Gold
    stretch: Stretch
    given: dict[str, str] = field(default_factory=dict)

    def go(self, here: Situation) -> None:
        """Through a situation and those that the right calls lead to."""
        met = self.gold.situations.setdefault(self.stretch.message, [])
        if here in met:
            return
        met.append(here)
        world = self.gold.records.world
        after: list[Situation] = []
        for move in (world.move[id_] for id_ in here.required):
            if move.calls and (next_ := self._call(here, move)):
                after.append(next_)
        for move in (world.move[id_] for id_ in here.required):
            self._tell(move)
        for one in after:
            self.go(one)

    def _call(self, here: Situation, move: Move) -> Situation | None:
        assert move.calls
        records = self.gold.records
        with_ = arguments(records.world, move, self.stretch.heard, self.given)
        if with_ is None:
            return None
        answer = records.call(move.calls.tool, orjson.dumps(with_).decode())
        told = {name: str(value) for name, value in answer.body.items()}
        if answer.place:
            row = records.row(*answer.place)
            self.given |= {f"{answer.place[0]}.{column}": value for column, value in row.items()}
        return led_to(records.world, here, move.calls.tool, told)

    def _tell(self, move: Move) -> None:
        """What has to be told; a value that no right call gives cannot be asked for."""
        names = _columns(move)
        if move.informs or names:
            values = tuple(self.given[name] for name in names if name in self.given)
            self.gold.aims.setdefault(Aim(move.id, values), self.stretch.message)


def _columns(move: Move) -> tuple[str, ...]:
    """What tools tell that stands in all of a move's wordings."""
    found = [{name for name in PLACEHOLDER.findall(text) if "." in name} for text in move.said]
    return tuple(sorted(set.intersection(*found))) if found else ()


def _differences(wanted: Records, found: Records) -> Iterator[str]:
    for place in sorted(wanted.changed.keys() | found.changed.keys()):
        should, does = wanted.changed.get(place, {}), found.changed.get(place, {})
        if should != does:
            yield f"{_name(place)} has {_listed(does)}, and should have {_listed(should)}"


def _name(place: Place) -> str:
    return f"{place[0]} {place[1]}"


def _listed(changed: Mapping[str, str]) -> str:
    return ", ".join(f"{column} {value!r}" for column, value in sorted(changed.items())) or "nothing changed"


def _untold(reader: Reader, gold: Gold, stretches: Sequence[Stretch]) -> Iterator[str]:
    for aim, message in gold.aims.items():
        turns = ((one, turn) for one in stretches if one.message >= message for turn in one.turns)
        if not any(
            aim.move in one.made_in(reader, turn) and all(value in turn.text for value in aim.values)
            for one, turn in turns
        ):
            yield reader.world.move[aim.move].name


def _misdeeds(reader: Reader, gold: Gold, stretches: Sequence[Stretch]) -> Iterator[str]:
    """Actions that the situation at hand forbids, or one that looking it up would have shown."""
    world = reader.world
    for one in stretches:
        here = one.situation
        ahead = gold.situations.get(one.message, [])
        for id_ in sorted(one.made(reader)):
            if world.move[id_].calls is None or (here and id_ in here.required):
                continue
            if any(id_ in situation.harmful for situation in ([here] if here else []) + ahead):
                yield world.move[id_].name
