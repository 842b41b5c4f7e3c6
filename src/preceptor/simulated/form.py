"""Filling a form nobody told the model about: a value of the right type for every field of a JSON schema."""

from collections.abc import Mapping
from typing import Any

from preceptor.simulated.chance import Chance

_DEEPEST = 6
"""Levels after which optional parts are left out: schemas may be recursive."""


def filled(schema: Mapping[str, Any], text: str, chance: Chance) -> Any:
    """A value that fits a JSON schema as models' tasks use it; strings say `text`."""
    return _value(schema, schema, text, chance, ())


def _value(part: Mapping[str, Any], whole: Mapping[str, Any], text: str, chance: Chance, path: tuple[str, ...]) -> Any:
    if reference := part.get("$ref"):
        return _value(_resolve(str(reference), whole), whole, text, chance, path)
    if "const" in part:
        return part["const"]
    if options := part.get("enum"):
        return chance.pick(options, "form", *path)
    for several in ("anyOf", "oneOf", "allOf"):
        if choices := part.get(several):
            return _value(choices[0], whole, text, chance, path)
    return _typed(part, whole, text, chance, path)


def _typed(part: Mapping[str, Any], whole: Mapping[str, Any], text: str, chance: Chance, path: tuple[str, ...]) -> Any:
    kind = part.get("type", "object" if "properties" in part else "string")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            fields = part.get("properties", {}) if len(path) < _DEEPEST else {}
            return {name: _value(field, whole, text, chance, (*path, name)) for name, field in fields.items()}
        case "array":
            least = 1 if len(path) < _DEEPEST else 0
            count = max(int(part.get("minItems", 0)), least)
            return [_value(part.get("items", {}), whole, text, chance, (*path, str(n))) for n in range(count)]
        case "integer" | "number":
            return _number(part, chance, path)
        case "boolean":
            return chance.happens(0.5, "form", *path)
        case "null":
            return None
        case _:
            return text[: part["maxLength"]] if "maxLength" in part else text


def _number(part: Mapping[str, Any], chance: Chance, path: tuple[str, ...]) -> int | float:
    low = float(part.get("minimum", part.get("exclusiveMinimum", 0)))
    high = float(part.get("maximum", part.get("exclusiveMaximum", low + 1)))
    value = low + chance.draw("form", *path) * (high - low)
    return round(value) if part.get("type") == "integer" else round(value, 2)


def _resolve(reference: str, whole: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = whole
    for step in reference.removeprefix("#/").split("/"):
        found = found.get(step, {}) if isinstance(found, Mapping) else {}
    return found if isinstance(found, Mapping) else {}
