"""What an agent wrote as arguments of a call, read and held against the tool's schema."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from preceptor.dialogue.domain import ToolSpec
from preceptor.errors import SettingsError, ToolFailed

Check = Callable[[Any], Any]
LONGEST = 100_000
"""Characters of arguments that are looked at; a model that writes more has lost its way."""
DEEPEST = 64
"""Levels of objects and lists in them: no tool asks for more, and what writes calls down goes no deeper than 254."""


def parsed(text: str) -> dict[str, Any]:
    """Raises: ToolFailed: it is no JSON object."""
    if len(text) > LONGEST:
        raise ToolFailed(f"The arguments are longer than {LONGEST:,} characters.", "arguments")
    try:
        # Many models write nothing at all where a tool takes no arguments.
        found = orjson.loads(text) if text.strip() else {}
    except orjson.JSONDecodeError as fault:
        raise ToolFailed(f"The arguments are not valid JSON: {fault}.", "arguments") from None
    if not isinstance(found, dict):
        raise ToolFailed("The arguments must be a JSON object.", "arguments")
    if _is_deep(found):
        raise ToolFailed(f"The arguments are nested deeper than {DEEPEST} levels.", "arguments")
    return found


def checker(spec: ToolSpec) -> Check:
    """Holds arguments against a schema that a person wrote. What it raises, `check` tells.

    Raises:
        SettingsError: it is no schema, or points out of the file.
    """
    import fastjsonschema

    schema = {"type": "object", **spec.parameters}
    if foreign := next((ref for ref in _references(schema) if not ref.startswith("#")), None):
        raise SettingsError(f"Tool {spec.name!r}: its schema refers to {foreign!r}, which is not in it.")
    try:
        made: Check = fastjsonschema.compile(schema, use_default=False, use_formats=False)
    except (fastjsonschema.JsonSchemaException, ValueError, TypeError, AttributeError, SyntaxError) as fault:
        raise SettingsError(f"Tool {spec.name!r}: its parameters are no JSON schema: {fault}.") from None
    return made


def check(checked: Check, arguments: Mapping[str, Any]) -> None:
    """Raises: ToolFailed: the arguments do not fit."""
    import fastjsonschema

    try:
        checked(arguments)
    except fastjsonschema.JsonSchemaValueException as fault:
        # Its message begins with the place, which begins with "data".
        place = fault.name or "data"
        where = place.removeprefix("data").removeprefix(".") or "The arguments"
        said = fault.message.removeprefix(place).strip()
        raise ToolFailed(f"{where} {said[:300]}.", "arguments") from None


def _is_deep(found: dict[str, Any]) -> bool:
    level: list[Any] = [found]
    for _ in range(DEEPEST):
        inside = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [part for parts in inside for part in parts]
    return bool(level)


def _references(schema: Any) -> list[str]:
    if isinstance(schema, list | tuple):
        return [ref for part in schema for ref in _references(part)]
    if not isinstance(schema, Mapping):
        return []
    own = [ref for key in ("$ref", "$dynamicRef") if isinstance(ref := schema.get(key), str)]
    return own + [ref for part in schema.values() for ref in _references(part)]
