"""Whether a world file is a good one: whole, reachable, and readable by its own reader.

`check` looks at what `World.load` cannot: counts, situations nobody gets into, and wordings that the world's reader
takes for something else, each with what it was taken for.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from preceptor.errors import UserError
from preceptor.simulated import workings
from preceptor.simulated.profiles import AgentProfile
from preceptor.simulated.reading import SMALL_TALK, Among, Reader
from preceptor.simulated.references import PLACEHOLDER, faults, wordings
from preceptor.simulated.tools import Digits
from preceptor.simulated.words import sentences
from preceptor.simulated.world import Move, Situation, World, read_text


@dataclass(frozen=True)
class Report:
    """What was found in a world file."""

    errors: tuple[str, ...] = ()
    """What makes measurements on this world wrong."""
    warnings: tuple[str, ...] = ()
    """What makes it a poorer world."""
    counts: tuple[tuple[str, int], ...] = ()
    """How many of each part there are."""

    @property
    def ok(self) -> bool:
        return not self.errors

    def lines(self) -> Iterator[str]:
        """The report for a terminal."""
        yield ", ".join(f"{number} {what}" for what, number in self.counts)
        yield from (f"error: {text}" for text in self.errors)
        yield from (f"warning: {text}" for text in self.warnings)
        yield f"{len(self.errors)} errors, {len(self.warnings)} warnings"


def check(path: Path) -> Report:
    """Check a world file. A file that cannot be read at all gives a report with that one error.

    Raises:
        NotFound: there is no such file.
    """
    text = read_text(path)
    try:
        return inspect(World.draft(text, str(path)))
    except UserError as fault:
        return Report(errors=(str(fault),))


def inspect(world: World) -> Report:
    """Check a world whose form is right."""
    wrong = tuple(faults(world))
    # Tools are looked at once everything they name is there.
    errors = (*wrong, *_numbers(world), *_unreachable(world), *_duplicates(world), *_misread(world))
    errors += () if wrong else tuple(workings.errors(world))
    return Report(errors, tuple(_warnings(world)), _counts(world))


def _counts(world: World) -> tuple[tuple[str, int], ...]:
    texts = list(wordings(world))
    tools = (
        ("tools", len(world.tools)),
        ("moves that are calls", sum(move.calls is not None for move in world.moves)),
        ("situations that results lead to", sum(one.result is not None for one in world.situations)),
    )
    return (
        ("moves", len(world.moves)),
        ("situations", len(world.situations)),
        ("families", len({situation.family for situation in world.situations})),
        ("topics", len(world.topics)),
        ("personas", len(world.personas)),
        ("wordings", len(texts)),
        ("models", len(world.models)),
        ("situations only a poor agent meets", len(only_poor(world))),
        *(tools if world.tools else ()),
    )


def _numbers(world: World) -> Iterator[str]:
    for move in world.moves:
        for part, least in (("said", 0 if move.calls else 5), ("told", 5), ("forbidden", 2)):
            yield from _fewer(f"move {move.id!r}: {part}", getattr(move, part), least)
    for situation in world.situations:
        words = 0 if situation.result else 1
        for part, least in (("customer", 6 * words), ("unseen", 3 * words), ("described", 3), ("required", 1)):
            yield from _fewer(f"situation {situation.id!r}: {part}", getattr(situation, part), least)
        both = set(situation.required) & (set(situation.harmful) | set(situation.neutral))
        yield from (f"situation {situation.id!r}: move {one!r} is required and also harmful or neutral" for one in both)


def _fewer(what: str, texts: tuple[str, ...], least: int) -> Iterator[str]:
    if len(texts) < least:
        yield f"{what} has {len(texts)}, fewer than {least}"


def reachable(world: World, ways: Iterable[str] = ("good", "poor")) -> frozenset[str]:
    """Situations a conversation can get into when it only takes these ways on."""
    found = {situation.id for situation in world.situations if situation.opens > 0}
    todo = sorted(found)
    while todo:
        here = world.situation[todo.pop()]
        after = {one for way in ways for one, weight in getattr(here, way).items() if weight > 0}
        after |= workings.follows(world, here, workings.called(world, here.required))
        new = after & world.situation.keys() - found
        found |= new
        todo.extend(sorted(new))
    return frozenset(found)


def only_poor(world: World) -> frozenset[str]:
    """Situations that an agent whose every reply is good never meets."""
    return reachable(world) - reachable(world, ("good",))


def _unreachable(world: World) -> Iterator[str]:
    for id_ in sorted(world.situation.keys() - reachable(world)):
        yield f"situation {id_!r} is never reached: it opens no conversation and nothing leads to it"
    for topic in world.topics:
        if not any(one.topic == topic and one.opens > 0 for one in world.situations):
            yield f"topic {topic!r} has no situation that opens a conversation"


def _duplicates(world: World) -> Iterator[str]:
    seen: dict[str, str] = {}
    for owner, text in wordings(world):
        plain = " ".join(text.lower().split()).rstrip(".!?")
        if plain in seen:
            yield f"{owner}: {text!r} is there twice (also in {seen[plain]})"
        seen[plain] = owner


def _misread(world: World) -> Iterator[str]:
    reader = Reader(world)
    for move in world.moves:
        yield from _misread_move(reader, move)
    for situation in world.situations:
        yield from _misread_situation(reader, situation)
    yield from _rivals(reader)
    talk = world.phrases
    for text in (*talk.openers, *talk.closers, *talk.platitudes):
        if moves := reader.moves(fill(world, text)):
            yield f"phrases: {text!r} is read as {_names(moves)}, and should express no move"
    for text in (*talk.chatter, *talk.thanks, *talk.leaving):
        if about := reader.situation(fill(world, text)):
            yield f"phrases: {text!r} is read as situation {about!r}, and should express none"
    for text in talk.vague:
        asked = reader.instructions(text)
        if moves := asked.told | asked.forbidden:
            yield f"phrases.vague: {text!r} is read as {_names(moves)}, and should express no move"


def _rivals(reader: Reader) -> Iterator[str]:
    """Wordings that are nearly another label's: told apart here by the very words, and by nothing anywhere else."""
    for owner, label, text, among in _read(reader.world):
        for match in reader.rivals(label, text, among):
            yield f"{owner}: {text!r} is nearly {match.label!r}: {match.entry.text!r}"


def _read(world: World) -> Iterator[tuple[str, str, str, Among]]:
    """Each wording that is read, with its label and where it is looked up."""
    for move in world.moves:
        yield from ((f"move {move.id!r}", move.id, text, "replies") for text in move.said)
        yield from ((f"move {move.id!r}", move.id, text, "orders") for text in (*move.told, *move.forbidden))
    for one in world.situations:
        yield from ((f"situation {one.id!r}", one.id, text, "customers") for text in (*one.customer, *one.unseen))
        yield from ((f"situation {one.id!r}", one.id, text, "descriptions") for text in one.described)
    talk = world.phrases
    yield from (("phrases", SMALL_TALK, text, "replies") for text in (*talk.openers, *talk.closers, *talk.platitudes))
    yield from (("phrases", SMALL_TALK, text, "customers") for text in (*talk.chatter, *talk.thanks, *talk.leaving))


def _misread_move(reader: Reader, move: Move) -> Iterator[str]:
    own = frozenset({move.id})
    for text in move.said:
        if (read := reader.moves(fill(reader.world, text))) != own:
            yield f"move {move.id!r}: said {text!r} is read as {_names(read)}"
    for part, texts in (("told", move.told), ("forbidden", move.forbidden)):
        for text in texts:
            asked = reader.instructions(fill(reader.world, text))
            told, forbidden = asked.told, asked.forbidden
            if (told, forbidden) != ((own, frozenset()) if part == "told" else (frozenset(), own)):
                yield f"move {move.id!r}: {part} {text!r} is read as told {_names(told)}, forbidden {_names(forbidden)}"


def _misread_situation(reader: Reader, situation: Situation) -> Iterator[str]:
    for part in ("customer", "unseen"):
        for text in getattr(situation, part):
            if (read := reader.situation(fill(reader.world, text))) != situation.id:
                yield f"situation {situation.id!r}: {part} {text!r} is read as {read!r}"
    for text in situation.described:
        if (read := reader.described(text)) != situation.id:
            yield f"situation {situation.id!r}: described {text!r} is read as {read!r}"


def _names(ids: frozenset[str]) -> str:
    return ", ".join(repr(id_) for id_ in sorted(ids)) or "nothing"


def _warnings(world: World) -> Iterator[str]:
    required = Counter(move for situation in world.situations for move in situation.required)
    harmful = Counter(move for situation in world.situations for move in situation.harmful)
    for move in world.moves:
        if not required[move.id] and not harmful[move.id]:
            yield f"move {move.id!r} is neither required nor harmful anywhere"
    if not only_poor(world):
        yield "every situation can be met by an agent that only does well; some should be reached by poor replies alone"
    if not required.keys() & harmful.keys():
        yield "no move is required in one situation and harmful in another"
    for name, profile in world.models.items():
        if isinstance(profile, AgentProfile) and not profile.source:
            yield f"model {name!r} does not say where its rates come from (source)"
    yield from _unused_placeholders(world)
    yield from _told_by_domain(world)


def _told_by_domain(world: World) -> Iterator[str]:
    """What the domain's own text asks of every agent in every conversation."""
    reader = Reader(world)
    for part in ("role", "goal", "policy"):
        for sentence in sentences(str(world.domain.get(part, ""))):
            told, forbidden = reader.order(sentence)
            if told or forbidden:
                yield f"domain.{part}: {sentence!r} is read as told {_names(told)}, forbidden {_names(forbidden)}"


def _unused_placeholders(world: World) -> Iterator[str]:
    used = {name for _, text in wordings(world) for name in PLACEHOLDER.findall(text)}
    for name in sorted(world.placeholders.keys() - used):
        yield f"placeholder {name!r} is never used"


def fill(world: World, text: str) -> str:
    """A wording with some value in every placeholder."""

    def value(name: str) -> str:
        values = world.placeholders.get(name, ("",))
        return "1234567890123456789"[: values.digits] if isinstance(values, Digits) else values[-1]

    return PLACEHOLDER.sub(lambda match: value(match[1]), text)
