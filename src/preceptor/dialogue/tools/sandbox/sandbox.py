"""The sandbox itself: a database, functions over it, tasks. A `Backend`; `environment` opens it to conversations."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.customers import Customer
from preceptor.dialogue.domain import Persona, ToolSpec, Topic
from preceptor.dialogue.outcome import Outcome
from preceptor.dialogue.tools.backend import Visit
from preceptor.dialogue.tools.functions import Function, signature_of, written
from preceptor.dialogue.tools.python import own_functions
from preceptor.dialogue.tools.sandbox.changes import Changes
from preceptor.dialogue.tools.sandbox.checks import judged
from preceptor.dialogue.tools.sandbox.sqlite import SqliteStore
from preceptor.dialogue.tools.sandbox.store import Copy, Store
from preceptor.dialogue.tools.sandbox.tables import JsonStore
from preceptor.dialogue.tools.sandbox.tasks import Action, Task, load_tasks
from preceptor.dialogue.tools.toolbox import Bounds, Toolbox
from preceptor.errors import SettingsError, ToolFailed
from preceptor.storage.canonical import short_id

ROOM = Bounds(tokens=16_000)
"""Of results: rows are what the functions make of them, and a row that is cut is of no use."""


@dataclass(frozen=True)
class Gold:
    """What a task's gold actions come to."""

    changes: Changes
    refused: tuple[str, ...] = ()
    """Gold actions that failed, each with what was said. A look at what is not there is none the worse; a change that
    was refused means that task, data and functions do not fit."""


@dataclass
class Sandbox:
    """Functions over a database of which each conversation has a copy of its own."""

    store: Store
    functions: Mapping[str, Function]
    """By tool; the database, which comes first, is no part of what the agent is asked for."""
    tasks: Mapping[str, Task] = field(default_factory=dict)
    """By the id of the customer's topic. Other customers find the database as it is in the file."""
    _open: dict[str, Copy] = field(default_factory=dict, init=False, repr=False)
    _gold: dict[str, Gold] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, store: Store, functions: Sequence[Callable[..., Any]], tasks: Sequence[Task] = ()) -> "Sandbox":
        """Raises: SettingsError: a function cannot be a tool, or a task names a tool that is not there."""
        made = {run.__name__: _over_database(run) for run in functions}
        for task in tasks:
            for action in (*task.before, *(task.actions or ()), *task.required):
                _known(action.tool, made, task)
            for tool in task.forbidden:
                _known(tool, made, task)
        return cls(store, made, {task.topic.id: task for task in tasks})

    @classmethod
    def load(cls, data: Path, tools: Path, tasks: Path | None = None) -> "Sandbox":
        """From files: a database (``.json``, or else SQLite), Python functions, and tasks.

        Every public function of the file is a tool; its first parameter is given the open database (`Tables`, or an
        `sqlite3.Connection`).

        Raises:
            NotFound, SettingsError
        """
        store: Store = JsonStore.load(data) if data.suffix == ".json" else SqliteStore(data)
        return cls.of(
            store, tuple(own_functions(tools.name, tools.parent).values()), load_tasks(tasks) if tasks else ()
        )

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        return tuple(function.spec for function in self.functions.values())

    @property
    def topics(self) -> tuple[Topic, ...]:
        """What the tasks' customers come with."""
        return tuple(task.topic for task in self.tasks.values())

    def environment(self, bounds: Bounds = ROOM) -> Toolbox:
        """The tools, to be opened to conversations."""
        return Toolbox(self.specs, self, bounds=bounds, repeatable=True)

    def customers(self, persona: Persona, repeats: int = 1) -> tuple[Customer, ...]:
        """One for each task, or several who come with the same."""
        return tuple(Customer(topic, persona, seed) for topic in self.topics for seed in range(repeats))

    def gold(self, task: Task) -> Gold:
        """The state in which a task should end, found by doing what it says on a fresh copy."""
        key = task.topic.id
        if key not in self._gold:
            self._gold[key] = self._replayed(task)
        return self._gold[key]

    async def ready(self, visit: Visit) -> None:
        self._copy(visit)

    async def call(self, name: str, arguments: Mapping[str, Any], visit: Visit, key: str) -> str:
        """Raises: ToolFailed"""
        # The functions work on memory: a thread would cost more than the call.
        return self._run(self._copy(visit), Action(name, arguments), visit)

    def outcome(self, visit: Visit, conversation: Conversation) -> Outcome | None:
        """Held against the task that the customer came with."""
        task = self.tasks.get(visit.topic)
        if task is None:
            return None
        wanted = None if task.actions is None else self.gold(task).changes
        return judged(task, conversation, self._copy(visit).changes(), wanted)

    async def leave(self, visit: Visit) -> None:
        if left := self._open.pop(visit.conversation, None):
            left.close()

    async def aclose(self) -> None:
        for left in self._open.values():
            left.close()
        self._open.clear()

    def _copy(self, visit: Visit) -> Copy:
        if visit.conversation not in self._open:
            self._open[visit.conversation] = self._begun(self.tasks.get(visit.topic), visit)
        return self._open[visit.conversation]

    def _begun(self, task: Task | None, visit: Visit) -> Copy:
        """The database as it stands when a customer comes."""
        copy = self.store.copy()
        if task is not None:
            copy.patch(task.patch)
            for action in task.before:
                try:
                    self._run(copy, action, visit)
                except ToolFailed as fault:
                    raise SettingsError(f"Task {task.topic.id!r}: {action.tool} before it failed: {fault}") from None
        return copy

    def _run(self, copy: Copy, action: Action, visit: Visit) -> str:
        function = self.functions[action.tool]
        try:
            given = function.read(action.arguments, visit)
            # Written down before the rows are kept: what cannot be told has failed, too.
            return copy.change(lambda opened: written(function.run(opened, **given)))
        except ToolFailed:
            raise
        except (Exception, SystemExit) as fault:
            raise ToolFailed("The tool failed.", "broken", f"{type(fault).__name__}: {str(fault)[:200]}") from fault

    def _replayed(self, task: Task) -> Gold:
        # Nobody is there; whatever a function makes up, it makes up from nothing that differs between conversations.
        visit = Visit(short_id("co", ["gold", task.topic.id]), "", task.topic.id, 0)
        copy = self._begun(task, visit)
        refused = []
        for action in task.actions or ():
            try:
                self._run(copy, action, visit)
            except ToolFailed as fault:
                refused.append(f"{action.tool}: {fault}")
        changes = copy.changes()
        copy.close()
        return Gold(changes, tuple(refused))


def _over_database(run: Callable[..., Any]) -> Function:
    """A function as a tool, without its first parameter, which is the database."""
    name = run.__name__
    if inspect.iscoroutinefunction(run):
        raise SettingsError(f"Tool {name!r}: a sandbox's functions work on memory and cannot be async.")
    signature = signature_of(run, name)
    parameters = list(signature.parameters.values())
    if not parameters or parameters[0].kind not in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    ):
        raise SettingsError(f"Tool {name!r}: its first parameter must be the database.")

    @functools.wraps(run)
    def over(*given: Any, **arguments: Any) -> Any:
        return run(*given, **arguments)

    over.__signature__ = signature.replace(parameters=parameters[1:])  # type: ignore[attr-defined]
    return Function.of(over, name)


def _known(tool: str, functions: Mapping[str, Function], task: Task) -> None:
    if tool not in functions:
        raise SettingsError(f"Task {task.topic.id!r} names a tool {tool!r}; there are: {', '.join(functions)}.")
