"""Several arms, the same customers, one judge."""

from collections.abc import Sequence
from functools import partial

from preceptor.dialogue.agent import Agent
from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.crowd import Customers
from preceptor.dialogue.customers import Customer
from preceptor.errors import UserError
from preceptor.evaluation.report import ArmResult, Report
from preceptor.judging.judge import Judge
from preceptor.judging.verdicts import Rating, Unscored
from preceptor.llm.parallel import gather


async def evaluate(arms: Sequence[Agent], customers: Customers, judge: Judge) -> Report:
    """Let every arm serve the same customers and rate each conversation.

    Raises:
        UserError: two arms have the same name.
        ProviderError, Stopped: from the models.
    """
    names = [arm.name for arm in arms]
    if len(set(names)) < len(names):
        raise UserError(f"Arms need names of their own, got {names!r}. Pass name=… to one of them.")

    async def serve(arm: Agent, customer: Customer) -> tuple[Conversation, Rating | Unscored]:
        conversation = await customers.talk(arm, customer)
        return conversation, await judge.rate(conversation, customer.seed)

    served = await gather([partial(serve, arm, customer) for arm in arms for customer in customers.who])
    size = len(customers.who)
    return Report(tuple(_result(name, served[n * size : (n + 1) * size]) for n, name in enumerate(names)))


def _result(name: str, served: Sequence[tuple[Conversation, Rating | Unscored]]) -> ArmResult:
    return ArmResult(name, tuple(c for c, _ in served), tuple(r for _, r in served))
