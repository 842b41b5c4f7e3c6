"""Attempts at one task, of which some reached its end and some did not, held side by side.

Where logs say what came of a conversation, two attempts at the same task differ in little but in what the agent did:
the teacher is shown both and says at which answer the failed one went wrong, and what would have made the difference.
What it writes is tried like everything else, where the student falls short at that answer too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile, zip_longest

from preceptor.dialogue.conversation import Conversation, transcript
from preceptor.errors import BadReply, Rejected
from preceptor.llm.messages import Sampling
from preceptor.teaching.crew import Crew
from preceptor.teaching.events import Note
from preceptor.teaching.moments import Contrast, occasions
from preceptor.teaching.tasks import TELL_APART, ToldApart

SAMPLING = Sampling(temperature=0.7, max_tokens=800)


@dataclass(frozen=True)
class Attempts:
    """Two attempts at one task."""

    failed: Conversation
    passed: Conversation


def pair_up(logs: Iterable[Conversation], limit: int) -> tuple[Attempts, ...]:
    """Each attempt that failed with one at the same task that passed: the one that began most like it, so that what
    made the difference stands out. At most `limit`: one of each task first, tasks in the order of the logs."""
    tasks: dict[str, list[Conversation]] = {}
    for conversation in logs:
        if conversation.task and conversation.outcome is not None:
            tasks.setdefault(conversation.task, []).append(conversation)
    rounds = zip_longest(*map(_pairs, tasks.values()))
    return tuple(pair for round_ in rounds for pair in round_ if pair)[:limit]


def _pairs(attempts: Sequence[Conversation]) -> list[Attempts]:
    done = [(attempt, _actions(attempt)) for attempt in attempts]
    passed = [one for one in done if one[0].outcome and one[0].outcome.passed]
    failed = [one for one in done if one[0].outcome and not one[0].outcome.passed]
    return [
        Attempts(attempt, max(passed, key=lambda other: _alike(actions, other[1]))[0])
        for attempt, actions in failed
        if passed
    ]


def _alike(one: Sequence[object], other: Sequence[object]) -> int:
    """How many actions both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _actions(conversation: Conversation) -> list[tuple[str, object]]:
    calls = (call for turn in conversation.turns for call in turn.tool_calls)
    return [(call.name, call.read()) for call in calls]


async def tell_apart(crew: Crew, pairs: Sequence[Attempts]) -> dict[str, Contrast]:
    """What made the difference, by the key of the failed attempt's context in which it was made.

    Raises:
        ProviderError, Stopped: from the model.
    """
    if not pairs:
        return {}
    told = await crew.all("attempts", [partial(crew.send, told_apart, pair) for pair in pairs])
    found = {}
    for pair, answer in zip(pairs, told, strict=True):
        contexts = [context for context, _ in occasions(pair.failed)]
        if answer is not None and 0 < answer.answer <= len(contexts):
            context = contexts[answer.answer - 1]
            found[context.key] = Contrast(answer, (*pair.failed.turns, *pair.passed.turns))
    tasks = len({pair.failed.task for pair in pairs})
    of_use = f"the teacher says for {len(found)} where it was" if found else "the teacher's answers were of no use"
    crew.tell(Note(f"{len(pairs)} attempts that failed, at {tasks} tasks, held against ones that passed: {of_use}."))
    return found


async def told_apart(crew: Crew, pair: Attempts) -> ToldApart | None:
    """What the teacher says made the difference; None: the answer could not be read. An errand."""
    try:
        return await TELL_APART.ask(
            crew.teacher_model,
            replace(SAMPLING, seed=crew.seed("attempts", pair.failed.turns, pair.passed.turns)),
            policy=crew.domain.policy,
            tools=crew.domain.listed_tools(),
            failed=numbered(pair.failed),
            passed=transcript(pair.passed.turns),
            limit=str(crew.settings.strategies_per_scenario),
        )
    except (BadReply, Rejected):
        return None


def numbered(conversation: Conversation) -> str:
    """A transcript in which a line ``Answer 1:`` and so on stands at each of its `occasions`, before what was done."""
    lines, begun = list[str](), 0
    places = [len(context.turns) for context, _ in occasions(conversation)]
    for number, place in enumerate(places, 1):
        lines += [transcript(conversation.turns[begun:place]), f"Answer {number}:"]
        begun = place
    return "\n".join([*lines, transcript(conversation.turns[begun:])])
