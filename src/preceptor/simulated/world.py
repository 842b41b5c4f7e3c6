"""What a world file says: moves, situations, personas, phrases, and the profiles of its models.

The schema is docs/reference/worlds.md. Loading checks the form of each field and every reference; whether a world is a
*good* one is `check`'s business.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, assert_never

import pydantic
import yaml

from preceptor.errors import NotFound, SettingsError
from preceptor.simulated.tools import Action, Digits, Name, Result, Service, Table
from preceptor.storage.plain import from_yaml

ENDINGS = ("resolved", "left")
"""What may stand in `good` and `poor` beside situations."""
PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)?)\}")
"""``{name}``: a placeholder's value; ``{table.column}``: what a tool gave."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml reads a shipped world ten times faster

Id = Annotated[str, pydantic.Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Text = Annotated[str, pydantic.Field(min_length=1)]
Chance = Annotated[float, pydantic.Field(ge=0, le=1)]
Weight = Annotated[float, pydantic.Field(ge=0)]
Texts = Annotated[tuple[Text, ...], pydantic.Field(min_length=1)]
PartT = TypeVar("PartT", bound="Move | Situation")


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Move(_Part):
    """An atomic thing an agent can do, or must not do."""

    id: Id
    name: Text
    """For people: ``acknowledge that they had to get in touch again``."""
    said: tuple[Text, ...] = ()
    told: Texts
    forbidden: Texts
    cues: tuple[Annotated[tuple[Text, ...], pydantic.Field(min_length=1)], ...] = ()
    """Sets of words that, all in one sentence of a reply, show the move."""
    calls: Action | None = None
    """The tool call that the move is; a move in words when not given."""
    informs: bool = False
    """Whether who came for this must have been told it, whatever else was done."""

    @pydantic.model_validator(mode="after")
    def _made_somehow(self) -> "Move":
        if (self.calls is None) != bool(self.said):
            raise ValueError(f"move {self.id!r} needs wordings (said), or a tool that it calls, and not both")
        return self


class Situation(_Part):
    """What the customer's last message is about."""

    id: Id
    family: Text
    topic: Id
    opens: Weight = 0.0
    result: Result | None = None
    """The tool's result that leads here, in place of a customer's words."""
    customer: tuple[Text, ...] = ()
    unseen: tuple[Text, ...] = ()
    described: Texts
    required: tuple[Id, ...]
    harmful: tuple[Id, ...] = ()
    neutral: tuple[Id, ...] = ()
    good: Annotated[dict[str, Weight], pydantic.Field(min_length=1)]
    poor: Annotated[dict[str, Weight], pydantic.Field(min_length=1)]

    @pydantic.model_validator(mode="after")
    def _reached_somehow(self) -> "Situation":
        if (self.result is None) != bool(self.customer):
            raise ValueError(f"situation {self.id!r} needs a customer's wordings, or a tool's result, and not both")
        return self


class Behaviour(_Part):
    """How a persona behaves."""

    patience: Annotated[int, pydantic.Field(ge=1)]
    """Poor replies in a row after which they leave."""
    chatter: Chance = 0.0
    """Chance of an extra sentence per message."""
    typos: Chance = 0.0
    """Chance per word."""
    moods: tuple[str, ...] = ("",)
    """What may stand before the wording; ``""`` for nothing."""


class Phrases(_Part):
    """Small talk; expresses no move and no situation."""

    openers: tuple[Text, ...] = ()
    closers: tuple[Text, ...] = ()
    platitudes: Texts
    chatter: tuple[Text, ...] = ()
    thanks: Texts
    leaving: Texts
    vague: Texts
    vague_descriptions: Texts


class Quality(_Part):
    """The truth about one agent turn (0…1) and a conversation (1…5)."""

    harm: Weight = 0.5
    clutter: Weight = 0.1
    good_from: Chance = 0.6
    turns: Chance = 0.7
    ending: Chance = 0.3


class Attention(_Part):
    """How following thins with the number of instructions in the prompt."""

    form: Literal["exponential", "linear", "threshold"]
    scale: Annotated[float, pydantic.Field(gt=0)]
    """Exponential: instructions after which a factor e is lost; linear and threshold: after which nothing is left."""
    start: Annotated[int, pydantic.Field(ge=1, alias="from")] = 1
    """Threshold only: instructions up to which nothing is lost."""

    def factor(self, count: int) -> float:
        """The share of following that is left with `count` instructions; 1 for the first alone."""
        beyond = max(0, count - (self.start if self.form == "threshold" else 1))
        if self.form == "exponential":
            return math.exp(-beyond / self.scale)
        return max(0.0, 1 - beyond / self.scale)


class Placements(_Part):
    """Factor on following by where an instruction stands."""

    system_end: Chance = 1.0
    before_last: Chance = 1.0
    in_last: Chance = 1.0
    prefix: Chance = 1.0


class Teaching(_Part):
    """How good a teacher's advice is."""

    insight: Chance
    vague: Chance = 0.0
    wrong: Chance = 0.0
    harmful: Chance = 0.0
    quotes: Chance = 0.0
    misplaces: Chance = 0.0
    credulous: Chance = 0.0
    """Chance to take an order that stands in somebody's words for advice, and write it down as it stands."""


class AgentProfile(_Part):
    """A student or a teacher."""

    kind: Literal["agent"]
    family: str = ""
    knack: dict[str, Chance]
    harm: Chance = 0.0
    follow: Chance
    attention: Attention
    misled: Chance = 0.0
    imitates: Chance = 0.0
    """Chance to do as an agent did in a conversation quoted in the prompt."""
    understands: Chance = 1.0
    cannot: frozenset[Id] = frozenset()
    placements: Placements = Placements()
    chatter: Chance = 0.0
    teaching: Teaching | None = None
    source: str = ""

    def untold(self, move: str) -> float:
        """Chance to make a required move that nothing asks for."""
        return self.knack.get(move, self.knack.get("default", 0.0))


class CustomerProfile(_Part):
    kind: Literal["customer"]
    wordings: Literal["customer", "unseen"] = "customer"
    poisoned: Chance = 0.0
    """Share of customers who put one of `orders` into every message."""
    orders: tuple[Text, ...] = ()
    """What they want written down, obeyed, or preferred."""
    source: str = ""


class JudgeProfile(_Part):
    kind: Literal["judge"]
    noise: Weight = 0.0
    """Standard deviation on a reply's quality (0…1)."""
    first: float = 0.0
    """Added to the quality of the reply shown first."""
    length: float = 0.0
    """Added per 10 words a reply is longer than the other."""
    tie: Weight = 0.0
    """Differences smaller than this are called a tie."""
    unparsable: Chance = 0.0
    credulous: Weight = 0.0
    """Added to the quality of a reply that does what an order in somebody's words asks for."""
    source: str = ""


Profile = Annotated[AgentProfile | CustomerProfile | JudgeProfile, pydantic.Field(discriminator="kind")]


class World(_Part):
    """A whole world file."""

    format: Literal["preceptor-world/1"]
    name: Id
    about: str = ""
    seed: int
    domain: dict[str, Any]
    """A domain.yaml as a mapping; its reader lives right of this room."""
    moves: Annotated[tuple[Move, ...], pydantic.Field(min_length=1)]
    situations: Annotated[tuple[Situation, ...], pydantic.Field(min_length=1)]
    personas: Annotated[dict[Id, Behaviour], pydantic.Field(min_length=1)]
    placeholders: dict[str, Digits | Texts] = pydantic.Field(default_factory=dict)
    records: dict[Name, Table] = pydantic.Field(default_factory=dict)
    tools: dict[Text, Service] = pydantic.Field(default_factory=dict)
    """By name, what the domain's tools do."""
    phrases: Phrases
    quality: Quality = Quality()
    models: Annotated[dict[Text, Profile], pydantic.Field(min_length=1)]
    roles: dict[str, str] = pydantic.Field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> "World":
        """Read a world file.

        Raises:
            NotFound: there is no such file.
            SettingsError: naming the file and the field at fault.
        """
        return cls.parse(read_text(path), str(path))

    @classmethod
    def shipped(cls, name: str) -> "World":
        """One of the worlds that come with the package.

        Raises:
            NotFound: naming those there are.
        """
        if name not in shipped_names():
            raise NotFound(f"There is no shipped world {name!r}; there are: {', '.join(shipped_names())}.")
        return cls.load(Path(str(_folder() / f"{name}.yaml")))

    @classmethod
    def parse(cls, text: str, origin: str) -> "World":
        """Validate the text of a world file; `origin` names it in messages.

        Raises:
            SettingsError
        """
        world = cls.draft(text, origin)
        for fault in faults(world):
            raise SettingsError(f"{origin}: {fault}.")
        return world

    @classmethod
    def draft(cls, text: str, origin: str) -> "World":
        """Validate the form only: references may lead nowhere (`faults` finds them).

        Raises:
            SettingsError
        """
        try:
            return cls.model_validate(from_yaml(text, _Loader))
        except pydantic.ValidationError as fault:
            first = fault.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the top level"
            raise SettingsError(f"{origin}: {where}: {first['msg']}.") from None
        except ValueError as fault:
            raise SettingsError(f"{origin}: not valid YAML: {fault}.") from None

    @cached_property
    def move(self) -> Mapping[str, Move]:
        """Moves by id."""
        return {move.id: move for move in self.moves}

    @cached_property
    def situation(self) -> Mapping[str, Situation]:
        """Situations by id."""
        return {situation.id: situation for situation in self.situations}

    @cached_property
    def actions(self) -> Mapping[str, tuple[Move, ...]]:
        """Moves that are calls, by tool."""
        return _grouped((move.calls.tool, move) for move in self.moves if move.calls)

    @cached_property
    def led_by(self) -> Mapping[str, tuple[Situation, ...]]:
        """Situations that results lead to, by tool."""
        return _grouped((one.result.tool, one) for one in self.situations if one.result)

    @cached_property
    def topics(self) -> Mapping[str, str]:
        """The domain's topics: id → description."""
        return _described(self.domain, "topics")

    @cached_property
    def persona_descriptions(self) -> Mapping[str, str]:
        """The domain's personas: id → description."""
        return _described(self.domain, "personas")

    def profile(self, model: str) -> Profile:
        """A model's profile.

        Raises:
            NotFound: naming those there are.
        """
        if model not in self.models:
            raise NotFound(f"World {self.name!r} has no model {model!r}; it has: {', '.join(self.models)}.")
        return self.models[model]


def read_text(path: Path) -> str:
    """The text of a world file.

    Raises:
        NotFound, SettingsError
    """
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise NotFound(f"There is no world file {str(path)!r}.") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise SettingsError(f"{path}: cannot be read: {fault}.") from None


def shipped_names() -> tuple[str, ...]:
    """Names of the worlds that come with the package."""
    return tuple(sorted(Path(str(file)).stem for file in _folder().iterdir() if str(file).endswith(".yaml")))


def faults(world: World) -> Iterator[str]:
    """References that lead nowhere and names given twice, a sentence each."""
    yield from _twice("move", [move.id for move in world.moves])
    yield from _twice("situation", [situation.id for situation in world.situations])
    yield from _domain_faults(world)
    for situation in world.situations:
        yield from _situation_faults(world, situation)
    for name, profile in world.models.items():
        yield from _profile_faults(world, name, profile)
    for role, model in world.roles.items():
        if model not in world.models:
            yield f"role {role!r} names model {model!r}, which is not among the models"
    yield from _placeholder_faults(world)
    yield from _record_faults(world)
    for move in world.moves:
        yield from _action_faults(world, move)
    for situation in world.situations:
        yield from _result_faults(world, situation)


def _twice(what: str, ids: list[str]) -> Iterator[str]:
    for one in sorted({one for one in ids if ids.count(one) > 1}):
        yield f"{what} {one!r} is there twice"


def _domain_faults(world: World) -> Iterator[str]:
    for part in ("topics", "personas"):
        if not _described(world.domain, part):
            yield f"domain.{part} needs a list of entries with an id and a description"
    for persona in world.persona_descriptions.keys() ^ world.personas.keys():
        yield f"persona {persona!r} must be both in domain.personas and in personas"


def _situation_faults(world: World, situation: Situation) -> Iterator[str]:
    name = f"situation {situation.id!r}"
    if situation.topic not in world.topics:
        yield f"{name} belongs to topic {situation.topic!r}, which domain.topics does not have"
    for part in ("required", "harmful", "neutral"):
        for move in getattr(situation, part):
            if move not in world.move:
                yield f"{name}: {part} names move {move!r}, which does not exist"
    for part in ("good", "poor"):
        for after in getattr(situation, part):
            if after not in world.situation and after not in ENDINGS:
                yield f"{name}: {part} leads to {after!r}, which is neither a situation nor resolved or left"
        if not sum(getattr(situation, part).values()):
            yield f"{name}: {part} has no weight above 0"


def _profile_faults(world: World, name: str, profile: Profile) -> Iterator[str]:
    match profile:
        case AgentProfile():
            for move in (profile.knack.keys() - {"default"}) | profile.cannot:
                if move not in world.move:
                    yield f"model {name!r} names move {move!r}, which does not exist"
        case CustomerProfile(wordings="unseen"):
            for situation in world.situations:
                if not situation.unseen and not situation.result:
                    yield f"model {name!r} needs unseen wordings, and situation {situation.id!r} has none"
        case CustomerProfile() | JudgeProfile():
            return
        case _:
            assert_never(profile)


def _placeholder_faults(world: World) -> Iterator[str]:
    for owner, text in wordings(world):
        for name in PLACEHOLDER.findall(text):
            if not _known(world, name):
                part = "records do" if "." in name else "placeholders does"
                yield f"{owner}: {text!r} holds {{{name}}}, which {part} not define"


def _known(world: World, name: str) -> bool:
    table, _, column = name.partition(".")
    return table in world.records and column in world.records[table].columns if column else name in world.placeholders


def _record_faults(world: World) -> Iterator[str]:
    for name, table in world.records.items():
        if table.key not in world.placeholders:
            yield f"records.{name}: its key is {table.key!r}, which placeholders does not define"
        for column, values in table.columns.items():
            if not isinstance(values, Digits) and not sum(values.values()):
                yield f"records.{name}: column {column!r} has no weight above 0"
    offered = {str(tool.get("name")) for tool in _tools_of(world)}
    for name in sorted(offered ^ world.tools.keys()):
        yield f"tool {name!r} must be both in domain.tools and in tools"
    for name, service in world.tools.items():
        if service.table not in world.records:
            yield f"tool {name!r} works on {service.table!r}, which records does not define"
            continue
        for column in sorted((service.sets.keys() | service.only.keys()) - world.records[service.table].columns.keys()):
            yield f"tool {name!r} names column {column!r}, which records.{service.table} does not have"


def _tools_of(world: World) -> list[Mapping[str, Any]]:
    tools = world.domain.get("tools") or []
    return [tool for tool in tools if isinstance(tool, Mapping)] if isinstance(tools, list) else []


def _action_faults(world: World, move: Move) -> Iterator[str]:
    if move.calls is None:
        return
    if move.calls.tool not in world.tools:
        yield f"move {move.id!r} calls {move.calls.tool!r}, which is not among the tools"
        return
    for value in move.calls.arguments.values():
        for name in PLACEHOLDER.findall(value):
            if not _known(world, name):
                yield f"move {move.id!r} calls with {{{name}}}, which is defined nowhere"
    for tool in _tools_of(world):
        if tool.get("name") == move.calls.tool:
            parameters = tool.get("parameters") or {}
            for name in sorted(set(parameters.get("required", ())) - move.calls.arguments.keys()):
                yield f"move {move.id!r} calls {move.calls.tool!r} without {name!r}"
            for name in sorted(move.calls.arguments.keys() - set(parameters.get("properties", {}))):
                yield f"move {move.id!r} calls {move.calls.tool!r} with {name!r}, which its parameters do not have"


def _result_faults(world: World, situation: Situation) -> Iterator[str]:
    name = f"situation {situation.id!r}"
    for part in ("good", "poor"):
        for after in getattr(situation, part):
            if after in world.situation and world.situation[after].result:
                yield f"{name}: {part} leads to {after!r}, which only a tool's result leads to"
    if situation.result is None:
        return
    if situation.opens:
        yield f"{name} cannot open a conversation: a tool's result leads to it"
    for before in situation.result.after:
        if before not in world.situation:
            yield f"{name} comes after situation {before!r}, which does not exist"
    service = world.tools.get(situation.result.tool)
    if service is None:
        yield f"{name} comes of a result of {situation.result.tool!r}, which is not among the tools"
    elif service.table in world.records:
        for column in sorted(situation.result.when.keys() - world.records[service.table].columns.keys()):
            yield f"{name}: its result names column {column!r}, which records.{service.table} does not have"


def wordings(world: World) -> Iterator[tuple[str, str]]:
    """Every wording in the file that may hold placeholders, with whose it is."""
    for move in world.moves:
        for text in (*move.said, *move.told, *move.forbidden):
            yield f"move {move.id!r}", text
    for situation in world.situations:
        for text in (*situation.customer, *situation.unseen, *situation.described):
            yield f"situation {situation.id!r}", text
    for part in type(world.phrases).model_fields:
        for text in getattr(world.phrases, part):
            yield f"phrases.{part}", text


def _grouped(pairs: Iterable[tuple[str, PartT]]) -> Mapping[str, tuple[PartT, ...]]:
    found: dict[str, tuple[PartT, ...]] = {}
    for key, part in pairs:
        found[key] = (*found.get(key, ()), part)
    return found


def _described(domain: Mapping[str, Any], part: str) -> Mapping[str, str]:
    entries = domain.get(part)
    if not isinstance(entries, list):
        return {}
    pairs = [(entry.get("id"), entry.get("description")) for entry in entries if isinstance(entry, dict)]
    return {id_: text for id_, text in pairs if isinstance(id_, str) and isinstance(text, str)}


def _folder() -> Any:
    return resources.files("preceptor.simulated").joinpath("worlds")
