"""How a teaching run is done: every figure a person may want to change."""

from itertools import pairwise
from typing import Annotated

import pydantic

Share = Annotated[float, pydantic.Field(ge=0, le=1)]
Count = Annotated[int, pydantic.Field(ge=1)]


def _rising(looks: tuple[int, ...]) -> tuple[int, ...]:
    """Each look's level is the share of pairs that it adds."""
    if any(later <= before for before, later in pairwise(looks)):
        raise ValueError("each look must come after more pairs than the one before")
    return looks


class Teaching(pydantic.BaseModel):
    """Settings of the loop. The defaults suit a few hundred model calls per scenario."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    seed: int = 0
    """The same seed with the same models gives the same library."""
    iterations: Count = 5
    """At most so many rounds of conversations; the run stops by itself when nothing new is learned."""
    customers: Count = 120
    """Simulated customers per iteration."""
    logs: tuple[str, ...] = ()
    """Conversations to learn from beside simulated ones: files, sources of `preceptor logs`, or "imported" for all of
    those. --logs takes their place."""
    logged_conversations: Count | None = None
    """Conversations from logs to learn from, at most, drawn by the seed; all of them when not given."""
    contrasts: Annotated[int, pydantic.Field(ge=0)] = 100
    """Where logs say what came of a conversation: failed attempts, at most, that the teacher is shown beside one at the
    same task that did not fail. 0: none."""
    max_turns: Count = 8
    """Agent turns after which a conversation is cut."""
    teacher_share: Share = 1.0
    """Share of the agent's turns the teacher speaks in the first iteration."""
    teacher_share_decay: Share = 0.5
    """Factor on the teacher's share from one iteration to the next; 1 never hands over to the student."""
    sources: Count = 3
    """Contexts of a scenario that strategies are written from, at most."""
    rounds: Count = 3
    """Tries per source context until the student is on a par with the teacher."""
    strategies_per_scenario: Count = 5
    """Strategies of one scenario, at most."""
    slot_limit: Count = 12
    """Strategies in the student's prompt at a time, at most."""
    looks: Annotated[tuple[Count, ...], pydantic.Field(min_length=1), pydantic.AfterValidator(_rising)] = (16, 40, 80)
    """Pairs of replies (with and without) after which a strategy's test may stop, one after the other."""
    repeats: Count = 4
    """Pairs drawn from one held-back context, at most."""
    min_contexts: Count = 8
    """Held-back contexts a scenario needs before its strategies are tested."""
    alpha: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.02
    """Chance that a scenario accepts anything at all when nothing helps; small, so that of some sixty scenarios hardly
    ever more than one in twenty does."""
    gate: bool = True
    """Measure before accepting. Off is for comparison only: everything the teacher writes is kept."""
    examples: Count = 30
    """Example contexts kept per scenario; retrieval learns from them."""
    near_duplicate: Share = 0.95
    """Likeness from which a context joins a scenario without asking the teacher."""
    held_out: Count = 30
    """Customers of the held-out score, never taught from."""
    patience: Count = 2
    """Iterations without a rise of the held-out score after which the run stops."""
    min_rise: Annotated[float, pydantic.Field(ge=0)] = 0.02
    """Rise of the held-out score, on the scale of 1 to 5, that counts as one."""
    false_injections: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.05
    """Share of all contexts in which the student may be given strategies though the context belongs to no scenario."""
    choose_placement: bool = True
    """Measure where in the prompt this student heeds strategies best."""
    consolidate: bool = True
    """At the end merge duplicates and lift what recurs to general strategies."""
