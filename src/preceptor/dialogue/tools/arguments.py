"""What an agent wrote as arguments of a call, read and held against the tool's schema."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from preceptor.dialogue.domain import ToolSpec
from preceptor.errors import SettingsError, ToolFailed

Check = Callable[[Any], Any]
LONGEST = 100_000
"""Characters of arguments that are looked at; a model that writes more has lost its way."""


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
        said = fault.message.replace("data.", "").replace("data ", "The arguments ")
        raise ToolFailed(f"{said[:300]}.", "arguments") from None


def _references(schema: Any) -> list[str]:
    if isinstance(schema, list | tuple):
        return [ref for part in schema for ref in _references(part)]
    if not isinstance(schema, Mapping):
        return []
    own = [ref for key in ("$ref", "$dynamicRef") if isinstance(ref := schema.get(key), str)]
    return own + [ref for part in schema.values() for ref in _references(part)]
