"""What a teaching run reports while it goes, as typed events: the display, the run's record and tests read these."""

from dataclasses import dataclass
from typing import Literal

from preceptor.library.model import Effect, Scenario, Strategy
from preceptor.llm.progress import Progress as Progress

PhaseName = Literal[
    "attempts",
    "conversations",
    "scenarios",
    "strategies",
    "placement",
    "acceptance",
    "no harm",
    "held-out",
    "consolidation",
]


@dataclass(frozen=True)
class IterationBegan:
    iteration: int
    """From 1."""
    of: int
    teacher_share: float


@dataclass(frozen=True)
class ScenarioFound:
    scenario: Scenario


@dataclass(frozen=True)
class StrategyAccepted:
    strategy: Strategy
    effect: Effect | None
    """None when the gate is off."""


@dataclass(frozen=True)
class StrategyRefused:
    strategy: Strategy
    reason: str
    effect: Effect | None = None


@dataclass(frozen=True)
class PlacementChosen:
    placement: str
    scores: dict[str, float]
    """Win rate minus loss rate by placement: against no slot at first, against the one in use (0) at the end."""


@dataclass(frozen=True)
class HeldOutScore:
    """Mean satisfaction (1 to 5) of held-out customers with the library as it stands."""

    iteration: int
    """0: the student alone."""
    mean: float
    low: float
    high: float
    n: int
    unscored: int


@dataclass(frozen=True)
class Note:
    """Something a reader of the run should know, in a sentence."""

    text: str


@dataclass(frozen=True)
class Finished:
    reason: str
    library_hash: str
    scenarios: int
    accepted: int
    refused: int


Event = (
    IterationBegan
    | Progress
    | ScenarioFound
    | StrategyAccepted
    | StrategyRefused
    | PlacementChosen
    | HeldOutScore
    | Note
    | Finished
)
