"""From the text of a settings file to `Settings`, with faults told in the words of the file."""

import difflib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pydantic

from preceptor.errors import NotFound, SettingsError
from preceptor.settings.schema import Settings

FILE = "preceptor.toml"


def read(path: Path, overrides: Sequence[str] = ()) -> Settings:
    """The settings of a file, with overrides (``section.key=value``) on top.

    Raises:
        NotFound: there is no such file.
        SettingsError: naming the file and the line, or the key at fault and the nearest known one.
    """
    data = _parse(_text(path), str(path))
    for override in overrides:
        _override(data, override)
    try:
        return Settings.model_validate(data)
    except pydantic.ValidationError as fault:
        raise SettingsError(f"{path}: {_sentence(fault)}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise NotFound(
            f"There is no settings file {str(path)!r}. Make a project with `preceptor init NAME`, or say where it is "
            "with --project."
        ) from None
    except OSError as fault:
        raise SettingsError(f"{path}: cannot be read: {fault.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: cannot be read: it is not UTF-8 text.") from None


def _parse(text: str, origin: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as fault:
        twice = " Each section stands once: put keys under the one that is there." if "twice" in str(fault) else ""
        raise SettingsError(f"{origin}: not valid TOML: {fault}.{twice}") from None


def _override(data: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    *sections, last = key.strip().split(".")
    if not equals or not sections:
        raise SettingsError(f"--set {override!r}: expected section.key=value, such as models.student.temperature=0.2.")
    for section in sections:
        data = data.setdefault(section, {})
        if not isinstance(data, dict):
            raise SettingsError(f"--set {override!r}: {section!r} is not a section.")
    data[last] = _value(value.strip())


def _value(text: str) -> Any:
    """TOML where it is TOML, text otherwise: shells eat the quotes."""
    try:
        return tomllib.loads(f"value = {text}", parse_float=Decimal)["value"]
    except tomllib.TOMLDecodeError:
        return text


def _sentence(fault: pydantic.ValidationError) -> str:
    first = min(fault.errors(include_url=False), key=lambda error: error["type"] != "extra_forbidden")
    place = _locate(first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown {place.what} {place.key!r}{place.where}; {_suggestion(place.key, place.known)}"
    if first["type"] == "missing":
        return f"{place.what} {place.key!r} is missing{place.where}."
    if first["type"].startswith("union_tag"):
        return f"{place.path}: needs a kind, one of {first['ctx'].get('expected_tags', 'openai, simulated')}."
    said = first["msg"].removeprefix("Value error, ")
    return f"{place.path}: {said}." if place.path else f"{said}."


@dataclass(frozen=True)
class _Place:
    """Where in the file a fault is."""

    path: str
    key: str
    where: str
    """`` in [section]``, or nothing at the top."""
    what: str
    known: tuple[str, ...]
    """The keys that could stand there."""


def _locate(loc: Sequence[str | int]) -> _Place:
    shown: list[str] = []
    at: Any = Settings
    known: tuple[str, ...] = ()
    for part in map(str, loc):
        if _is_section(at):
            known = tuple(at.model_fields)
            field = at.model_fields.get(part)
            at = field.annotation if field else None
            shown.append(part)
        elif get_origin(at) is dict:
            at = get_args(at)[1]
            shown.append(part)
        elif chosen := _member(at, part):
            at = chosen  # a discriminator's tag: in the location, but not in the file
        else:
            shown.append(part)
    path, key = ".".join(shown), shown[-1] if shown else ""
    where = f" in [{'.'.join(shown[:-1])}]" if len(shown) > 1 else ""
    return _Place(path, key, where, "key" if where else "section", known)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)


def _member(kind: Any, tag: str) -> Any:
    """The section of a union that carries `tag` as its kind."""
    members = get_args(get_args(kind)[0] if get_origin(kind) is Annotated else kind)
    for member in members:
        if _is_section(member) and tag in get_args(member.model_fields["kind"].annotation):
            return member
    return None


def _suggestion(key: str, known: Sequence[str]) -> str:
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"did you mean {nearest[0]!r}?" if nearest else f"there are: {', '.join(known)}."
