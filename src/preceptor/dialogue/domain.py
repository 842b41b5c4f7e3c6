"""The domain: who the agent works for. One YAML file, written by a person."""

import difflib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pydantic

from preceptor.errors import NotFound, SettingsError
from preceptor.llm.messages import Tool
from preceptor.storage.plain import from_yaml

LISTED = 300
"""Characters of a tool's description that teachers are shown; models that may call it are shown all of it."""


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Topic(_Part):
    """What a customer may come with."""

    id: Annotated[str, pydantic.Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    description: Annotated[str, pydantic.Field(min_length=1)]
    """Told to the simulated customer, in the second person."""
    weight: Annotated[float, pydantic.Field(gt=0)] = 1.0
    """How often, relative to the others."""


class Persona(_Part):
    """How a customer writes and feels."""

    id: Annotated[str, pydantic.Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    description: Annotated[str, pydantic.Field(min_length=1)]
    """Told to the simulated customer, in the second person."""
    weight: Annotated[float, pydantic.Field(gt=0)] = 1.0


CALLABLE = re.compile(r"[A-Za-z0-9_.-]{1,128}")
"""Names that models can call, whole."""


class ToolSpec(_Part):
    """A function the agent may call, as an OpenAI function schema; or its name alone, where what stands behind it says
    the rest."""

    name: Annotated[str, pydantic.Field(pattern=rf"^{CALLABLE.pattern}$")]
    description: str = ""
    parameters: dict[str, Any] = pydantic.Field(default_factory=lambda: {"type": "object", "properties": {}})

    @pydantic.model_validator(mode="before")
    @classmethod
    def _name_alone(cls, said: Any) -> Any:
        return {"name": said} if isinstance(said, str) else said

    def over(self, other: "ToolSpec") -> "ToolSpec":
        """What a person wrote here, and for the rest what `other` says."""
        return other.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})

    def tool(self) -> Tool:
        return Tool(self.name, self.description, self.parameters)


def _regex(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as fault:
        raise ValueError(f"{pattern!r} is not a regular expression: {fault}") from None
    return pattern


Regex = Annotated[str, pydantic.Field(min_length=1), pydantic.AfterValidator(_regex)]
"""Python's; searched for anywhere in a text, upper and lower case alike."""


class Rule(_Part):
    """What every conversation must keep to, checked without a model: one of three kinds."""

    id: Annotated[str, pydantic.Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    description: Annotated[str, pydantic.Field(min_length=1)]
    """In a sentence, for readers of reports. No model is told."""
    must_say: Regex | None = None
    """The agent must say this, once in the conversation at least."""
    never_say: Regex | None = None
    """The agent must say this nowhere."""
    before: str | None = None
    """Before this tool is called …"""
    require: str | None = None
    """… this one must have been called, in an earlier turn."""
    when: Regex | None = None
    """For what is said: the rule holds only once a customer has said this."""

    @pydantic.model_validator(mode="after")
    def _one_kind(self) -> "Rule":
        kinds = [kind for kind in ("must_say", "never_say", "before") if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError(f"rule {self.id!r} needs one of must_say, never_say, or before with require")
        if (self.before is None) != (self.require is None):
            raise ValueError(f"rule {self.id!r}: before and require belong together")
        if self.before is not None and self.when is not None:
            raise ValueError(f"rule {self.id!r}: when goes with must_say and never_say only")
        return self


class Escalation(_Part):
    """How one sees that a customer was handed to a person, or asked for one. Any of these counts."""

    tool: str | None = None
    """The agent calls this tool."""
    agent_says: Regex | None = None
    customer_says: Regex | None = None

    @pydantic.model_validator(mode="after")
    def _something(self) -> "Escalation":
        if self.tool is None and self.agent_says is None and self.customer_says is None:
            raise ValueError("escalation needs a tool, agent_says or customer_says")
        return self


class Domain(_Part):
    """Role, goal, policy, tools, topics and personas, and what conversations are checked for."""

    name: Annotated[str, pydantic.Field(min_length=1)]
    role: Annotated[str, pydantic.Field(min_length=1)]
    """Who the agent is; opens its system message."""
    goal: str
    """What the agent is to achieve."""
    policy: str = ""
    """What it may and may not do; part of its system message."""
    topics: Annotated[tuple[Topic, ...], pydantic.Field(min_length=1)]
    personas: Annotated[tuple[Persona, ...], pydantic.Field(min_length=1)]
    tools: tuple[ToolSpec, ...] = ()
    rules: tuple[Rule, ...] = ()
    """No part of the system message."""
    escalation: Escalation | None = None
    """None: nobody can tell, and escalations are not measured."""

    @pydantic.model_validator(mode="after")
    def _names_fit(self) -> "Domain":
        known = [tool.name for tool in self.tools]
        for what, names in (
            ("topics have the id", [topic.id for topic in self.topics]),
            ("personas have the id", [persona.id for persona in self.personas]),
            ("rules have the id", [rule.id for rule in self.rules]),
            ("tools have the name", known),
        ):
            if twice := next((name for name, count in Counter(names).items() if count > 1), None):
                raise ValueError(f"two {what} {twice!r}")
        for where, tool in self._named_tools():
            if tool not in known:
                near = difflib.get_close_matches(tool, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known) or 'none'}"
                raise ValueError(f"{where} names a tool {tool!r} that is not among the tools; {hint}")
        return self

    def _named_tools(self) -> Iterator[tuple[str, str]]:
        for rule in self.rules:
            yield from ((f"rule {rule.id!r}", tool) for tool in (rule.before, rule.require) if tool is not None)
        if self.escalation and self.escalation.tool is not None:
            yield "escalation", self.escalation.tool

    def listed_tools(self) -> str:
        """What the agent can call, a line each, for prompts; empty for nothing."""
        return "\n".join(f"- {spec.name}: {' '.join(spec.description.split())[:LISTED]}" for spec in self.tools)

    @classmethod
    def parse(cls, data: object, origin: str) -> "Domain":
        """Validate a mapping; `origin` names the file in messages.

        Raises:
            SettingsError: naming the first field at fault.
        """
        try:
            return cls.model_validate(data)
        except pydantic.ValidationError as fault:
            first = fault.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the top level"
            said = first["msg"].removeprefix("Value error, ")
            raise SettingsError(f"{origin}: {where}: {said}{'' if said.endswith('?') else '.'}") from None

    @classmethod
    def load(cls, path: Path) -> "Domain":
        """Read a domain file. ``policy_file`` in it names a file, seen from there, whose text is the policy.

        Raises:
            NotFound, SettingsError
        """
        try:
            data = from_yaml(path.read_text("utf-8"))
        except FileNotFoundError:
            raise NotFound(f"There is no domain file {str(path)!r}. `preceptor init` writes one.") from None
        except (OSError, UnicodeDecodeError) as fault:
            raise SettingsError(f"{path}: cannot be read: {fault}.") from None
        except ValueError as fault:
            raise SettingsError(f"{path}: not valid YAML: {fault}.") from None
        if isinstance(data, dict) and isinstance(file := data.get("policy_file"), str):
            data = _with_policy(data, path.parent / file, str(path))
        return cls.parse(data, str(path))


def _with_policy(data: dict[str, Any], file: Path, origin: str) -> dict[str, Any]:
    if "policy" in data:
        raise SettingsError(f"{origin}: there are both a policy and a policy_file; keep one.")
    try:
        text = file.read_text("utf-8")
    except (OSError, ValueError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else "it is not UTF-8 text"
        raise SettingsError(
            f"{origin}: policy_file {str(file)!r} cannot be read: {why}. It is looked for from the folder of {origin}."
        ) from None
    return {name: value for name, value in data.items() if name != "policy_file"} | {"policy": text}
