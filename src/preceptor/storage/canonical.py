"""Canonical JSON and content hashes: the same value always gives the same bytes and the same name.

Keys sorted, no spaces, UTF-8, no NaN. Dataclasses, pydantic models, tuples and paths are accepted, so that
what is hashed is the value and not the class that happened to carry it.
"""

import dataclasses
import hashlib
from functools import lru_cache
from pathlib import PurePath
from typing import Any

import orjson
import pydantic

_OPTIONS = (
    orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_DATACLASS
)


def canonical(value: Any) -> bytes:
    """The canonical JSON bytes of a value.

    Raises:
        TypeError: the value holds something that has no JSON form.
    """
    return orjson.dumps(value, default=_plain, option=_OPTIONS)


def content_hash(value: Any) -> str:
    """SHA-256 of the canonical JSON, as 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def short_id(prefix: str, value: Any) -> str:
    """A readable content-derived id, such as ``sc-1f09ab23cd45``."""
    return f"{prefix}-{content_hash(value)[:12]}"


@lru_cache
def _fields(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def _plain(value: Any) -> Any:
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: getattr(value, name) for name in _fields(type(value))}
    if isinstance(value, frozenset | set):
        return sorted(value)
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no canonical JSON form")
