"""Whether the tools of a world file are good ones: part of `check`."""

from collections.abc import Iterator
from itertools import combinations

from preceptor.simulated.references import PLACEHOLDER
from preceptor.simulated.tools import Digits, Result
from preceptor.simulated.wording import said_value
from preceptor.simulated.world import Move, Situation, World


def follows(world: World, here: Situation, tools: frozenset[str]) -> frozenset[str]:
    """Situations that results of these tools lead to from another."""
    found = (one for tool in tools for one in world.led_by.get(tool, ()))
    return frozenset(one.id for one in found if one.result and here.id in one.result.after)


def called(world: World, moves: tuple[str, ...]) -> frozenset[str]:
    """The tools that moves call."""
    actions = (world.move[id_].calls for id_ in moves if id_ in world.move)
    return frozenset(action.tool for action in actions if action)


def errors(world: World) -> Iterator[str]:
    """What makes measurements wrong: sentences."""
    if not world.tools:
        return
    yield from _unstable(world)
    yield from _ambiguous(world)
    yield from _half_told(world)
    yield from _alike(world)
    yield from _given_away(world)
    yield from _unsaid(world)


def _unstable(world: World) -> Iterator[str]:
    """What should come of a conversation must not depend on what came of it so far."""
    written = {(service.table, column) for service in world.tools.values() for column in service.sets}
    for name, service in world.tools.items():
        for column in service.only:
            if (service.table, column) in written:
                yield f"tool {name!r} asks for column {column!r}, which a tool writes"
    for one in world.situations:
        for column in one.result.when if one.result else ():
            if one.result and (world.tools[one.result.tool].table, column) in written:
                yield f"situation {one.id!r}: its result names column {column!r}, which a tool writes"


def _ambiguous(world: World) -> Iterator[str]:
    for found in world.led_by.values():
        for one, other in combinations(found, 2):
            if one.result and other.result and _overlap(one.result, other.result):
                yield f"situations {one.id!r} and {other.id!r} can come of the same result"


def _overlap(one: Result, other: Result) -> bool:
    if one.refused != other.refused or not set(one.after) & set(other.after):
        return False
    both = one.when.keys() & other.when.keys()
    return all(set(one.when[column]) & set(other.when[column]) for column in both)


def _half_told(world: World) -> Iterator[str]:
    """A move tells something of a record in all of its wordings, or in none."""
    for move in world.moves:
        told = {frozenset(name for name in PLACEHOLDER.findall(text) if "." in name) for text in move.said}
        if len(told) > 1:
            yield f"move {move.id!r}: its wordings (said) do not all hold the same columns"


def _alike(world: World) -> Iterator[str]:
    """Numbers are told apart by their lengths."""
    lengths: dict[int, str] = {}
    for name, values in world.placeholders.items():
        if isinstance(values, Digits):
            if values.digits in lengths:
                yield f"placeholders {lengths[values.digits]!r} and {name!r} have equally many digits"
            lengths[values.digits] = name


def _given_away(world: World) -> Iterator[str]:
    """What a customer's words hold by accident would be taken for what they came with."""
    names = {name for move in world.moves for name in _asked(move)}
    chatter = [("phrases.chatter", text) for text in world.phrases.chatter]
    moods = [("moods", mood) for persona in world.personas.values() for mood in persona.moods]
    own = [(f"situation {one.id!r}", text) for one in world.situations for text in (*one.customer, *one.unseen)]
    for owner, text in (*own, *chatter, *moods):
        for name in sorted(names):
            if value := said_value(world, name, PLACEHOLDER.sub(" ", text)):
                yield f"{owner}: {text!r} holds {value!r}, which is a value of {{{name}}}"


def _unsaid(world: World) -> Iterator[str]:
    """Actions whose values the customer may not have said when they are called for."""
    said = _said(world)
    for one in world.situations:
        for move in (world.move[id_] for id_ in one.required):
            for name in sorted(_asked(move) - said[one.id]):
                yield f"situation {one.id!r} requires {move.id!r}, and {{{name}}} may not have been said by then"


def _asked(move: Move) -> frozenset[str]:
    """The placeholders an action needs from the customer."""
    texts = move.calls.arguments.values() if move.calls else ()
    return frozenset(name for text in texts for name in PLACEHOLDER.findall(text) if "." not in name)


def _said(world: World) -> dict[str, frozenset[str]]:
    """By situation, the placeholders that customers have said in it, whatever the way there."""
    everything = frozenset(world.placeholders)
    found = dict.fromkeys(world.situation, everything)
    for _ in world.situations:  # each round settles one more step of the longest way
        before: dict[str, list[frozenset[str]]] = {id_: [] for id_ in world.situation}
        for one in world.situations:
            for after in {*one.good, *one.poor, *follows(world, one, frozenset(world.tools))} & world.situation.keys():
                before[after].append(found[one.id])
            if one.opens > 0:
                before[one.id].append(frozenset())
        now = {
            id_: (frozenset.intersection(*before[id_]) if before[id_] else everything) | _spoken(world.situation[id_])
            for id_ in found
        }
        if now == found:
            break
        found = now
    return found


def _spoken(one: Situation) -> frozenset[str]:
    """The placeholders in all wordings of a customer's message."""
    wordings = [frozenset(PLACEHOLDER.findall(text)) for text in (*one.customer, *one.unseen)]
    return frozenset.intersection(*wordings) if wordings else frozenset()
