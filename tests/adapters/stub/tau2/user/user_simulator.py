"""As `tau2.user.user_simulator`, with fixed replies: it says its errand, and stops when it is told that it is done."""

from typing import Any

from ..data_model.message import AssistantMessage, Message, UserMessage


class UserState:
    def __init__(self, messages: list[Message]) -> None:
        self.messages = messages


class UserSimulator:
    def __init__(
        self,
        llm: str,
        instructions: str | None = None,
        tools: list[Any] | None = None,
        llm_args: dict[str, Any] | None = None,
    ) -> None:
        self.llm = llm
        self.instructions = instructions

    def set_seed(self, seed: int) -> None: ...

    def get_init_state(self, message_history: list[Message] | None = None) -> UserState:
        history = message_history or []
        assert all(
            isinstance(one, UserMessage) or (isinstance(one, AssistantMessage) and not one.is_tool_call())
            for one in history
        )
        return UserState(history)

    def generate_next_message(self, message: AssistantMessage, state: UserState) -> tuple[UserMessage, UserState]:
        assert not message.is_tool_call()
        if self.llm == "broken":
            raise RuntimeError("no such model")
        said = str(self.instructions)
        if state.messages:
            done = "done" in (message.content or "")
            said = (
                "Thanks. ###STOP###"
                if done
                else "###OUT-OF-SCOPE###"
                if self.llm == "shy"
                else "A person. ###TRANSFER###"
            )
        reply = UserMessage(role="user", content=said)
        state.messages += [message, reply]
        return reply, state
