"""What is asked, by which comparisons, on whom and with what settings: written down before the first call.

The plan's hash stands in the report, so that nobody, its authors included, can choose the question after the answer.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import preceptor
from preceptor.evaluation.measures import MONEY, POLICY_KEPT, RULES_KEPT, SATISFACTION, TOKENS
from preceptor.evaluation.transfer import Column
from preceptor.settings.models import world
from preceptor.settings.project import Project
from preceptor.settings.schema import ROLES, Simulated
from preceptor.settings.transfer import ALONE, OWN, Wanted, columns
from preceptor.storage.canonical import content_hash

LIBRARY, STUDENT, TEACHER, GENERAL = "library", "student", "teacher", "general strategies"
MARGIN = 0.05
"""Share of conversations by which policy may be kept less often and still count as kept: one in twenty, which is what a
few hundred customers can tell from none."""
ALWAYS = 0.999
"""Rate of false injections that stands for "never abstain"; 1 is no rate."""
FIXED = ("models", "worlds", "domains", "prompts")
"""What may not change between beginning and going on."""
Kind = Literal["superiority", "no loss", "size"]
"""Is it more? Is it not less, by more than the margin? How much is it?"""

BASE: Mapping[str, Mapping[str, Any]] = {
    STUDENT: {"kind": "student"},
    LIBRARY: {"kind": "library", "release": "candidate"},
    GENERAL: {"kind": "general", "release": "candidate"},
    "whole library": {"kind": "whole-library", "release": "candidate"},
    "few-shot": {"kind": "examples"},
    "instruction": {"kind": "instruction"},
    "chain of thought": {"kind": "chain-of-thought"},
    "passages": {"kind": "passages"},
    "self-correction": {"kind": "self-correct"},
    "null": {"kind": "fixed"},
    TEACHER: {"kind": "teacher"},
}
"""Arms whose library is the one that was taught in full; the first is what the report holds the others against."""
TAUGHT_OTHERWISE: Mapping[str, Mapping[str, Any]] = {
    "no annealing": {"teacher_share_decay": 1.0},
    "no retry rounds": {"rounds": 1},
    "no gate": {"gate": False},
}
"""Ablations that are taught anew, by what they change in [teaching]."""
NO_ABSTENTION = "no abstention"
"""The library as it is, given in every context."""
ABLATED = (*TAUGHT_OTHERWISE, NO_ABSTENTION, GENERAL)
"""Without each of these the library is held against the library in full."""


@dataclass(frozen=True)
class Comparison:
    """One paired difference, new minus old, on the same customers."""

    new: str
    old: str
    measure: str = SATISFACTION.name
    where: str = ""
    """The column of the transfer, as `Column` is written; empty: the arms' own evaluation."""


@dataclass(frozen=True)
class Question:
    id: str
    text: str
    kind: Kind
    comparisons: tuple[Comparison, ...]
    """Their p-values are adjusted for one another (Holm)."""
    note: str = ""
    """What the answer cannot say."""


@dataclass(frozen=True)
class Plan:
    """A coaching experiment."""

    title: str
    questions: tuple[Question, ...]
    margin: float
    columns: tuple[Column, ...]
    """Of the transfer, without the student and domain that were taught."""
    unseen: int
    """Customers that all arms serve."""
    others: int
    """Customers of each column of the transfer."""
    students: tuple[str, ...]
    domains: tuple[str, ...]
    """Folders of the other domains' projects."""
    contents: Mapping[str, Any]
    """Settings, seeds, and hashes of domains, prompts and worlds."""

    @classmethod
    def of(cls, project: Project, wanted: Wanted, others: int) -> "Plan":
        """The plan for a project as its settings are now.

        Raises:
            NotFound, SettingsError: a student or a domain is not there.
        """
        found = {column: made for column, made in columns(project, wanted).items() if made}
        places = tuple(column for column in found if column != Column(project.domain().name, OWN))
        return cls(
            f"Coaching: {project.domain().name}",
            tuple(questions(project, places)),
            MARGIN,
            places,
            project.settings.evaluation.customers,
            others,
            tuple(wanted.students),
            tuple(str(folder.absolute()) for folder in wanted.domains),
            dict(_contents(project, found)),
        )

    def differing(self, project: Project) -> list[str]:
        """What is not as it was registered: the models' names, worlds, domains or prompts."""
        wanted = Wanted((), self.students, [Path(folder) for folder in self.domains])
        found = {column: made for column, made in columns(project, wanted).items() if made}
        now = dict(_contents(project, found))
        return [name for name in FIXED if now[name] != self.contents[name]]

    def plain(self) -> dict[str, Any]:
        """For a file: everything, with the arms and the ablations."""
        arms = {"arms": BASE, "ablations": TAUGHT_OTHERWISE, "no_abstention": {"false_injections": ALWAYS}}
        return {**asdict(self), **arms}

    @property
    def hash(self) -> str:
        """Of everything but where on this machine the folders are."""
        return content_hash({key: value for key, value in self.plain().items() if key != "domains"})


def questions(project: Project, places: tuple[Column, ...]) -> Iterator[Question]:
    """What the paper asks, and what each part of the loop is worth."""
    alike = project.simulated
    yield Question(
        "better", "Is the taught student better than the student alone?", "superiority", (Comparison(LIBRARY, STUDENT),)
    )
    yield Question(
        "responses", "Does teaching strategies beat showing responses?", "superiority",
        (Comparison(LIBRARY, "few-shot"),),
        "Simulated students imitate no examples unless their profile says so, so here it is decided by how the world "
        "was made." if alike else "",
    )  # fmt: skip
    yield Question(
        "context", "Do strategies in context beat global ones?", "superiority",
        (Comparison(LIBRARY, GENERAL), Comparison(LIBRARY, "whole library")),
    )  # fmt: skip
    here = project.domain().name
    for id_, text, mine in (
        ("students", "Does the library carry over to other students?", [c for c in places if c.domain == here]),
        ("contexts", "Does the library carry over to another domain?", [c for c in places if c.domain != here]),
    ):
        if mine:
            yield Question(
                id_, text, "superiority", tuple(Comparison(LIBRARY, ALONE, where=str(column)) for column in mine)
            )
    kept = [POLICY_KEPT, *([RULES_KEPT] if project.domain().rules else [])]
    yield Question(
        "policy", "Is policy kept as often as by the student alone?", "no loss",
        tuple(Comparison(LIBRARY, STUDENT, measure.name) for measure in kept),
    )  # fmt: skip
    priced = any(model.price_input or model.price_output for model in map(project.settings.models.of, ROLES))
    yield Question(
        "cost", "At what cost of a conversation?", "size",
        tuple(
            Comparison(LIBRARY, other, measure.name)
            for measure in ([TOKENS, MONEY] if priced else [TOKENS])
            for other in (STUDENT, TEACHER)
        ),
    )  # fmt: skip
    yield Question(
        "parts", "What is each part of the loop worth?", "superiority",
        tuple(Comparison(LIBRARY, name) for name in ABLATED),
        "The intervals are over customers. Each library is from one teaching run, and another seed would give another.",
    )  # fmt: skip


def taught_otherwise(project: Project, library: str, changes: Mapping[str, Any]) -> Project:
    """The project with other settings of teaching, and its findings in a library of that name."""
    settings = project.settings
    changed = {
        "teaching": settings.teaching.model_copy(update=dict(changes)),
        "project": settings.project.model_copy(update={"library": library}),
    }
    return replace(project, settings=settings.model_copy(update=changed))


def _contents(project: Project, found: Mapping[Column, Project]) -> Iterator[tuple[str, Any]]:
    settings = project.resolved()
    yield "version", version("preceptor")
    yield "seeds", {"teaching": project.settings.teaching.seed, "evaluation": project.settings.evaluation.seed}
    yield "settings", {name: settings[name] for name in ("models", "teaching", "evaluation", "retrieval")}
    yield "models", {str(column): dict(_models(made)) for column, made in found.items()}
    yield "worlds", dict(_worlds(found.values()))
    yield "domains", {made.domain().name: content_hash(made.domain()) for made in found.values()}
    yield "prompts", dict(_prompts())


def _models(project: Project) -> Iterator[tuple[str, str]]:
    for role in ROLES:
        section = project.settings.models.of(role)
        yield role, f"{section.world} {section.model}" if isinstance(section, Simulated) else section.model


def _worlds(projects: Iterable[Project]) -> Iterator[tuple[str, str]]:
    """Hashes of the worlds that any model is of."""
    sections = [(one.folder, one.settings.models.of(role)) for one in projects for role in ROLES]
    used = {section.world: folder for folder, section in sections if isinstance(section, Simulated)}
    for name, folder in used.items():
        yield name, content_hash(world(name, folder).model_dump(mode="json"))


def _prompts() -> Iterator[tuple[str, str]]:
    """Every prompt file of the package, by its path."""
    root = Path(preceptor.__file__).parent
    for path in sorted(root.rglob("prompts/*")):
        if path.is_file():
            yield path.relative_to(root).as_posix(), content_hash(path.read_text("utf-8"))
