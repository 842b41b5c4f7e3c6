"""The judge: a model that compares two replies or rates a conversation; never the teacher grading itself.

Both orders of a pair are asked, because model judges favour the one shown first (Zheng et al., arXiv 2306.05685); what
is not the same both ways round is a tie.
"""

from dataclasses import dataclass, replace
from typing import Literal

import pydantic

from preceptor.dialogue.conversation import Context, Conversation, Turn
from preceptor.dialogue.domain import Domain
from preceptor.errors import BadReply, Rejected
from preceptor.judging.verdicts import Comparison, Outcome, Rating, Unscored
from preceptor.llm.messages import Sampling
from preceptor.llm.model import Model
from preceptor.llm.parallel import gather
from preceptor.llm.prompts import Prompt
from preceptor.llm.tasks import Task


class CompareReplies(pydantic.BaseModel):
    better: Literal["first", "second", "tie"]
    reason: str = ""


class RateConversation(pydantic.BaseModel):
    satisfaction: float = pydantic.Field(ge=1, le=5)
    goal_reached: bool
    policy_kept: bool
    reason: str = ""


COMPARE_REPLIES = Task("compare_replies", CompareReplies, Prompt.load("preceptor.judging", "compare_replies"))
RATE_CONVERSATION = Task("rate_conversation", RateConversation, Prompt.load("preceptor.judging", "rate_conversation"))


@dataclass(frozen=True)
class Judge:
    model: Model
    domain: Domain
    sampling: Sampling = Sampling(temperature=0.0, max_tokens=300)

    async def compare(self, context: Context, old: Turn, new: Turn, seed: int) -> Comparison | Unscored:
        """Is `new` better than `old` in this context? The same words and actions are a tie and cost nothing."""
        if _done(old) == _done(new):
            return Comparison("tie", "The replies are the same.", orders_agree=True)
        said = await self.both_orders(context, old, new, seed)
        return said if isinstance(said, Unscored) else _combine(*said)

    async def both_orders(
        self, context: Context, old: Turn, new: Turn, seed: int
    ) -> tuple[CompareReplies, CompareReplies] | Unscored:
        """What is said with `old` shown first, and with `new` shown first."""
        try:
            forward, backward = await gather(
                [
                    lambda: self._prefer(context, old, new, seed),
                    lambda: self._prefer(context, new, old, seed),
                ]
            )
        except (BadReply, Rejected) as fault:
            return Unscored(str(fault))
        return forward, backward

    async def rate(self, conversation: Conversation, seed: int) -> Rating | Unscored:
        """How satisfied is the customer, and were goal and policy kept?"""
        if conversation.ending == "broken":
            return Unscored("; ".join(conversation.tags) or "The conversation broke off.")
        try:
            said = await RATE_CONVERSATION.ask(
                self.model,
                replace(self.sampling, seed=seed),
                policy=self.domain.policy,
                tools=self.domain.listed_tools(),
                goal=self.domain.goal,
                conversation=conversation.transcript(),
            )
        except (BadReply, Rejected) as fault:
            return Unscored(str(fault))
        return Rating(said.satisfaction, said.goal_reached, said.policy_kept, said.reason)

    async def _prefer(self, context: Context, first: Turn, second: Turn, seed: int) -> CompareReplies:
        return await COMPARE_REPLIES.ask(
            self.model,
            replace(self.sampling, seed=seed),
            policy=self.domain.policy,
            tools=self.domain.listed_tools(),
            goal=self.domain.goal,
            conversation=context.transcript(),
            first=shown(first),
            second=shown(second),
        )


def shown(turn: Turn) -> str:
    """A turn as judges and teachers see it, its actions included."""
    calls = [f"(calls {call.name} with {call.arguments})" for call in turn.tool_calls]
    return "\n".join([turn.text, *calls]).strip()


def _done(turn: Turn) -> tuple[object, ...]:
    """What a turn says and does, however its calls are numbered and their arguments written."""
    return (turn.text, *((call.name, call.read()) for call in turn.tool_calls))


def _combine(forward: CompareReplies, backward: CompareReplies) -> Comparison:
    once = {"first": "loss", "second": "win", "tie": "tie"}[forward.better]
    again = {"first": "win", "second": "loss", "tie": "tie"}[backward.better]
    outcome: Outcome = once if once == again else "tie"  # type: ignore[assignment]
    return Comparison(outcome, forward.reason or backward.reason, once == again)
