"""The domain: who the agent works for. One YAML file, written by a person."""

from pathlib import Path
from typing import Annotated, Any

import pydantic
import yaml

from preceptor.errors import NotFound, SettingsError
from preceptor.llm.messages import Tool


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


class ToolSpec(_Part):
    """A function the agent may call, as an OpenAI function schema."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = pydantic.Field(default_factory=lambda: {"type": "object", "properties": {}})

    def tool(self) -> Tool:
        return Tool(self.name, self.description, self.parameters)


class Domain(_Part):
    """Role, goal, policy, tools, topics and personas."""

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
            raise SettingsError(f"{origin}: {where}: {first['msg']}.") from None

    @classmethod
    def load(cls, path: Path) -> "Domain":
        """Read a domain file.

        Raises:
            NotFound, SettingsError
        """
        try:
            data = yaml.safe_load(path.read_text("utf-8"))
        except FileNotFoundError:
            raise NotFound(f"There is no domain file {str(path)!r}. `preceptor init` writes one.") from None
        except (OSError, UnicodeDecodeError) as fault:
            raise SettingsError(f"{path}: cannot be read: {fault}.") from None
        except yaml.YAMLError as fault:
            raise SettingsError(f"{path}: not valid YAML: {' '.join(str(fault).split())}.") from None
        return cls.parse(data, str(path))
