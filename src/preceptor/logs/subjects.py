"""What conversations are about: groups found in a sample, in which any other conversation can then be placed.

Seen are the words of customer and agent, over the whole conversation, as retrieval reads them: word vectors and
weighted stems. Tools, tags and stand-ins for customers' data are not looked at: they would tell how somebody labelled
or wired it, not what it was about.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from preceptor.dialogue.conversation import Conversation, Turn
from preceptor.logs.grouping import FREE, NEIGHBOURS, Bounds, Grouping, group
from preceptor.logs.wording import without_stand_ins
from preceptor.retrieval.embedding import Embedder
from preceptor.retrieval.features import Features, Views, Vocabulary, Weights, likeness, read_contexts
from preceptor.retrieval.sparse import Index, Matrix
from preceptor.retrieval.windows import Reader

LEXICAL = 0.3
"""Share of words beside word vectors: the one retrieval begins with."""
_AT_ONCE = 256
"""Conversations placed in one go."""


@dataclass(frozen=True)
class Subjects:
    """Groups of a sample."""

    grouping: Grouping
    alike: Matrix
    """sample × sample likeness."""
    reader: Reader
    vocabulary: Vocabulary
    features: Features
    lexical: float

    @classmethod
    def find(
        cls,
        sample: Sequence[Conversation],
        embedder: Embedder,
        bounds: Bounds = FREE,
        seed: int = 0,
    ) -> "Subjects":
        """Groups of conversations that say something; memory grows with the square of their number.

        Raises:
            ProviderError: from the embedder.
        """
        reader, lexical = Reader(embedder), LEXICAL if embedder.dim else 1.0
        views, vocabulary = read_contexts([_read(one) for one in sample], reader)
        features = _whole(views, lexical)
        alike = likeness(features, features)
        return cls(group(alike, bounds, seed), alike, reader, vocabulary, features, lexical)

    def place(self, conversations: Sequence[Conversation]) -> Index:
        """(n,): the group of each, by what its nearest of the sample are in; −1 where they are in none, or nothing is
        alike."""
        parts = [conversations[at : at + _AT_ONCE] for at in range(0, len(conversations), _AT_ONCE)]
        return np.concatenate([np.zeros(0, np.intp), *map(self._place, parts)])

    def typical(self, number: int) -> Index:
        """Members of a group in the sample, those most like all the others first."""
        members = np.flatnonzero(self.grouping.groups == number)
        likest = self.alike[np.ix_(members, members)].mean(axis=1)
        return np.asarray(members[np.argsort(-likest, kind="stable")], np.intp)

    def _place(self, conversations: Sequence[Conversation]) -> Index:
        views, _ = read_contexts([_read(one) for one in conversations], self.reader, self.vocabulary)
        alike = likeness(_whole(views, self.lexical), self.features)
        near = min(NEIGHBOURS, alike.shape[1])
        nearest = np.argpartition(-alike, near - 1, axis=1)[:, :near]
        weights = np.maximum(np.take_along_axis(alike, nearest, 1), 0)
        votes = np.zeros((len(alike), self.grouping.count + 1))
        # The last column is the left over: −1.
        np.add.at(votes, (np.arange(len(alike))[:, None], self.grouping.groups[nearest]), weights)
        best = votes.argmax(axis=1)
        best[(best == self.grouping.count) | (votes.max(axis=1) <= 0)] = -1
        return np.asarray(best, np.intp)


def spoken(conversation: Conversation) -> tuple[Turn, ...]:
    """What customer and agent said, in words; retrieval would look at tools as well."""
    return tuple(Turn(turn.party, turn.text) for turn in conversation.turns if turn.party != "tool" and turn.text)


def _read(conversation: Conversation) -> tuple[Turn, ...]:
    return tuple(replace(turn, text=without_stand_ins(turn.text)) for turn in spoken(conversation))


def _whole(views: Views, lexical: float) -> Features:
    """Through the window that takes in everything."""
    only = Views(views.dense[-1:], views.common[-1:], views.lexical[-1:], views.opening)
    return only.weighted(Weights((1.0,), lexical))
