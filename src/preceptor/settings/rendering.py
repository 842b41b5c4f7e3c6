"""The settings' schema for people: a reference page, and the commented file a new project starts with."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pydantic
from pydantic.fields import FieldInfo

from preceptor.settings.schema import (
    AnyArm,
    AnyModel,
    ArmSection,
    Endpoint,
    EvaluationSection,
    ModelsSection,
    Settings,
    Simulated,
)

WIDTH = 100

MODELS = "models.ROLE"
ARMS = "evaluation.arms"


@dataclass(frozen=True)
class _Table:
    """A table of the file, or the part of one that all models or one kind of them have."""

    name: str
    when: str
    about: str
    keys: Mapping[str, FieldInfo]
    last: bool = False
    """The last part of the models' table."""
    named: bool = False
    """There may be several, each under a name of the user's."""


def undocumented() -> list[str]:
    """Keys, and kinds of arms, without a line that says what they mean."""
    tables = [(table.name, table.about, table.keys) for table in _tables()]
    arms = [(f"{ARMS}.{arm.kind}", arm.about, arm.keys) for arm in _arms()]
    bare = [name for name, about, _ in arms if not about]
    return bare + [
        f"{name}.{key}" for name, _, keys in tables + arms for key, field in keys.items() if not field.description
    ]


def reference() -> str:
    """docs/reference/settings.md."""
    parts = [_HEAD]
    for table in _tables():
        parts += [f"## `[{table.name}]`{table.when}", table.about, _markdown(table.keys)]
        if table.name == "evaluation":
            parts += [f"## `[{ARMS}]`", *_arms_page()]
    return "\n\n".join(parts) + "\n"


def commented(values: Mapping[str, Mapping[str, Any]]) -> str:
    """A settings file that shows every key: those in `values` set, the others commented out at their defaults.

    Args:
        values: by section name, such as ``models.teacher``.
    """
    parts = ["# Settings of this preceptor project. Keys that are commented out show their defaults."]
    for table in _tables():
        if table.named:
            parts.append(_comment(f"Keys of [{table.name}]: {table.about}") + "\n" + _listed(table.keys))
        elif table.name != MODELS:
            parts.append("\n".join([_comment(table.about), f"[{table.name}]"]))
            parts += _lines(table.keys, values.get(table.name, {}))
            if table.name == "evaluation":
                parts.append(_arms_commented(values.get(ARMS, {})))
        else:
            parts.append(_comment(f"Keys of [{table.name}]{table.when}: {table.about}") + "\n" + _listed(table.keys))
        if table.last:
            parts += _roles(values)
    return "\n\n".join(parts) + "\n"


def _roles(values: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for role, field in ModelsSection.model_fields.items():
        name = f"models.{role}"
        set_here = (f"{key} = {toml(value)}" for key, value in values[name].items())
        yield "\n".join([_comment(_text(field.description)), f"[{name}]", *set_here])


def _listed(keys: Mapping[str, FieldInfo]) -> str:
    """Keys explained without being settable where they stand: taking the comment off would set another table's."""
    return "\n".join(
        _comment(f"- {key} ({kind_of(field)}): {_text(field.description)}", indent="  ") for key, field in keys.items()
    )


def _lines(keys: Mapping[str, FieldInfo], values: Mapping[str, Any]) -> Iterator[str]:
    for key, field in keys.items():
        line = f"{key} = {toml(values[key])}" if key in values else f"# {key} = {_shown_default(field)}"
        yield f"{_comment(_text(field.description))}\n{line}"


def _shown_default(field: FieldInfo) -> str:
    """The default, or where there is none, what kind of thing goes there."""
    return f"({kind_of(field)})" if field.is_required() or field.default is None else toml(field.default)


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float() | Decimal():
            return str(value)
        case Mapping():
            return _inline(value) if value else "{}"
        case list() | tuple():
            return f"[{', '.join(map(toml, value))}]"
        case _:
            return json.dumps(str(value), ensure_ascii=False)


def kind_of(field: FieldInfo) -> str:
    """What may stand there, in words: ``number``, ``"a" or "b"``…"""
    return _kind(field.annotation)


def _kind(annotation: Any) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(args[0])
    if origin in (Union, UnionType):
        return " or ".join(_kind(arg) for arg in args if arg is not type(None))
    if origin is Literal:
        return " or ".join(json.dumps(arg) for arg in args)
    if origin is dict:
        return "table"
    if origin is tuple:
        return f"list of {_kind(args[0])}s"
    return _WORDS[annotation]


_WORDS: dict[Any, str] = {
    str: "text",
    Path: "path",
    bool: "true or false",
    int: "whole number",
    float: "number",
    Decimal: "number",
}


def _tables() -> Iterator[_Table]:
    """Every table of the file; the models' once for what all share and once for each kind."""
    for name, field in Settings.model_fields.items():
        section = _section(field)
        if section is not ModelsSection:
            keys = {key: field for key, field in section.model_fields.items() if f"{name}.{key}" != ARMS}
            several = {key: kind for key, field in keys.items() if (kind := _several(field))}
            one = {key: field for key, field in keys.items() if key not in several}
            yield _Table(name, "", _text(section.__doc__), one)
            for key, kind in several.items():
                yield _Table(f"{name}.{key}.NAME", "", _text(kind.__doc__), kind.model_fields, named=True)
            continue
        yield _Table(MODELS, "", _text(AnyModel.__doc__), AnyModel.model_fields)
        for kind in (Simulated, Endpoint):
            own = {key: field for key, field in kind.model_fields.items() if key not in AnyModel.model_fields}
            yield _Table(MODELS, f" with kind = {kind_of(own['kind'])}", _text(kind.__doc__), own, kind is Endpoint)


@dataclass(frozen=True)
class _Arm:
    """A kind of arm."""

    kind: str
    about: str
    keys: Mapping[str, FieldInfo]
    """Its own, without `kind`."""


def _arms() -> Iterator[_Arm]:
    for section in get_args(get_args(ArmSection)[0]):
        (kind,) = get_args(section.model_fields["kind"].annotation)
        own = {k: field for k, field in section.model_fields.items() if k != "kind" and k not in AnyArm.model_fields}
        yield _Arm(kind, _text(section.__doc__), own)


def _arms_page() -> Iterator[str]:
    field = EvaluationSection.model_fields["arms"]
    yield f"{_text(field.description)} {_text(AnyArm.__doc__)}"
    yield "\n".join(["```toml", f"[{ARMS}]", *_arm_lines(field.default), "```"])
    yield _markdown(AnyArm.model_fields)
    rows = ["| kind | what it is | keys of its own |", "|---|---|---|"]
    for arm in _arms():
        keys = " ".join(f"`{key}` ({kind_of(field)}): {_text(field.description)}" for key, field in arm.keys.items())
        rows.append(f"| `{arm.kind}` | {arm.about} | {keys} |")
    yield "\n".join(rows)


def _arms_commented(values: Mapping[str, Any]) -> str:
    """The kinds explained; then the arms set, or the defaults commented out."""
    field = EvaluationSection.model_fields["arms"]
    lines = [_comment(f"{_text(field.description)} NAME = {{ kind = … }}, where kind is one of:")]
    for arm in _arms():
        own = " ".join(f"{key} ({kind_of(field)}): {_text(field.description)}" for key, field in arm.keys.items())
        lines.append(_comment(f"- {arm.kind}: {arm.about} {own}", indent="  "))
    lines += [_comment("Keys of every kind:"), _listed(AnyArm.model_fields)]
    chosen = [f"{json.dumps(name)} = {_inline(arm)}" for name, arm in values.items()]
    return "\n".join([*lines, f"[{ARMS}]", *(chosen or (f"# {line}" for line in _arm_lines(field.default)))])


def _arm_lines(arms: Mapping[str, Any]) -> Iterator[str]:
    return (f'{name} = {{ kind = "{arm.kind}" }}' for name, arm in arms.items())


def _inline(values: Mapping[str, Any]) -> str:
    return f"{{ {', '.join(f'{key} = {toml(value)}' for key, value in values.items())} }}"


def _section(field: FieldInfo) -> type[pydantic.BaseModel]:
    section = field.annotation
    assert isinstance(section, type)
    return section


def _several(field: FieldInfo) -> type[pydantic.BaseModel] | None:
    """The section of which a key holds several, by name; None for one of several kinds, which have tables elsewhere."""
    if get_origin(field.annotation) is not dict:
        return None
    kind = get_args(field.annotation)[1]
    return kind if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel) else None


def _markdown(keys: Mapping[str, FieldInfo]) -> str:
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, field in keys.items():
        default = "required" if field.is_required() else "" if field.default is None else f"`{toml(field.default)}`"
        rows.append(f"| `{key}` | {kind_of(field)} | {default} | {_text(field.description)} |")
    return "\n".join(rows)


def _comment(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text, WIDTH, initial_indent=f"# {indent}", subsequent_indent=f"# {indent * 2}", break_on_hyphens=False
    )


def _text(text: str | None) -> str:
    return " ".join((text or "").split())


_HEAD = """# Settings

<!-- Generated from src/preceptor/settings/schema.py by `make docs`; do not edit. -->

One file, `preceptor.toml`, in the project's folder; `preceptor init NAME` writes one with every key in it. What stands
in the file can be overruled for one command with `--set section.key=value`. Secrets never stand in it: `key_env` names
the environment variable that holds a key. A key that is not listed here is refused, with the nearest one that is."""
