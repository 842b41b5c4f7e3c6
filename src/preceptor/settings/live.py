"""What the gateway's trials have shown so far: outcomes that serving kept, read by evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from preceptor.evaluation.live import Effect, effect
from preceptor.serving.outcomes import Measure, Outcome, Tally, outcomes, tallies
from preceptor.serving.trial import Arm
from preceptor.storage.database import Database

PAIRS: tuple[tuple[Arm, Arm], ...] = (("live", "untaught"), ("other", "live"))
BOUNDS: dict[Measure, tuple[float, float]] = {"rating": (1, 5), "resolved": (0, 1), "handed_over": (0, 1)}
LESS_IS_BETTER: frozenset[Measure] = frozenset({"handed_over"})


@dataclass(frozen=True)
class Finding:
    """One arm held against another by one measure."""

    arm: Arm
    against: Arm
    measure: Measure
    effect: Effect

    @property
    def verdict(self) -> str:
        """In words; what is better depends on the measure."""
        said = self.effect.difference.verdict
        turned = {"better": "worse", "worse": "better"} if self.measure in LESS_IS_BETTER else {}
        return turned.get(said, said)


@dataclass(frozen=True)
class Live:
    """What is known of a library's trials."""

    arms: dict[Arm, Tally]
    findings: Sequence[Finding]


def live(db: Database, library: str, since: str = "") -> Live:
    """Read a library's trials. `since`: an ISO time before which conversations began that do not count."""
    told = outcomes(db, library, since)
    findings = []
    for arm, against in PAIRS:
        for measure in get_args(Measure):
            chosen = _chosen(told, arm, against, measure)
            if len({one.arm for one in chosen}) == 2:
                findings.append(Finding(arm, against, measure, _effect(chosen, arm, measure)))
    return Live(tallies(db, library, since), findings)


def _chosen(told: Sequence[Outcome], arm: Arm, against: Arm, measure: Measure) -> list[Outcome]:
    """Against the holdout, only conversations that there was something to teach: in the others both arms are the same
    student, and until then they were."""
    both = [one for one in told if one.measure == measure and one.arm in (arm, against)]
    return [one for one in both if one.found] if against == "untaught" else both


def _effect(told: Sequence[Outcome], arm: Arm, measure: Measure) -> Effect:
    mine = next(one.chance for one in told if one.arm == arm)
    theirs = next(one.chance for one in told if one.arm != arm)
    return effect([(one.arm == arm, one.value) for one in told], *BOUNDS[measure], (mine, theirs))
