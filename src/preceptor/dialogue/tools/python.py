"""Python functions as tools: their schema read off signature and docstring, their arguments made what they ask for."""

import asyncio
import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, get_args, get_origin

import pydantic
import pydantic_core

from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.domain import CALLABLE, ToolSpec
from preceptor.dialogue.outcome import Outcome
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


def own_functions(where: str, folder: Path) -> Mapping[str, Callable[..., Any]]:
    """The public functions that a file (relative to `folder`) or a module defines itself.

    Raises:
        SettingsError: it cannot be imported, or has none.
    """
    module = _module(where, folder)
    found = {name: found for name, found in vars(module).items() if _own(module, name, found)}
    if not found:
        raise SettingsError(f"{where}: has no function that could be a tool.")
    return found


@dataclass(frozen=True)
class PythonTools:
    """A `Backend`: functions that are awaited, or run in worker threads where they are not `async`."""

    functions: Mapping[str, Function]

    @classmethod
    def load(cls, where: str, folder: Path, names: Sequence[str] = ()) -> "PythonTools":
        """The functions of a file (relative to `folder`) or of a module; of these names, or all that are its own.

        Raises:
            SettingsError: it cannot be imported, or has no such function.
        """
        module = _module(where, folder)
        wanted = names or [name for name, found in vars(module).items() if _own(module, name, found)]
        if not wanted:
            raise SettingsError(f"{where}: has no function that could be a tool.")
        functions: dict[str, Function] = {}
        for name in wanted:
            run = getattr(module, name, None)
            if not inspect.isroutine(run):
                known = ", ".join(key for key, found in vars(module).items() if _own(module, key, found))
                raise SettingsError(f"{where}: has no function {name!r} for the tool of that name; it has: {known}.")
            functions[name] = Function.of(run, name)
        return cls(functions)

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        return tuple(function.spec for function in self.functions.values())

    async def call(self, name: str, arguments: Mapping[str, Any], visit: Visit, key: str) -> str:
        """Raises: ToolFailed"""
        function = self.functions[name]
        try:
            given = function.read(arguments, visit)
            if inspect.iscoroutinefunction(function.run):
                return written(await function.run(**given))
            return written(await _aside(lambda: function.run(**given)))
        except ToolFailed:
            raise
        except (Exception, SystemExit) as fault:
            about = f"{type(fault).__name__} {_place(fault)}".strip()
            raise ToolFailed("The tool failed.", "broken", about) from fault

    async def ready(self, visit: Visit) -> None:
        pass

    def outcome(self, visit: Visit, conversation: Conversation) -> Outcome | None:
        return None

    async def leave(self, visit: Visit) -> None:
        pass

    async def aclose(self) -> None:
        pass


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


async def _aside(work: Callable[[], object]) -> object:
    """Run in a thread of its own that nobody waits for when the process ends: a thread cannot be stopped, and a tool
    that hangs must not keep a run from ending."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[tuple[object, BaseException | None]] = loop.create_future()

    def settle(result: object, fault: BaseException | None) -> None:
        if not ended.done():
            ended.set_result((result, fault))

    def run() -> None:
        result: object = None
        fault: BaseException | None = None
        try:
            result = work()
        except BaseException as raised:
            fault = raised
        with contextlib.suppress(RuntimeError):  # nobody is there any more
            loop.call_soon_threadsafe(settle, result, fault)

    threading.Thread(target=run, name="tool", daemon=True).start()
    result, fault = await ended
    if fault is not None:
        raise fault
    return result


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


def _own(module: ModuleType, name: str, found: object) -> bool:
    return not name.startswith("_") and inspect.isfunction(found) and found.__module__ == module.__name__


def _module(where: str, folder: Path) -> ModuleType:
    path = folder / where
    try:
        if where.endswith(".py"):
            if not path.is_file():
                raise SettingsError(f"There is no file {str(path)!r} for the tools.")
            return _from_file(path)
        with _beside(folder):
            return importlib.import_module(where)
    except SettingsError:
        raise
    except (Exception, SystemExit) as fault:
        raise SettingsError(f"{where}: cannot be imported: {type(fault).__name__}: {fault} {_place(fault)}.") from fault


def _from_file(path: Path) -> ModuleType:
    name = f"preceptor_tools_{hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and forward references look their module up
    try:
        with _beside(path.parent):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """What stands in a folder can be imported, as when a program there is run."""
    place = str(folder.absolute())
    sys.path.insert(0, place)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(place)


def _place(fault: BaseException) -> str:
    """Where an exception was raised: the last line of a file that is not Python's own way of calling things."""
    if isinstance(fault, SyntaxError) and fault.filename:
        return f"({Path(fault.filename).name}, line {fault.lineno})"
    trace, place = fault.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if "importlib" not in code.co_filename and code.co_filename != __file__:
            place = f"({Path(code.co_filename).name}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return place
