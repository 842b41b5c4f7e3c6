"""What each strategy does, and each scenario's whole set, by leaving it out where it stood in the slot.

In contexts of the library arm's own conversations the student replies twice: with everything that stood in the slot,
and with that less the strategy (or the set). A judge compares blind, in both orders. The effect is the win rate minus
the loss rate of having it, so it is what would be lost by taking it out: of two strategies that say the same, neither
is missed. Nothing is shrunk; what never stood in a slot has no effect to show.

Every context of a strategy is another customer's, so customers count alike. p-values are from the exact sign-flip test;
q-values (Benjamini and Hochberg 1995) keep the share of false findings among all findings at the level.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from scipy import stats

from preceptor.dialogue.conversation import Context, Turn
from preceptor.errors import BadReply, Rejected
from preceptor.evaluation import statistics
from preceptor.evaluation.omissions import CONTEXTS, REPEATS, Draw, Kind, Pair, Plan, Subject, draws, plan
from preceptor.evaluation.report import Report
from preceptor.evaluation.significance import sign_flip
from preceptor.evaluation.statistics import Interval
from preceptor.judging.judge import Judge
from preceptor.judging.verdicts import Unscored
from preceptor.library.model import Strategy
from preceptor.llm.parallel import gather
from preceptor.llm.progress import Progress, counted
from preceptor.storage.canonical import content_hash
from preceptor.student.student import Student

Verdict = Literal["helps", "hurts", "not decided", "not measured"]
LEAST = 6
"""Customers an effect needs: with fewer, no result at all could be told from chance (2 in 2^5 is above the level)."""
LEVEL = 0.05
"""Share of false findings among what is said to help or to hurt."""


@dataclass(frozen=True)
class Contribution:
    """What one strategy, or one scenario's set, does for the customers it reached."""

    kind: Kind
    id: str
    """Of the strategy or the scenario; ``general`` for the set of general strategies."""
    text: str
    """The strategy's text, or the scenario's description."""
    scenario: str | None
    """The scenario's id; None for general strategies."""
    turns: int
    """Agent turns of the arm at which it stood in the slot."""
    turn_share: float
    """Of all its agent turns."""
    customers: int
    """Customers who met it at least once."""
    customer_share: float
    effect: Interval | None
    """Win rate minus loss rate of having it, -1 to 1; `n` counts customers. None: fewer than `LEAST`."""
    wins: int
    ties: int
    losses: int
    """Pairs of replies: with it better, neither, without it better."""
    unscored: int
    """Pairs without a verdict."""
    p: float = 1.0
    """Chance of an effect so far from 0 if it did nothing."""
    q: float = 1.0
    """`p`, adjusted for how many strategies (or sets) were measured."""

    @property
    def verdict(self) -> Verdict:
        if self.effect is None:
            return "not measured"
        if self.q > LEVEL:
            return "not decided"
        return "helps" if self.effect.value > 0 else "hurts"


@dataclass(frozen=True)
class Attribution:
    """Strategies and sets, the most helpful first, what was not measured last."""

    arm: str
    turns: int
    """Agent turns of the arm."""
    customers: int
    repeats: int
    strategies: tuple[Contribution, ...]
    scenarios: tuple[Contribution, ...]

    @property
    def hurting(self) -> tuple[Contribution, ...]:
        """What makes replies worse: to be looked at first."""
        return self._found("hurts")

    @property
    def helping(self) -> tuple[Contribution, ...]:
        """What makes replies better."""
        return self._found("helps")

    def _found(self, verdict: Verdict) -> tuple[Contribution, ...]:
        return tuple(one for one in (*self.strategies, *self.scenarios) if one.verdict == verdict)


async def attribute(
    student: Student,
    report: Report,
    judge: Judge,
    *,
    contexts: int = CONTEXTS,
    repeats: int = REPEATS,
    seed: int = 0,
    tell: Callable[[Progress], object] = lambda event: None,
) -> Attribution:
    """Measure the effect of each strategy and of each scenario's set.

    Args:
        student: the arm with the library, as it was evaluated: its name finds its conversations in the report.
        contexts: moments looked at for each strategy, at most, of different customers; drawn by `seed`.
        repeats: pairs of replies in each of them.
        tell: hears how far it is.

    Raises:
        UserError: the student has no library, or the report no such arm.
        ProviderError, Stopped: from the models.
    """
    planned = plan(student, report, contexts=contexts, repeats=repeats, seed=seed)
    wanted = list(planned.pairs())
    every = dict.fromkeys(pair for _, pairs in wanted for pair in pairs)
    scores = await _Work.of(planned, judge, tell).scores(every)
    rows = [_row(planned, subject, pairs, scores) for subject, pairs in wanted]
    strategies, sets = ([row for row in rows if row.kind == kind] for kind in ("strategy", "scenario"))
    return Attribution(student.name, planned.turns, planned.customers, repeats, _ordered(strategies), _ordered(sets))


@dataclass(frozen=True)
class _Work:
    student: Student
    judge: Judge
    seed: int
    contexts: Mapping[str, Context]
    strategies: Mapping[str, Strategy]
    tell: Callable[[Progress], object]

    @classmethod
    def of(cls, planned: Plan, judge: Judge, tell: Callable[[Progress], object]) -> "_Work":
        chosen = [firing for subject in planned.subjects for firing in subject.chosen]
        strategies = {strategy.id: strategy for firing in chosen for strategy in firing.slot}
        contexts = {firing.context.key: firing.context for firing in chosen}
        return cls(planned.student, judge, planned.seed, contexts, strategies, tell)

    async def scores(self, pairs: Iterable[Pair]) -> dict[Pair, int | None]:
        """1: better with it; -1: better without; 0: neither; None: not measured."""
        wanted = list(pairs)
        drawn = list(draws(wanted))
        replying = [partial(self._reply, draw) for draw in drawn]
        given = await gather(counted("replies with and without", replying, self.tell))
        replies = dict(zip(drawn, given, strict=True))
        jobs = [partial(self._score, pair, replies[pair.without], replies[pair.given]) for pair in wanted]
        return dict(zip(wanted, await gather(counted("comparisons of them", jobs, self.tell)), strict=True))

    def _luck(self, draw: Draw) -> int:
        """The same for both replies of a pair; others for each context and repeat."""
        return int(content_hash([self.seed, "attribution", draw.context, draw.repeat])[:7], 16)

    async def _reply(self, draw: Draw) -> Turn | BadReply | Rejected:
        slot = [self.strategies[id_] for id_ in draw.strategies]
        try:
            return await self.student.reply_with(self.contexts[draw.context], slot, self._luck(draw))
        except (BadReply, Rejected) as fault:
            return fault

    async def _score(
        self, pair: Pair, without: Turn | BadReply | Rejected, given: Turn | BadReply | Rejected
    ) -> int | None:
        """A reply that no customer could be shown loses against one that can be."""
        if isinstance(without, Rejected) or isinstance(given, Rejected):
            return None
        if isinstance(without, BadReply) or isinstance(given, BadReply):
            return isinstance(without, BadReply) - isinstance(given, BadReply) or None
        verdict = await self.judge.compare(self.contexts[pair.given.context], without, given, self._luck(pair.given))
        return None if isinstance(verdict, Unscored) else verdict.score


def _row(planned: Plan, subject: Subject, pairs: Sequence[Pair], scores: Mapping[Pair, int | None]) -> Contribution:
    by_context: dict[str, list[int]] = {}
    for pair in pairs:
        if (score := scores[pair]) is not None:
            by_context.setdefault(pair.given.context, []).append(score)
    means = [sum(found) / len(found) for found in by_context.values()]
    known = [score for found in by_context.values() for score in found]
    return Contribution(
        subject.kind,
        subject.id,
        subject.text,
        subject.scenario,
        subject.turns,
        subject.turns / max(1, planned.turns),
        subject.customers,
        subject.customers / max(1, planned.customers),
        statistics.mean(means) if len(means) >= LEAST else None,
        known.count(1),
        known.count(0),
        known.count(-1),
        len(pairs) - len(known),
        sign_flip(means) if len(means) >= LEAST else 1.0,
    )


def _ordered(rows: Sequence[Contribution]) -> tuple[Contribution, ...]:
    """With q-values, the most helpful first."""
    measured = [row for row in rows if row.effect]
    adjusted = stats.false_discovery_control([row.p for row in measured]).tolist() if measured else []
    known = [replace(row, q=q) for row, q in zip(measured, adjusted, strict=True)]
    known.sort(key=lambda row: (-(row.effect.value if row.effect else 0.0), row.id))
    return (*known, *(row for row in rows if not row.effect))
