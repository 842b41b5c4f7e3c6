"""Step 3, acceptance: a strategy is kept only if it measurably helps this student where it was not written from.

On held-back contexts of the scenario the student replies in two ways, a blind judge compares both ways round, and an
exact one-sided sign test on wins against losses decides. First the whole set is tried against nothing new. If it helps,
each strategy is left out in turn: one that is not missed goes, so a duplicate goes like anything useless. Leaving out
shows more than adding one alone: with the rest in place, the student's other doings vary less. If the set does not
help, perhaps because one of it harms, each is tried alone.

The error rate is kept per scenario: half of `alpha` for the set, half for the single strategies of a set that failed,
shared among them; in a set that has passed, each is tested at `alpha`. So a scenario in which nothing helps accepts
anything with a chance of at most `alpha`. Looks share a test's level in proportion to the pairs they add.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import comb
from statistics import NormalDist
from typing import Literal, assert_never

from preceptor.dialogue.conversation import Context
from preceptor.judging.judge import shown
from preceptor.library.model import Effect, Evidence, Measured, Strategy
from preceptor.llm.parallel import gather
from preceptor.teaching.crew import Crew
from preceptor.teaching.pairs import Pair, hold_against

Verdict = Literal["accepted", "refused", "waiting"]
HOPELESS = 0.25
"""From the second look on, a test whose p-value is still above this is given up; at the first, one that is behind."""
NO_HELP = "It does not help on contexts it was not written from."
HARMS = "It makes replies worse on contexts it was not written from."
UNDECIDED = "Not decided: it may help, but not so clearly that chance is ruled out."
HARM_LEVEL = 0.1
"""Level of every test for harm: lenient towards the customer, so larger than the gate's."""
MEASURED: dict[Verdict, Measured] = {"accepted": "accepted", "refused": "refused", "waiting": "proposed"}


@dataclass(frozen=True)
class Trial:
    """What the gate said of one candidate."""

    strategy: Strategy
    verdict: Verdict
    reason: str
    effect: Effect | None
    evidence: tuple[Evidence, ...]
    """Each context in which the reply with it was judged worse, then the figures with an example."""


async def accept(
    crew: Crew,
    base: tuple[Strategy, ...],
    candidates: Sequence[Strategy],
    contexts: Sequence[Context],
    *,
    last_chance: bool,
) -> list[Trial]:
    """Try candidates together, then one on top of the other, in their order. An errand.

    Args:
        base: strategies of the scenario already in force.
        contexts: held-back contexts of the scenario, oldest first.
        last_chance: no more contexts will come, so decide on what is there.
    """
    tests = _Tests(crew, contexts, last_chance)
    if len(candidates) < 2:
        return await _alone(tests, base, candidates, crew.settings.alpha)
    together, _ = await tests.run(base, (*base, *candidates), crew.settings.alpha / 2)
    match together:
        case "waiting":
            return [_trial(candidate, "waiting", []) for candidate in candidates]
        case "accepted":
            return await _left_out(tests, base, candidates, crew.settings.alpha)
        case "refused":
            return await _alone(tests, base, candidates, crew.settings.alpha / 2 / len(candidates))
    assert_never(together)


async def _left_out(
    tests: "_Tests", base: tuple[Strategy, ...], candidates: Sequence[Strategy], level: float
) -> list[Trial]:
    """Leave each out of the set, the least important first; what is not missed stays out."""
    kept = list(candidates)
    trials: dict[str, Trial] = {}
    for candidate in reversed(candidates):
        rest = [other for other in kept if other.id != candidate.id]
        verdict, pairs = await tests.run((*base, *rest), (*base, *kept), level)
        trials[candidate.id] = _trial(candidate, verdict, pairs)
        if verdict != "accepted":
            kept = rest
    return [trials[candidate.id] for candidate in candidates]


async def _alone(
    tests: "_Tests", base: tuple[Strategy, ...], candidates: Sequence[Strategy], level: float
) -> list[Trial]:
    """Try each on top of those accepted before it."""
    trials = []
    for candidate in candidates:
        verdict, pairs = await tests.run(base, (*base, candidate), level)
        trials.append(_trial(candidate, verdict, pairs))
        if verdict == "accepted":
            base = (*base, candidate)
    return trials


@dataclass(frozen=True)
class _Tests:
    crew: Crew
    contexts: Sequence[Context]
    last_chance: bool

    async def run(
        self, old: tuple[Strategy, ...], new: tuple[Strategy, ...], level: float
    ) -> tuple[Verdict, list[Pair]]:
        """Is `new` better than `old`? Looks until it is decided or the contexts are used up."""
        pairs: list[Pair] = []
        drawn = 0
        planned = self.crew.settings.looks
        for look in self._looks():
            jobs = [partial(self._pair, old, new, n) for n in range(drawn, look)]
            pairs += [pair for pair in await gather(jobs) if pair]
            wins, losses = (sum(pair.score == side for pair in pairs) for side in (1, -1))
            if sign_test(wins, losses) <= level * (look - drawn) / planned[-1]:
                return "accepted", pairs
            if sign_test(wins, losses) > (HOPELESS if drawn else 0.5):
                return "refused", pairs
            drawn = look
        return ("refused" if self.last_chance or drawn == planned[-1] else "waiting"), pairs

    def _looks(self) -> list[int]:
        """Numbers of pairs at which the test may stop."""
        settings = self.crew.settings
        if len(self.contexts) < settings.min_contexts:
            return []
        have = len(self.contexts) * settings.repeats
        looks = [look for look in settings.looks if look <= have]
        if self.last_chance and have < settings.looks[-1] and have not in looks:
            looks.append(have)
        return looks

    async def _pair(self, old: tuple[Strategy, ...], new: tuple[Strategy, ...], n: int) -> Pair | None:
        draw, index = divmod(n, len(self.contexts))
        return await hold_against(self.crew, self.contexts[index], old, new, f"acceptance {draw}")


def _trial(candidate: Strategy, verdict: Verdict, pairs: Sequence[Pair]) -> Trial:
    scores = [pair.score for pair in pairs]
    effect = effect_of(scores) if scores else None
    reason = _reason(verdict, scores)
    value = round(effect.mean, 6) if effect else 0.0
    strategy = replace(candidate, value=value, measured=MEASURED[verdict])
    return Trial(strategy, verdict, reason, effect, (*losses(pairs), _evidence(pairs, reason, effect)))


def _reason(verdict: Verdict, scores: Sequence[int]) -> str:
    if verdict == "accepted":
        return "It helps on contexts it was not written from."
    if not scores:
        return "There were too few contexts to try it on."
    if sum(scores) > 0:
        return UNDECIDED
    return HARMS if harms(scores) else NO_HELP


def harms(scores: Sequence[int], level: float = HARM_LEVEL) -> bool:
    """Do losses outnumber wins by more than chance would have them?"""
    return sign_test(scores.count(-1), scores.count(1)) <= level


def _evidence(pairs: Sequence[Pair], reason: str, effect: Effect | None) -> Evidence:
    """The figures, with the worst context as the example: losses first."""
    if not pairs:
        return Evidence("acceptance", "", reason=reason, effect=effect)
    worst = min(pairs, key=lambda pair: pair.score)
    return Evidence("acceptance", "", worst.context, shown(worst.old), shown(worst.new), "", reason, effect)


def losses(pairs: Sequence[Pair], reason: str = "") -> tuple[Evidence, ...]:
    """Where it hurt: a person who is to sign sees these first."""
    lost = (pair for pair in pairs if pair.score < 0)
    return tuple(Evidence("loss", "", pair.context, shown(pair.old), shown(pair.new), "", reason) for pair in lost)


def sign_test(wins: int, losses: int) -> float:
    """Chance of so many wins or more among the decided pairs if win and loss were equally likely (exact)."""
    # In whole numbers: exact to the last digit, and `scipy.stats` takes half a second to import.
    decided = wins + losses
    return float(sum(comb(decided, more) for more in range(wins, decided + 1)) / 2**decided)


def effect_of(scores: Sequence[int]) -> Effect:
    """Win rate minus loss rate with a 95 % interval.

    Wilson's interval for the mean of (score + 1) / 2; ties lie between win and loss, so the interval is, if anything,
    too wide.
    """
    n = len(scores)
    mean = sum(scores) / n
    share = (mean + 1) / 2
    z = NormalDist().inv_cdf(0.975)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return Effect(mean, 2 * (centre - half) - 1, 2 * (centre + half) - 1, n)
