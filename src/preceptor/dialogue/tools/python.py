"""Python functions as tools: found in a file or a module, awaited or run in threads."""

import asyncio
import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.domain import ToolSpec
from preceptor.dialogue.outcome import Outcome
from preceptor.dialogue.tools.backend import Visit
from preceptor.dialogue.tools.functions import Function, written
from preceptor.errors import SettingsError, ToolFailed

_HERE = Path(__file__).parent


def own_functions(where: str, folder: Path) -> Mapping[str, Callable[..., Any]]:
    """The public functions that a file (relative to `folder`) or a module defines itself.

    Raises:
        SettingsError: it cannot be imported, or has none.
    """
    found = _own(_module(where, folder))
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
        if not names:
            return cls({name: Function.of(run, name) for name, run in own_functions(where, folder).items()})
        module = _module(where, folder)
        functions: dict[str, Function] = {}
        for name in names:
            run = getattr(module, name, None)
            if not inspect.isroutine(run):
                known = ", ".join(_own(module))
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


def _own(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """The public functions that it defines itself."""
    functions = ((name, found) for name, found in vars(module).items() if inspect.isfunction(found))
    return {name: run for name, run in functions if not name.startswith("_") and run.__module__ == module.__name__}


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
        if "importlib" not in code.co_filename and Path(code.co_filename).parent != _HERE:
            place = f"({Path(code.co_filename).name}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return place
