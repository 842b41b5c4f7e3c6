"""Step 1, scenario generation: conversations are held, and at each agent turn the student is held against the teacher.

The teacher speaks a share of the agent's turns that shrinks from iteration to iteration, so that what is learned covers
the states the *student* gets itself into (Ross, Gordon and Bagnell's DAgger, arXiv 1011.0686).
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile

import anyio

from preceptor.dialogue.agent import Agent
from preceptor.dialogue.conversation import Context, Conversation, Turn
from preceptor.dialogue.customers import Customer
from preceptor.errors import BadReply, Rejected
from preceptor.judging.verdicts import Comparison
from preceptor.library.model import Voice
from preceptor.llm.parallel import both, gather
from preceptor.storage.canonical import content_hash
from preceptor.teaching.crew import Crew
from preceptor.teaching.events import Note
from preceptor.teaching.tasks import WrittenStrategies

LOGS_AT_ONCE = 100
"""Logged conversations looked at side by side: their several moments each keep any number of connections busy, and what
waits for its turn takes memory."""


@dataclass(frozen=True)
class Contrast:
    """What the teacher said of an attempt that failed beside one at the same task that did not."""

    written: WrittenStrategies
    turns: tuple[Turn, ...]
    """Of both attempts: nothing of what was said there may be recited."""


@dataclass(frozen=True)
class Moment:
    """A context, what the student and the teacher say in it, and which is better."""

    context: Context
    customer: str
    """Moments of one customer are never on both sides of a test."""
    student: Turn
    teacher: Turn
    reference: tuple[Turn, ...]
    """What a person then did, up to the customer's next message, when the context comes from a log that does not say
    that it came to no good."""
    comparison: Comparison
    """Of the teacher's reply against the student's."""
    first: bool
    """The first moment of its conversation in which the student falls short."""
    source: str = "simulated"
    """Where the conversation comes from: ``simulated``, or a log's name."""
    contrast: Contrast | None = None
    """At this moment a logged attempt went wrong, and what would have made the difference is known."""

    @property
    def falls_short(self) -> bool:
        return self.comparison.outcome == "win"

    @property
    def voice(self) -> Voice:
        return Voice(self.customer, self.source)


@dataclass(frozen=True)
class Alternating:
    """Teacher and student share the agent's part; who speaks is drawn per turn, from the context itself."""

    teacher: Agent
    student: Agent
    share: float
    """The teacher's share of turns."""
    seed: int
    name: str = "teacher and student"

    async def reply(self, context: Context, seed: int) -> Turn:
        return await self.speaker(context).reply(context, seed)

    def speaker(self, context: Context) -> Agent:
        draw = int(content_hash([self.seed, context.key])[:8], 16) / 0xFFFFFFFF
        return self.teacher if draw < self.share else self.student


def draw_logged(logs: Iterable[Conversation], count: int | None, seed: int) -> tuple[Conversation, ...]:
    """At most `count` conversations of logs (None: all), drawn by the seed, in the order given. Attempts at
    one task are drawn together, so that they can be held against each other.

    No more than `count` are held at a time, so that logs may be larger than memory.
    """
    if count is None:
        return tuple(logs)

    def luck(placed: tuple[int, Conversation]) -> str:
        conversation = placed[1]
        tried = [conversation.task] if conversation.task else [conversation.customer, conversation.turns]
        return content_hash([seed, *tried])

    drawn = dict(heapq.nsmallest(count, enumerate(logs), key=luck))
    return tuple(drawn[place] for place in sorted(drawn))


def occasions(conversation: Conversation) -> Iterator[tuple[Context, tuple[Turn, ...]]]:
    """Each context in which the agent had to act, because a customer waits for an answer or a tool has given a result,
    with what was then done up to the customer's next message.

    That may be several turns: tools that were called, what they gave, and what was made of it. What an agent does
    before anybody has come answers nothing.
    """
    turns = conversation.turns
    begun = next((place for place, turn in enumerate(turns) if turn.party == "customer"), len(turns))
    for place in range(begun + 1, len(turns)):
        if turns[place].party == "agent" and turns[place - 1].party != "agent":
            yield Context(turns[:place]), tuple(takewhile(lambda turn: turn.party != "customer", turns[place:]))


async def meet(
    crew: Crew, student: Agent, customers: Sequence[Customer], share: float, logs: Sequence[Conversation]
) -> list[Moment]:
    """Let customers talk to teacher and student by turns, and hold the student against the teacher at every agent turn
    of these conversations and of logs.

    Each conversation is looked at as soon as it is over, so that the longest does not keep everybody waiting. Moments
    whose measurement failed are left out and counted in a note. Order: as the customers, then as the logs.
    """
    places = anyio.Semaphore(LOGS_AT_ONCE)

    async def look(log: Conversation) -> list[Moment | None]:
        async with places:
            return await crew.send(look_at, student, log)

    jobs = [
        *(partial(crew.send, converse, student, share, customer) for customer in customers),
        *(partial(look, log) for log in logs),
    ]
    found = [moment for moments in await crew.all("conversations", jobs) for moment in moments]
    _note_failures(crew, sum(moment is None for moment in found))
    return _mark_first([moment for moment in found if moment is not None])


async def converse(crew: Crew, student: Agent, share: float, customer: Customer) -> list[Moment | None]:
    """Let a customer talk to teacher and student by turns, and look at what came of it. An errand."""
    agent = Alternating(crew.teacher, student, share, crew.settings.seed)
    return await look_at(crew, student, await crew.rollout.play(agent, customer))


async def look_at(crew: Crew, student: Agent, conversation: Conversation) -> list[Moment | None]:
    """Hold the student against the teacher at every agent turn; None where that failed. An errand."""
    jobs = [
        partial(_compare_at, crew, student, conversation, context, done) for context, done in occasions(conversation)
    ]
    return await gather(jobs)


async def _compare_at(
    crew: Crew, student: Agent, conversation: Conversation, context: Context, done: tuple[Turn, ...]
) -> Moment | None:
    seed = crew.seed("compare", context.key)
    ours, theirs = await both(partial(_reply, student, context, seed), partial(_reply, crew.teacher, context, seed))
    if ours is None or theirs is None:
        return None
    verdict = await crew.judge.compare(context, ours, theirs, seed)
    if not isinstance(verdict, Comparison):
        return None
    failed = conversation.outcome is not None and not conversation.outcome.passed
    reference = () if conversation.source == "simulated" or failed else done
    customer = conversation.task or conversation.customer or content_hash(conversation.turns)[:16]
    return Moment(context, customer, ours, theirs, reference, verdict, first=False, source=conversation.source)


async def look_again(crew: Crew, student: Agent, moment: Moment, context: Context) -> Moment | None:
    """The moment as it would be in another context, its own in part; None where that failed. An errand."""
    at = Conversation((*context.turns, moment.student), customer=moment.customer, source=moment.source)
    found = await _compare_at(crew, student, at, context, ())
    if found is None:
        return None
    return replace(
        found, reference=moment.reference, contrast=moment.contrast, first=moment.first and found.falls_short
    )


async def _reply(agent: Agent, context: Context, seed: int) -> Turn | None:
    """None: it gave none that can be used. Raised, that would cancel the reply that is asked for beside it."""
    try:
        return await agent.reply(context, seed)
    except (BadReply, Rejected):
        return None


def _mark_first(moments: list[Moment]) -> list[Moment]:
    seen: set[str] = set()
    marked = []
    for moment in moments:
        first = moment.falls_short and moment.customer not in seen
        if first:
            seen.add(moment.customer)
        marked.append(replace(moment, first=first))
    return marked


def _note_failures(crew: Crew, count: int) -> None:
    if count:
        crew.tell(Note(f"{count} comparisons are unscored: a reply or a verdict could not be used."))
