"""As `tau2.data_model.tasks`."""

from typing import Any

from pydantic import BaseModel, Field


class Action(BaseModel):
    action_id: str
    name: str
    arguments: dict[str, Any]


class EnvFunctionCall(BaseModel):
    env_type: str
    func_name: str
    arguments: dict[str, Any]


class InitialState(BaseModel):
    initialization_data: Any = None
    initialization_actions: list[EnvFunctionCall] | None = None
    message_history: list[Any] | None = None


class UserScenario(BaseModel):
    persona: str | None = None
    instructions: str

    def __str__(self) -> str:
        return f"Instructions:\n\t{self.instructions}"


class EvaluationCriteria(BaseModel):
    actions: list[Action] | None = None
    communicate_info: list[str] | None = None
    reward_basis: list[str] = Field(default_factory=lambda: ["DB", "COMMUNICATE"])


class Task(BaseModel):
    id: str
    user_scenario: UserScenario
    initial_state: InitialState | None = None
    evaluation_criteria: EvaluationCriteria | None = None
