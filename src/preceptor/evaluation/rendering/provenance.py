"""What was run: everything a reader needs to know, beside the measurements, to believe a report or to repeat it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from preceptor.evaluation.statistics import Interval
from preceptor.library.model import Strategy


@dataclass(frozen=True)
class ModelUsed:
    """A model in one role."""

    role: str
    """Such as ``student``, ``teacher``, ``judge``, ``customer``."""
    name: str
    """As the provider calls it."""
    where: str = ""
    """Whose it is: an address without secrets, or the simulated world."""


@dataclass(frozen=True)
class JudgeFigure:
    """What the judge is worth, on conversations that people rated as well."""

    label: str
    """Such as ``Spearman against people, STC-3``."""
    value: Interval | float


@dataclass(frozen=True)
class Provenance:
    """What a report says about itself."""

    title: str
    """For whom the agent works: the domain's name."""
    run: str
    created: str
    """ISO 8601, UTC."""
    version: str
    """Of preceptor."""
    simulated: bool
    """True: some model was simulated, and every format says so beside its figures."""
    currency: str = ""
    """Of all money; empty where no model has a price."""
    models: tuple[ModelUsed, ...] = ()
    seeds: Mapping[str, int] = field(default_factory=dict)
    """By what they seed."""
    prompts: Mapping[str, str] = field(default_factory=dict)
    """Content hash of each prompt file, by its name."""
    release: str = ""
    """Hash of the library that the arms used; empty where none did."""
    settings: str = ""
    """Content hash of the resolved settings, without secrets."""
    judge: tuple[JudgeFigure, ...] = ()
    """Empty: the judge has not been held against people, which the report says."""
    notes: tuple[str, ...] = ()
    """Warnings for the reader, a sentence each, such as a judge of the teacher's family."""
    strategies: Mapping[str, Strategy] = field(default_factory=dict)
    """By id: those that may have stood in a slot."""
    scenarios: Mapping[str, str] = field(default_factory=dict)
    """Descriptions by id."""

    @property
    def mark(self) -> str:
        """What stands beside figures that simulated models made."""
        return "simulated" if self.simulated else ""
