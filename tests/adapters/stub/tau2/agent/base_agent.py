"""As `tau2.agent.base_agent`."""

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from ..data_model.message import AssistantMessage, Message

State = TypeVar("State")


class HalfDuplexAgent(ABC, Generic[State]):
    def __init__(self, tools: list[Any], domain_policy: str) -> None:
        super().__init__()
        self.tools = tools
        self.domain_policy = domain_policy

    @abstractmethod
    def generate_next_message(self, message: Any, state: State) -> tuple[AssistantMessage, State]: ...

    @abstractmethod
    def get_init_state(self, message_history: list[Message] | None = None) -> State: ...

    def stop(self, message: Any = None, state: State | None = None) -> None: ...

    @classmethod
    def is_stop(cls, message: AssistantMessage) -> bool:
        return False

    def set_seed(self, seed: int) -> None: ...
