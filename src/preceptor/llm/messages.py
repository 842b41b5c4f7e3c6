"""What is said to a model and what comes back: plain data, independent of any provider.

A `Request` is everything that can change the answer, and nothing else, so that its content hash names the call.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

Role = Literal["system", "user", "assistant", "tool"]
Finish = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True)
class ToolCall:
    """The model asks for a tool to be run."""

    id: str
    name: str
    arguments: str
    """JSON text exactly as the model wrote it; it may not parse."""

    def read(self) -> object:
        """What the arguments say, however they are written; their text where they are no JSON."""
        try:
            return orjson.loads(self.arguments)
        except orjson.JSONDecodeError:
            return self.arguments


@dataclass(frozen=True)
class Message:
    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    """Only on assistant messages."""
    tool_call_id: str | None = None
    """Only on tool messages: the call this is the result of."""


@dataclass(frozen=True)
class Tool:
    """A function the model may ask for."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """JSON schema of the arguments."""


@dataclass(frozen=True)
class Sampling:
    """How the reply is drawn. None leaves the provider's default."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int = 1024
    """Always sent: a reply without a bound cannot be reserved for in a budget."""
    seed: int | None = None


@dataclass(frozen=True)
class Schema:
    """The form a structured reply must have."""

    name: str
    """The task's name; sent as ``response_format.json_schema.name``."""
    body: Mapping[str, Any]
    """JSON schema."""


@dataclass(frozen=True)
class Request:
    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    tools: tuple[Tool, ...] = ()
    schema: Schema | None = None


@dataclass(frozen=True)
class Usage:
    """Tokens, as the provider counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def total(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class Reply:
    message: Message
    """What the other party may see: thinking is taken out."""
    usage: Usage = Usage()
    finish: Finish = "stop"
    thinking: str | None = None
    """The model's reasoning, where it showed one (`reasoning_content` or ``<think>``); for the record only."""
    notes: tuple[str, ...] = field(default=())
    """Workarounds and trimming applied to get this reply, in words."""
    seconds: float = field(default=0.0, compare=False)
    """How long the endpoint took to answer, without waiting for a turn; 0 where nothing was waited for."""
    nano: int = field(default=0, compare=False)
    """What it cost, in billionths; 0 where the model has no price."""

    @property
    def text(self) -> str:
        return self.message.content
