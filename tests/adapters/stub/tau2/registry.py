"""As `tau2.registry`."""

from collections.abc import Callable
from typing import Any

from .data_model.tasks import Action, EnvFunctionCall, EvaluationCriteria, InitialState, Task, UserScenario
from .environment.environment import Environment
from .user.user_simulator import UserSimulator


def _get_tasks(task_split_name: str | None = "base") -> list[Task]:
    tasks = [
        Task(
            id="[desk]Cancel",
            user_scenario=UserScenario(instructions="You want order 2 cancelled."),
            evaluation_criteria=EvaluationCriteria(
                actions=[Action(action_id="a", name="cancel", arguments={"order": "2"})], communicate_info=["GOLD-42"]
            ),
        ),
        Task(
            id="again",
            user_scenario=UserScenario(instructions="You want order 1 cancelled, which is cancelled."),
            initial_state=InitialState(
                initialization_actions=[
                    EnvFunctionCall(env_type="assistant", func_name="cancel", arguments={"order": "1"})
                ]
            ),
            evaluation_criteria=EvaluationCriteria(actions=[]),
        ),
    ]
    if task_split_name not in (None, "base", "train"):
        raise ValueError(f"Invalid task split name: {task_split_name}.")
    return tasks if task_split_name != "train" else tasks[:1]


def _get_twins(task_split_name: str | None = "base") -> list[Task]:
    told = UserScenario(instructions="You want nothing.")
    return [Task(id=name, user_scenario=told) for name in ("[desk]a b", "desk-a|b")]


class Registry:
    def __init__(self) -> None:
        self._agents: dict[str, Callable[..., Any]] = {}

    def register_agent_factory(self, factory: Callable[..., Any], name: str) -> None:
        self._agents[name] = factory

    def get_agent_factory(self, name: str) -> Callable[..., Any] | None:
        return self._agents.get(name)

    def get_user_constructor(self, name: str) -> type[UserSimulator]:
        return {"user_simulator": UserSimulator}[name]

    def get_env_constructor(self, name: str) -> Callable[..., Environment]:
        if name == "telecom":
            return _Dual
        return {"desk": Environment, "twins": Environment}[name]

    def get_tasks_loader(self, name: str) -> Callable[[str | None], list[Task]]:
        return {"desk": _get_tasks, "twins": _get_twins, "telecom": _get_tasks}[name]


class _Dual(Environment):
    def __init__(self, solo_mode: bool = False) -> None:
        super().__init__(solo_mode)
        self.user_tools = object()  # type: ignore[assignment]


registry = Registry()
