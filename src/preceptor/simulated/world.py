"""What a world file says: moves, situations, personas, phrases, records and models.

The schema is docs/reference/worlds.md. Loading checks the form of each field and every reference; whether a world is a
*good* one is `check`'s business.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
import yaml

from preceptor.errors import NotFound, SettingsError
from preceptor.simulated.fields import Chance, Id, Name, Part, Text, Texts, Weight
from preceptor.simulated.profiles import Profile
from preceptor.simulated.references import faults
from preceptor.simulated.tools import Action, Digits, Result, Service, Table
from preceptor.storage.plain import from_yaml

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml reads a shipped world ten times faster

PartT = TypeVar("PartT", bound="Move | Situation")


class Move(Part):
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


class Situation(Part):
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


class Behaviour(Part):
    """How a persona behaves."""

    patience: Annotated[int, pydantic.Field(ge=1)]
    """Poor replies in a row after which they leave."""
    chatter: Chance = 0.0
    """Chance of an extra sentence per message."""
    typos: Chance = 0.0
    """Chance per word."""
    moods: tuple[str, ...] = ("",)
    """What may stand before the wording; ``""`` for nothing."""


class Phrases(Part):
    """Small talk; expresses no move and no situation."""

    openers: tuple[Text, ...] = ()
    closers: tuple[Text, ...] = ()
    platitudes: Texts
    chatter: tuple[Text, ...] = ()
    thanks: Texts
    leaving: Texts
    vague: Texts
    vague_descriptions: Texts


class Quality(Part):
    """The truth about one agent turn (0…1) and a conversation (1…5)."""

    harm: Weight = 0.5
    clutter: Weight = 0.1
    good_from: Chance = 0.6
    turns: Chance = 0.7
    ending: Chance = 0.3


class World(Part):
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
