"""Python functions as models are told of them: a schema read off signature and docstring, arguments made what they ask
for, results written down."""

import inspect
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

import pydantic
import pydantic_core

from preceptor.dialogue.domain import CALLABLE, ToolSpec
from preceptor.dialogue.tools.backend import Visit
from preceptor.errors import SettingsError, ToolFailed

_SECTION = ("args:", "arguments:", "parameters:")
_OTHERS = ("returns:", "raises:", "yields:", "example:", "examples:", "note:", "notes:")


@dataclass(frozen=True)
class Function:
    """A tool."""

    run: Callable[..., Any]
    spec: ToolSpec
    arguments: type[pydantic.BaseModel]
    """Its parameters, in fields of other names, because a parameter may be called as a model's own methods are."""
    parameters: Mapping[str, str]
    """A parameter's name by its field's."""
    visit: str | None
    """The parameter that is given the `Visit`."""

    @classmethod
    def of(cls, run: Callable[..., Any], name: str) -> "Function":
        """Raises: SettingsError: it cannot be called with named arguments, or their types say nothing."""
        if not CALLABLE.fullmatch(name):
            raise SettingsError(f"Tool {name!r}: models can call names of A-Z, a-z, 0-9, _, . and - only.")
        signature = signature_of(run, name)
        about, told = described(inspect.getdoc(run) or "")
        visit: str | None = None
        fields: dict[str, Any] = {}
        for parameter in signature.parameters.values():
            if parameter.annotation is Visit:
                visit = parameter.name
                continue
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise SettingsError(f"Tool {name!r}: parameter {parameter.name!r} has no name to be called by.")
            fields[f"a{len(fields)}"] = _field(parameter, told.get(parameter.name))
        names = {field: made[1].alias for field, made in fields.items()}
        try:
            model = pydantic.create_model(name, __config__=_CONFIG, **fields)
            schema = model.model_json_schema(by_alias=True)
        except (pydantic.PydanticUserError, pydantic_core.SchemaError, TypeError) as fault:
            said = str(fault).partition("\n")[0].rstrip(".")
            raise SettingsError(
                f"Tool {name!r}: the types of its parameters cannot be told in a schema: {said}."
            ) from None
        return cls(run, ToolSpec(name=name, description=about, parameters=_plain(schema)), model, names, visit)

    def read(self, arguments: Mapping[str, Any], visit: Visit) -> dict[str, Any]:
        """What to call it with.

        Raises:
            ToolFailed: the arguments do not fit.
        """
        try:
            made = self.arguments.model_validate(dict(arguments))
        except pydantic.ValidationError as fault:
            raise ToolFailed(_told(fault), "arguments") from None
        given = {name: getattr(made, field) for field, name in self.parameters.items()}
        return given | ({self.visit: visit} if self.visit else {})


_CONFIG = pydantic.ConfigDict(extra="forbid", arbitrary_types_allowed=False, protected_namespaces=())


def signature_of(run: Callable[..., Any], name: str) -> inspect.Signature:
    """Raises: SettingsError: it has none, or its annotations say nothing that is there."""
    try:
        return inspect.signature(run, eval_str=True)
    except Exception as fault:  # annotations are expressions, and may fail in any way
        raise SettingsError(f"Tool {name!r}: its signature cannot be read: {fault}.") from None


def written(result: object) -> str:
    """What a function gave as text: as it is, or as JSON.

    Raises:
        ValueError: it cannot be written so.
    """
    if isinstance(result, str):
        return result
    return pydantic_core.to_json(result, fallback=_of_its_own, bytes_mode="base64", inf_nan_mode="strings").decode()


def _of_its_own(value: object) -> object:
    """What pydantic has no JSON for."""
    return dict(value) if isinstance(value, sqlite3.Row) else str(value)


def described(doc: str) -> tuple[str, dict[str, str]]:
    """What a docstring says of its function, and of each parameter in a section ``Args:``."""
    about: list[str] = []
    told: dict[str, str] = {}
    section, name, depth = "", "", 0
    for line in doc.splitlines():
        word = line.strip().lower()
        if word in (*_SECTION, *_OTHERS):
            section, name = word, ""
        elif not section:
            about.append(line.strip())
        elif section in _SECTION and word:
            indent = len(line) - len(line.lstrip())
            head, colon, text = line.strip().partition(":")
            first, *_ = head.split() or [""]
            if colon and (not name or indent <= depth) and first.isidentifier():
                name, depth = first, indent
                told[name] = text.strip()
            elif name:
                told[name] += f" {line.strip()}"
    return " ".join("\n".join(about).split()), told


def _field(parameter: inspect.Parameter, told: str | None) -> tuple[Any, Any]:
    annotation = Any if parameter.annotation is parameter.empty else parameter.annotation
    described_here = get_origin(annotation) is Annotated and any(
        getattr(part, "description", None) for part in get_args(annotation)[1:]
    )
    default = ... if parameter.default is parameter.empty else parameter.default
    if described_here or not told:
        return annotation, pydantic.Field(default, alias=parameter.name)
    return annotation, pydantic.Field(default, alias=parameter.name, description=told)


def _plain(schema: Any) -> Any:
    """A schema without the titles that pydantic gives to everything: tokens that say nothing."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, part in schema.items():
        if key in ("properties", "$defs") and isinstance(part, dict):
            kept[key] = {name: _plain(one) for name, one in part.items()}
        elif key in ("default", "const", "enum", "examples"):
            kept[key] = part
        elif key != "title":
            kept[key] = _plain(part)
    return kept


def _told(fault: pydantic.ValidationError) -> str:
    """What is wrong with arguments, one thing after the other, without repeating their values."""
    said = []
    for error in fault.errors(include_url=False, include_input=False)[:3]:
        where = ".".join(map(str, error["loc"])) or "the arguments"
        said.append(f"{where}: {error['msg'].removeprefix('Value error, ')}")
    return "; ".join(said) + "."
