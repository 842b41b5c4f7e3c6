"""Several arms, the same customers, one judge."""

from collections.abc import Sequence
from functools import partial

from preceptor.dialogue.agent import Agent
from preceptor.dialogue.crowd import Customers
from preceptor.dialogue.customers import Customer
from preceptor.errors import UserError
from preceptor.evaluation.report import ArmResult, Report
from preceptor.evaluation.results import Served
from preceptor.judging.judge import Judge
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

    async def serve(arm: Agent, customer: Customer) -> Served:
        conversation = await customers.talk(arm, customer)
        rating = await judge.rate(conversation, customer.seed)
        return Served(arm.name, customer, conversation, (rating,))

    served = await gather([partial(serve, arm, customer) for arm in arms for customer in customers.who])
    size = len(customers.who)
    return Report(tuple(ArmResult(name, tuple(served[n * size : (n + 1) * size])) for n, name in enumerate(names)))
