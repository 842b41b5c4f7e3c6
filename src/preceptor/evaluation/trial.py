"""A judge on trial: it rates conversations that people rated, and compares replies in both orders.

Pairs of replies are two of the agent's own in one conversation: what it said in a context, and what it said elsewhere
there. Which is better does not matter; that the verdict should not change when they change places does.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from preceptor.dialogue.conversation import Context, Conversation, Turn
from preceptor.evaluation.events import Event, Finished
from preceptor.evaluation.judges import Verdicts
from preceptor.judging.judge import Judge
from preceptor.judging.ratings import Rated
from preceptor.judging.verdicts import Unscored
from preceptor.llm.parallel import gather
from preceptor.llm.progress import counted
from preceptor.storage.canonical import content_hash


@dataclass(frozen=True)
class Replies:
    """Two replies in one context."""

    context: Context
    given: Turn
    other: Turn


async def question(
    name: str,
    judge: Judge,
    rated: Sequence[Rated],
    pairs: Sequence[Replies],
    *,
    seed: int = 0,
    tell: Callable[[Event], None] = lambda event: None,
) -> Verdicts:
    """Ask a judge about conversations, then about pairs of replies.

    Raises:
        ProviderError, Stopped: from the model.
    """
    talks = [one.conversation for one in rated]
    rate = [partial(judge.rate, talk, _luck(seed, talk.customer)) for talk in talks]
    compare = [
        partial(judge.both_orders, two.context, two.given, two.other, _luck(seed, two.context.key)) for two in pairs
    ]
    ratings = await gather(counted("conversations", rate, tell))
    compared = await gather(counted("pairs of replies", compare, tell))
    unscored = sum(isinstance(one, Unscored) for one in ratings)
    tell(Finished("every conversation was rated", len(talks), unscored))
    return Verdicts(name, tuple(ratings), tuple(compared))


def draw(rated: Sequence[Rated], count: int, seed: int = 0) -> tuple[Rated, ...]:
    """At most so many of them, in the file's order; the same for the same seed."""
    chosen = sorted(random.Random(f"rated {seed}").sample(range(len(rated)), min(count, len(rated))))
    return tuple(rated[place] for place in chosen)


def draw_pairs(rated: Sequence[Rated], count: int, seed: int = 0) -> tuple[Replies, ...]:
    """A pair of replies from each of at most so many conversations, among those in which the agent says two things."""
    dice = random.Random(f"pairs {seed}")
    found = [pair for one in rated if (pair := _pair(one.conversation, dice))]
    return tuple(dice.sample(found, min(count, len(found))))


def _pair(conversation: Conversation, dice: random.Random) -> Replies | None:
    said = [
        (context, turn) for context, turn in conversation.contexts() if turn.text.strip() and context.customer_turns
    ]
    texts = dict.fromkeys(turn.text for _, turn in said)
    if len(texts) < 2:
        return None
    context, given = dice.choice(said)
    return Replies(context, given, Turn("agent", dice.choice([text for text in texts if text != given.text])))


def _luck(seed: int, what: str) -> int:
    return int(content_hash(["judge", seed, what])[:7], 16)
