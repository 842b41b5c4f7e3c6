"""As `tau2.data_model.message`: pydantic models; `tool_calls` is None, never empty, where nothing is called."""

from typing import Any, Literal

from pydantic import BaseModel


class ToolCall(BaseModel):
    id: str = ""
    name: str
    arguments: dict[str, Any]
    requestor: Literal["user", "assistant"] = "assistant"


class _Said(BaseModel):
    content: str | None = None
    tool_calls: list[ToolCall] | None = None

    def has_text_content(self) -> bool:
        return bool(self.content and self.content.strip())

    def is_tool_call(self) -> bool:
        return self.tool_calls is not None


class AssistantMessage(_Said):
    role: Literal["assistant"]


class UserMessage(_Said):
    role: Literal["user"]


class ToolMessage(BaseModel):
    id: str
    role: Literal["tool"]
    content: str | None = None
    requestor: Literal["user", "assistant"] = "assistant"
    error: bool = False


class MultiToolMessage(BaseModel):
    role: Literal["tool"]
    tool_messages: list[ToolMessage]


Message = AssistantMessage | UserMessage | ToolMessage | MultiToolMessage
