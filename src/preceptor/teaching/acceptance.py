"""Step 3, acceptance: a strategy is kept only if it measurably helps this student where it was not written from.

Each candidate is tried *on top of* those accepted before it, on held-back contexts of its scenario: the student replies
with and without it, a blind judge compares both ways round, and an exact one-sided sign test on wins against losses
decides. Several looks share the error rate (Bonferroni over looks and candidates), so that a scenario in which nothing
helps accepts anything with a chance of at most `alpha`. What adds nothing to the others, a duplicate say, is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from scipy import stats

from preceptor.dialogue.conversation import Context
from preceptor.judging.judge import shown
from preceptor.library.model import Effect, Evidence, Measured, Strategy
from preceptor.llm.parallel import gather
from preceptor.teaching.crew import Crew
from preceptor.teaching.pairs import Pair, hold_against

Verdict = Literal["accepted", "refused", "waiting"]
MEASURED: dict[Verdict, Measured] = {"accepted": "accepted", "refused": "refused", "waiting": "proposed"}


@dataclass(frozen=True)
class Trial:
    """What the gate said of one candidate."""

    strategy: Strategy
    verdict: Verdict
    reason: str
    effect: Effect | None
    evidence: Evidence


async def accept(
    crew: Crew,
    base: tuple[Strategy, ...],
    candidates: Sequence[Strategy],
    contexts: Sequence[Context],
    *,
    last_chance: bool,
) -> list[Trial]:
    """Try candidates one on top of the other, in their order.

    Args:
        base: strategies of the scenario already in force.
        contexts: held-back contexts of the scenario, oldest first.
        last_chance: no more contexts will come, so decide on what is there.
    """
    bench = _Bench(crew, contexts, len(candidates), last_chance)
    trials = []
    for candidate in candidates:
        trial = await bench.test(base, candidate)
        trials.append(trial)
        if trial.verdict == "accepted":
            base = (*base, trial.strategy)
    return trials


class _Bench:
    def __init__(self, crew: Crew, contexts: Sequence[Context], candidates: int, last_chance: bool) -> None:
        self.crew = crew
        self.contexts = contexts
        self.last_chance = last_chance
        self.alpha = crew.settings.alpha / (max(candidates, 1) * len(crew.settings.looks))

    def looks(self) -> list[int]:
        """Numbers of contexts at which the test may stop."""
        have = len(self.contexts)
        planned = [look for look in self.crew.settings.looks if look <= have]
        more_wanted = len(planned) < len(self.crew.settings.looks)
        if self.last_chance and more_wanted and have >= self.crew.settings.min_contexts and have not in planned:
            planned.append(have)
        return planned

    async def test(self, base: tuple[Strategy, ...], candidate: Strategy) -> Trial:
        results: list[Pair | None] = []
        for look in self.looks():
            batch = self.contexts[len(results) : look]
            results += await gather([partial(self._pair, base, candidate, context) for context in batch])
            scores = [pair.score for pair in results if pair]
            wins, losses = scores.count(1), scores.count(-1)
            if losses >= wins:
                return self._trial(
                    candidate, "refused", results, "It does not help on contexts it was not written from."
                )
            if sign_test(wins, losses) <= self.alpha:
                return self._trial(candidate, "accepted", results, "It helps on contexts it was not written from.")
        undecided = "Not decided on the contexts at hand."
        full = len(self.contexts) >= self.crew.settings.looks[-1]
        return self._trial(candidate, "refused" if full or self.last_chance else "waiting", results, undecided)

    async def _pair(self, base: tuple[Strategy, ...], candidate: Strategy, context: Context) -> Pair | None:
        return await hold_against(self.crew, context, base, (*base, candidate), "acceptance")

    def _trial(self, candidate: Strategy, verdict: Verdict, results: Sequence[Pair | None], reason: str) -> Trial:
        pairs = [pair for pair in results if pair]
        effect = effect_of([pair.score for pair in pairs]) if pairs else None
        value = round(effect.mean, 6) if effect else 0.0
        strategy = replace(candidate, value=value, measured=MEASURED[verdict])
        return Trial(strategy, verdict, reason, effect, _evidence(pairs, reason, effect))


def _evidence(pairs: Sequence[Pair], reason: str, effect: Effect | None) -> Evidence:
    """The figures, with the worst context as the example: losses first."""
    if not pairs:
        return Evidence("acceptance", "", reason=reason, effect=effect)
    worst = min(pairs, key=lambda pair: pair.score)
    return Evidence("acceptance", "", worst.context, shown(worst.old), shown(worst.new), "", reason, effect)


def sign_test(wins: int, losses: int) -> float:
    """Chance of so many wins or more among the decided pairs if win and loss were equally likely (exact)."""
    if wins + losses == 0:
        return 1.0
    return float(stats.binomtest(wins, wins + losses, 0.5, alternative="greater").pvalue)


def effect_of(scores: Sequence[int]) -> Effect:
    """Win rate minus loss rate with a 95 % interval.

    Wilson's interval for the mean of (score + 1) / 2; ties lie between win and loss, so the interval is, if anything,
    too wide.
    """
    n = len(scores)
    mean = sum(scores) / n
    share = (mean + 1) / 2
    z = float(stats.norm.ppf(0.975))
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return Effect(mean, 2 * (centre - half) - 1, 2 * (centre + half) - 1, n)
