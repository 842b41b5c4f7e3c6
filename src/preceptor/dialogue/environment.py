"""What the agent can act on: tools, behind one small contract."""

from typing import Protocol

from preceptor.llm.messages import ToolCall


class Environment(Protocol):
    async def call(self, call: ToolCall) -> str:
        """Run a tool and give its result as text (JSON, usually). Failures are results too, told to the agent."""


class NoTools:
    """Tools are declared but nothing stands behind them: the agent is told so."""

    async def call(self, call: ToolCall) -> str:
        return '{"error": "This tool is not connected."}'
