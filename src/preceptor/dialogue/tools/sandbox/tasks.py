"""Tasks: who comes, to what state of the database, and what must have come of it. Two forms of files are read: our own,
and tau2-bench's.

What a task's gold actions, information and calls say is for checking alone. Only `Task.topic` may be told to a model,
and to the simulated customer's only.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import orjson
import pydantic

from preceptor.dialogue.domain import Topic
from preceptor.dialogue.tools.sandbox.store import Patch
from preceptor.errors import NotFound, SettingsError
from preceptor.storage.plain import from_yaml


@dataclass(frozen=True)
class Action:
    """A tool's call."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """One customer's errand and how it should end."""

    topic: Topic
    """What the customer comes with; its id is the task's."""
    patch: Patch = field(default_factory=dict)
    """How the database differs from the file when this customer comes."""
    before: tuple[Action, ...] = ()
    """Calls made before the customer comes."""
    actions: tuple[Action, ...] | None = None
    """Gold: calls that bring the database where it should end; it is the end state that counts, not the way. Empty: it
    must be left as it was. None: any end state will do."""
    information: tuple[str, ...] = ()
    """What the agent must have said."""
    required: tuple[Action, ...] = ()
    """Calls that must have been made, with these arguments at least."""
    forbidden: tuple[str, ...] = ()
    """Tools that must not be called."""


def load_tasks(path: Path) -> tuple[Task, ...]:
    """Read a file of tasks, YAML or JSON.

    Raises:
        NotFound, SettingsError: naming the task at fault.
    """
    try:
        text = path.read_text("utf-8")
        data = orjson.loads(text) if path.suffix == ".json" else from_yaml(text)
    except FileNotFoundError:
        raise NotFound(f"There is no file of tasks {str(path)!r}.") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise SettingsError(f"{path}: cannot be read: {fault}.") from None
    except ValueError as fault:
        raise SettingsError(f"{path}: not valid: {fault}.") from None
    return parse_tasks(data, str(path))


def parse_tasks(data: object, origin: str) -> tuple[Task, ...]:
    """Tasks from a list of them, or an object with one under ``tasks``; `origin` names the file in messages.

    Raises:
        SettingsError: naming the task at fault.
    """
    listed = data.get("tasks") if isinstance(data, Mapping) else data
    if not isinstance(listed, list) or not listed:
        raise SettingsError(f"{origin}: must be a list of tasks.")
    tasks = tuple(_task(one, f"{origin}: task {number}") for number, one in enumerate(listed, 1))
    ids = [task.topic.id for task in tasks]
    if twice := next((one for one in ids if ids.count(one) > 1), None):
        raise SettingsError(f"{origin}: two tasks have the id {twice!r}.")
    return tasks


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class _Call(_Part):
    tool: Annotated[str, pydantic.Field(min_length=1)]
    arguments: dict[str, Any] = pydantic.Field(default_factory=dict, alias="with")

    def action(self) -> Action:
        return Action(self.tool, self.arguments)


class _Written(_Part):
    """A task in our own form."""

    id: str
    customer: str
    weight: float = 1.0
    patch: dict[str, dict[str, dict[str, Any] | None]] = pydantic.Field(default_factory=dict)
    before: list[_Call] = pydantic.Field(default_factory=list)
    actions: list[_Call] | None = None
    information: list[str] = pydantic.Field(default_factory=list)
    required: list[_Call] = pydantic.Field(default_factory=list)
    forbidden: list[str] = pydantic.Field(default_factory=list)

    def task(self) -> Task:
        return Task(
            Topic(id=self.id, description=self.customer, weight=self.weight),
            self.patch,
            tuple(call.action() for call in self.before),
            None if self.actions is None else tuple(call.action() for call in self.actions),
            tuple(self.information),
            tuple(call.action() for call in self.required),
            tuple(self.forbidden),
        )


class _Loose(pydantic.BaseModel):
    """A part of a tau2-bench task; what is not named is of no use here."""

    model_config = pydantic.ConfigDict(frozen=True)


class _Instructions(_Loose):
    reason_for_call: str = ""
    known_info: str | None = None
    unknown_info: str | None = None
    task_instructions: str = ""

    def text(self) -> str:
        parts = (self.reason_for_call, self.known_info, self.unknown_info, self.task_instructions)
        # Some tasks put a lone full stop where nothing is to be said.
        return "\n".join(part.strip() for part in parts if part and part.strip(" .\n"))


class _Scenario(_Loose):
    persona: str | None = None
    instructions: _Instructions | str

    def text(self) -> str:
        said = self.instructions if isinstance(self.instructions, str) else self.instructions.text()
        return "\n".join(part for part in (said, self.persona) if part)


class _Gold(_Loose):
    name: str
    arguments: dict[str, Any] = pydantic.Field(default_factory=dict)
    compare_args: list[str] | None = None
    requestor: str | None = None

    def compared(self) -> Action:
        kept = self.arguments if self.compare_args is None else {key: self.arguments[key] for key in self.compare_args}
        return Action(self.name, kept)


class _Criteria(_Loose):
    actions: list[_Gold] | None = None
    communicate_info: list[str] | None = None
    reward_basis: list[str] = pydantic.Field(default_factory=lambda: ["DB", "COMMUNICATE"])


class _Data(_Loose):
    agent_data: dict[str, dict[str, dict[str, Any] | None]] | None = None


class _Initial(_Loose):
    initialization_data: _Data | None = None
    initialization_actions: list[dict[str, Any]] | None = None
    message_history: list[Any] | None = None


class _Tau2(_Loose):
    id: str
    user_scenario: _Scenario
    initial_state: _Initial | None = None
    evaluation_criteria: _Criteria | None = None

    def task(self) -> Task:
        begun, criteria = self.initial_state or _Initial(), self.evaluation_criteria or _Criteria()
        if begun.message_history:
            raise ValueError("it begins in the middle of a conversation, which a sandbox cannot")
        gold = criteria.actions or []
        if others := {action.requestor for action in gold} - {None, "assistant"}:
            raise ValueError(
                f"its actions are not the agent's alone but also the {others.pop()}'s, who has no tools here"
            )
        return Task(
            Topic(id=slug(self.id), description=self.user_scenario.text()),
            (begun.initialization_data or _Data()).agent_data or {},
            tuple(_prepared(one) for one in begun.initialization_actions or ()),
            tuple(Action(action.name, action.arguments) for action in gold) if "DB" in criteria.reward_basis else None,
            # Where the basis has a model judge what was said (NL_ASSERTION), these are the same wants, told exactly.
            tuple(criteria.communicate_info or ()),
            tuple(action.compared() for action in gold) if "ACTION" in criteria.reward_basis else (),
        )


def _prepared(call: dict[str, Any]) -> Action:
    if call.get("env_type") != "assistant":
        raise ValueError("something must be done with the customer's own tools first, and there are none here")
    return Action(str(call["func_name"]), call.get("arguments") or {})


def slug(name: str) -> str:
    """A topic's id out of a name that tau2-bench gives a task."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _task(data: object, origin: str) -> Task:
    form = _Tau2 if isinstance(data, Mapping) and "user_scenario" in data else _Written
    try:
        return form.model_validate(data).task()
    except pydantic.ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise SettingsError(f"{origin}: {where}: {first['msg'].removeprefix('Value error, ')}.") from None
    except (ValueError, KeyError) as fault:
        raise SettingsError(f"{origin}: {fault}.") from None
