"""Several arms, the same customers, one judge.

Customers are begun in their order, each with all arms at once, so that whatever was done when a run stops is whole
customers: pairs, which count, and not one arm far ahead of the others. What bounds how many calls are in flight are the
models' limiters.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, runtime_checkable

from preceptor.dialogue.agent import Agent
from preceptor.dialogue.conversation import Context, Conversation, Turn
from preceptor.dialogue.crowd import Customers
from preceptor.dialogue.customers import Customer
from preceptor.dialogue.domain import Escalation, Rule
from preceptor.errors import BadReply, Rejected, UserError
from preceptor.evaluation.events import Decided, Event, Finished, Measured, Progress
from preceptor.evaluation.report import WIDEST, Report
from preceptor.evaluation.results import Cost, Duel, Guided, Served
from preceptor.evaluation.rules import check, escalated
from preceptor.evaluation.sequential import Watch
from preceptor.judging.judge import Judge, shown
from preceptor.judging.verdicts import Unscored
from preceptor.llm.parallel import gather
from preceptor.llm.tally import Tally
from preceptor.storage.canonical import content_hash
from preceptor.student.student import Finder

Keep = Callable[[Served], None]
LOOK = 16
"""Customers after which one looks whether to stop early: enough to keep many calls in flight."""


async def evaluate(
    arms: Sequence[Agent],
    customers: Customers,
    judge: Judge,
    *,
    repeats: int = 1,
    trials: int = 1,
    duels: int = 0,
    rules: Sequence[Rule] = (),
    escalation: Escalation | None = None,
    stop_early: bool = False,
    tell: Callable[[Event], None] | None = None,
    keep: Keep | None = None,
) -> Report:
    """Let every arm serve the same customers and rate each conversation.

    Args:
        arms: the first is what the others are held against.
        repeats: verdicts of the judge on each conversation.
        trials: conversations of each customer with each arm, where one can tell what came of them and they leave
            nothing behind: of whether the same goes well every time. The judge sees the first.
        duels: contexts of each of the first arm's conversations, at most, that every other arm answers anew.
        rules: what each conversation is checked for, such as `domain.rules`.
        escalation: how one sees that a person was called in, such as `domain.escalation`.
        stop_early: stop once the second arm is decided to be better or worse than the first in satisfaction, by a
            confidence sequence, which may be looked at whenever one likes (`sequential`).
        tell: hears what happens.
        keep: is given each result as soon as it is complete.

    Raises:
        UserError: no arm, no customer, or two arms with the same name.
        ProviderError, Stopped: from the models.
    """
    names = [arm.name for arm in arms]
    if not names or not customers.who:
        raise UserError("An evaluation needs at least one arm and one customer.")
    if len(set(names)) < len(names):
        raise UserError(f"Arms need names of their own, got {names!r}. Pass name=… to one of them.")
    if stop_early and len(names) < 2:
        raise UserError("To stop early, an evaluation needs a second arm to decide about.")
    told = _Told(len(names) * len(customers.who), tell or _ignore, keep or _ignore)
    serving = _Serving(tuple(arms), customers, judge, repeats, trials, duels, tuple(rules), escalation, told.keep)
    return _ended(await _served(serving, stop_early), told)


async def _served(serving: "_Serving", stop_early: bool) -> Report:
    who, seen = serving.customers.who, Watch(-WIDEST, WIDEST)
    served: list[Served] = []
    size = LOOK if stop_early else len(who)
    for start in range(0, len(who), size):
        for customer in await gather([partial(serving.all_arms, one) for one in who[start : start + size]]):
            served += customer
            old, new = (one.satisfaction for one in customer[:2]) if stop_early else (None, None)
            if old is not None and new is not None:
                seen.add(new - old)
        if seen.interval.low > 0 or seen.interval.high < 0:
            break
    return Report.of(served, watched=stop_early)


def _ended(report: Report, told: "_Told") -> Report:
    for verdict in report.verdicts():
        told.tell(Decided(str(verdict)))
    stopped = report.customers * len(report.arms) < told.total
    reason = "the second arm was decided early" if stopped else "every customer was served"
    told.tell(Finished(reason, report.customers, sum(arm.unscored for arm in report.arms)))
    return report


@dataclass
class _Told:
    """Passes results on, and says how far it is."""

    total: int
    tell: Callable[[Event], None]
    pass_on: Keep
    done: int = 0

    def __post_init__(self) -> None:
        self.tell(Progress("conversations", 0, self.total))

    def keep(self, served: Served) -> None:
        self.pass_on(served)
        self.done += 1
        self.tell(Measured(served.arm, served.customer.key, served.satisfaction))
        self.tell(Progress("conversations", self.done, self.total))


def _ignore(_: object) -> None:
    """For those who only want the report."""


@runtime_checkable
class Guidable(Protocol):
    """An arm that chooses strategies for each context, such as `Student`."""

    @property
    def finder(self) -> Finder | None: ...


@dataclass(frozen=True)
class _Counted:
    """An agent whose calls are counted."""

    agent: Agent
    tally: Tally

    @property
    def name(self) -> str:
        return self.agent.name

    async def reply(self, context: Context, seed: int) -> Turn:
        with self.tally.open():
            return await self.agent.reply(context, seed)


@dataclass(frozen=True)
class _Serving:
    """What is done with each customer."""

    arms: tuple[Agent, ...]
    customers: Customers
    judge: Judge
    repeats: int
    trials: int
    duels: int
    rules: tuple[Rule, ...]
    escalation: Escalation | None
    keep: Keep

    async def all_arms(self, customer: Customer) -> list[Served]:
        """One customer, served by every arm; then the others against the first, in its conversation."""
        served = await gather([partial(self._one_arm, arm, customer) for arm in self.arms])
        if not self.duels:
            return served
        first = served[0]
        moments = drawn(first.conversation, customer, self.duels)
        others = zip(self.arms[1:], served[1:], strict=True)
        return [first, *await gather([partial(self._with_duels, arm, moments, one) for arm, one in others])]

    async def _one_arm(self, arm: Agent, customer: Customer) -> Served:
        tally = Tally()
        conversation = await self.customers.talk(_Counted(arm, tally), customer)
        ratings = await gather(
            [partial(self.judge.rate, conversation, seed_of(customer, repeat)) for repeat in range(self.repeats)]
        )
        served = Served(
            arm.name,
            customer,
            conversation,
            tuple(ratings),
            check(conversation, self.rules),
            guided(arm, conversation),
            _cost(tally),
            rules=len(self.rules),
            escalated=escalated(conversation, self.escalation),
            again=await self._again(arm, customer, conversation),
        )
        if arm is self.arms[0] or not self.duels:
            self.keep(served)
        return served

    async def _again(self, arm: Agent, customer: Customer, first: Conversation) -> tuple[Conversation, ...]:
        """Further trials, if they can show something and change nothing."""
        if first.outcome is None or not self.customers.rollout.environment.repeatable:
            return ()
        further = range(1, self.trials)
        return tuple(await gather([partial(self.customers.talk, arm, customer, trial) for trial in further]))

    async def _with_duels(self, arm: Agent, moments: Sequence["Moment"], served: Served) -> Served:
        fought = await gather([partial(self._duel, arm, moment, served.customer) for moment in moments])
        complete = replace(served, duels=tuple(fought))
        self.keep(complete)
        return complete

    async def _duel(self, arm: Agent, moment: "Moment", customer: Customer) -> Duel:
        try:
            new = await arm.reply(moment.context, customer.seed)
        except (BadReply, Rejected) as fault:
            return Duel(moment.turn, "", Unscored(str(fault)))
        verdict = await self.judge.compare(moment.context, moment.reply, new, customer.seed)
        return Duel(moment.turn, shown(new), verdict)


@dataclass(frozen=True)
class Moment:
    """Where the first arm acted, and what it did."""

    turn: int
    """Index into the conversation's turns."""
    context: Context
    reply: Turn


def moments_of(conversation: Conversation) -> list[Moment]:
    return [Moment(len(context.turns), context, reply) for context, reply in conversation.contexts()]


def drawn(conversation: Conversation, customer: Customer, most: int) -> list[Moment]:
    """Moments of a conversation for duels, in their order; drawn by the customer."""
    moments = moments_of(conversation)
    chosen = random.Random(f"duels {customer.key}").sample(moments, min(most, len(moments)))
    return sorted(chosen, key=lambda moment: moment.turn)


def guided(arm: Agent, conversation: Conversation) -> tuple[Guided, ...]:
    """What stood in the slot at each agent turn. Found again, which is cheap and gives what the agent was given."""
    finder = arm.finder if isinstance(arm, Guidable) else None
    if finder is None:
        return ()
    found = ((moment.turn, finder.find(moment.context)) for moment in moments_of(conversation))
    return tuple(Guided(turn, one.matches, tuple(s.id for s in one.strategies)) for turn, one in found)


def seed_of(customer: Customer, repeat: int) -> int:
    """The judge's seed for a repeat: the customer's own first, then seeds of their own."""
    return int(content_hash(["rating", customer.key, repeat])[:7], 16) if repeat else customer.seed


def _cost(tally: Tally) -> Cost:
    amount = tally.amount
    return Cost(amount.calls, amount.prompt_tokens, amount.completion_tokens, amount.nano, tally.seconds)
