"""As `tau2.evaluator.evaluator_env`."""

from collections.abc import Callable
from typing import Any

from ..data_model.message import ToolCall
from ..environment.environment import Environment


class RewardInfo:
    def __init__(self, reward: float, communicate_checks: list[Any] | None = None) -> None:
        self.reward = reward
        self.communicate_checks = communicate_checks


class EnvironmentEvaluator:
    @classmethod
    def calculate_reward(
        cls,
        environment_constructor: Callable[..., Environment],
        task: Any,
        full_trajectory: list[Any],
        solo_mode: bool = False,
        env_kwargs: dict[str, Any] | None = None,
    ) -> RewardInfo:
        begun = task.initial_state.initialization_actions if task.initial_state else None
        predicted, gold = environment_constructor(solo_mode=solo_mode), environment_constructor()
        predicted.set_state(None, begun, list(full_trajectory))
        gold.set_state(None, begun, [])
        for action in task.evaluation_criteria.actions or []:
            gold.get_response(ToolCall(name=action.name, arguments=action.arguments))
        return RewardInfo(float(predicted.get_db_hash() == gold.get_db_hash()))
