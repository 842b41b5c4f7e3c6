"""As `tau2.evaluator.evaluator_communicate`."""

from typing import Any

from .evaluator_env import RewardInfo


class CommunicateEvaluator:
    @classmethod
    def calculate_reward(cls, task: Any, full_trajectory: list[Any], language: str | None = None) -> RewardInfo:
        wanted = task.evaluation_criteria.communicate_info
        if not wanted:
            return RewardInfo(1.0)
        said = [one.content.lower() for one in full_trajectory if one.role == "assistant" and one.has_text_content()]
        met = [any(piece.lower() in text for text in said) for piece in wanted]
        return RewardInfo(float(all(met)), met)
