"""What the gateway needs to know of a request, whatever protocol it came in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import pydantic

from preceptor.dialogue.conversation import Turn
from preceptor.library.model import Placement
from preceptor.serving.refusals import Refused
from preceptor.serving.splice import Document, Edit, Malformed

FIELD = "preceptor"
"""The field of a request that is for the gateway; no upstream sees it."""


class Wishes(pydantic.BaseModel):
    """What a request may ask of the gateway, in its field or in headers named ``x-preceptor-…``."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    teaching: Literal["on", "off"] = "on"
    """``off``: the request goes out as it came."""
    release: str | None = None
    """The beginning of the hash of the release to use; the live one when not given."""
    explain: bool = False
    """Say in a header what was found, and in how many milliseconds."""
    conversation: str | None = None
    """The application's own name for the conversation; its first turns name it when not given."""


@dataclass(frozen=True)
class Asked:
    """A request that was read."""

    document: Document
    turns: tuple[Turn, ...]
    """The conversation, as retrieval reads it: who said what; tool calls are left out."""
    model: str | None
    """The model asked for; None leaves it to the upstream."""
    stream: bool
    wishes: Wishes | None
    """What stands in the request's own field; None: there is none."""

    @property
    def teachable(self) -> bool:
        """Whether a customer has said anything that can be read."""
        return any(turn.party == "customer" and turn.text for turn in self.turns)


class Speech(Protocol):
    """A protocol: where the conversation stands in a body, where the slot goes, what an error looks like."""

    @property
    def name(self) -> str:
        """For metrics and logs."""

    @property
    def path(self) -> str:
        """Below the upstream's base URL."""

    def read(self, body: bytes) -> Asked:
        """Raises: Refused: the body is malformed."""

    def insert(self, asked: Asked, slot: str, placement: Placement) -> list[Edit]:
        """The edits that put a slot in. `asked` is teachable."""

    def keyed(self, key: str) -> Mapping[str, str]:
        """The headers that carry an upstream's key."""

    def error(self, refused: Refused) -> bytes:
        """A refusal as a body."""

    def broken(self, refused: Refused) -> bytes:
        """A refusal as an event at the end of a stream that was cut."""


def opened(body: bytes, *lists: str) -> Document:
    """A body as a document.

    Raises:
        Refused: it is not a JSON object.
    """
    try:
        return Document.read(body, lists)
    except Malformed as fault:
        raise Refused(400, f"The body is not a JSON object: {fault}.") from None


def model_of(document: Document) -> str | None:
    """Raises: Refused: the model's name is no text."""
    model = document.get("model")
    if model is not None and not isinstance(model, str):
        raise Refused(400, f"`model` is {_shown(model)}; it must be a text.", "model")
    return model


def wishes_of(document: Document) -> Wishes | None:
    """Raises: Refused: the gateway's field holds something else."""
    part = document.part(FIELD)
    if part is None:
        return None
    try:
        return Wishes.model_validate(part.value, strict=True)
    except pydantic.ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        where = ".".join([FIELD, *map(str, first["loc"])])
        raise Refused(400, f"`{where}`: {first['msg']}.", where) from None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
