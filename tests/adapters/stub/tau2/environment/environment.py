"""As `tau2.environment.environment`, with a domain of orders that can be looked up and cancelled."""

import json
from typing import Any

from ..data_model.message import ToolCall, ToolMessage


class Tool:
    def __init__(self, name: str, about: str) -> None:
        self.name = name
        self._about = about

    @property
    def openai_schema(self) -> dict[str, Any]:
        order = {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]}
        return {"type": "function", "function": {"name": self.name, "description": self._about, "parameters": order}}


class Environment:
    def __init__(self, solo_mode: bool = False) -> None:
        self.user_tools = None
        self.orders = {"1": "sent", "2": "open"}

    def get_policy(self) -> str:
        return "Cancel open orders only."

    def get_tools(self) -> list[Tool]:
        return [Tool("look_up", "How an order stands."), Tool("cancel", "Cancel an order.")]

    def set_state(
        self,
        initialization_data: Any,
        initialization_actions: list[Any] | None,
        message_history: list[Any],
        strict: bool = True,
    ) -> None:
        for action in initialization_actions or []:
            self._do(action.func_name, **action.arguments)
        results = {message.id: message for message in message_history if message.role == "tool"}
        for message in message_history:
            for call in getattr(message, "tool_calls", None) or []:
                if call.name != "look_up" and self.get_response(call).content != results[call.id].content:
                    raise ValueError("It went otherwise when it was replayed.")

    def get_response(self, message: ToolCall) -> ToolMessage:
        try:
            content, error = json.dumps(self._do(message.name, **message.arguments)), False
        except Exception as fault:
            content, error = f"Error: {fault}", True
        return ToolMessage(id=message.id, content=content, requestor=message.requestor, role="tool", error=error)

    def get_db_hash(self) -> str:
        return json.dumps(self.orders, sort_keys=True)

    def _do(self, name: str, order: str) -> dict[str, str]:
        if order not in self.orders:
            raise ValueError("Order not found")
        if name == "cancel":
            self.orders[order] = "cancelled"
        elif name != "look_up":
            raise ValueError(f"Tool '{name}' not found.")
        return {"order": order, "status": self.orders[order]}
