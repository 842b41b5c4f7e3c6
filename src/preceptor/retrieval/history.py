"""What a conversation was about at the customer's turn before, as evidence for what it is about now.

Some subjects follow from others whatever words they come in: who was told to wait calls again, who was refused asks for
somebody else. So what a first fit says of the context one customer turn earlier is put beside the context itself and
learned from (stacking: Wolpert 1992, *Neural Networks* 5). Where subjects do not follow from others, or never change,
it is noise; `weighing` finds out on left-out conversations.
"""

from collections.abc import Sequence

import numpy as np

from preceptor.dialogue.conversation import Turn
from preceptor.retrieval.features import Features, likeness
from preceptor.retrieval.kernel import Ridge, kernel, split
from preceptor.retrieval.sparse import Index, Matrix
from preceptor.retrieval.windows import heard


def earlier(turns: Sequence[Turn]) -> Sequence[Turn]:
    """The context when the agent heard something before: at the customer's turn before, or at the one that made it call
    a tool; empty at the first."""
    found = heard(turns)
    return turns[: found[-2] + 1] if len(found) > 1 else ()


def shares(said: Matrix, opening: Matrix) -> Matrix:
    """What a fit says of earlier contexts, as evidence: 0 to 1, zeros for the contexts that are openings."""
    return np.asarray(np.clip(said, 0, 1) * (1 - opening)[:, None], np.float32)


def learned(ridge: Ridge, examples: Features, before: Features, groups: Index, opening: Matrix) -> Matrix:
    """examples × labels: what is said of each example's earlier context by the fit without its conversation.

    `before`: the earlier contexts.
    """
    said = np.zeros_like(ridge.targets)
    rows = kernel(likeness(before, examples))
    for members in split(groups):
        followed = members[opening[members] == 0]
        if len(followed):
            said[followed] = ridge.says(rows[followed], without=members)
    return shares(said, opening)
