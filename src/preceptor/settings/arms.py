"""From the settings' lines to the arms of an evaluation, and to what they are made of.

What an arm is made of (library, texts, examples) is taken once, when a run begins, and kept with it, so that a run that
is resumed next week serves the same arms.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import assert_never

from preceptor.dialogue.agent import Agent
from preceptor.dialogue.agents import ModelAgent
from preceptor.errors import NotFound, UserError
from preceptor.evaluation.arms.correction import self_correction
from preceptor.evaluation.arms.few_shot import Example, examples, few_shot
from preceptor.evaluation.arms.instruction import instruction
from preceptor.evaluation.arms.library import general_only, whole_library
from preceptor.evaluation.arms.null import null
from preceptor.evaluation.arms.passages import passages
from preceptor.evaluation.arms.prompted import other_prompt
from preceptor.evaluation.arms.thinking import chain_of_thought
from preceptor.evaluation.estimate import Effort
from preceptor.library.model import Evidence, Guidance, Placement
from preceptor.library.store import Library
from preceptor.retrieval.embedding import Embedder
from preceptor.settings.schema import (
    AnyArm,
    ArmSection,
    CorrectionArm,
    ExamplesArm,
    FixedArm,
    GeneralArm,
    InstructionArm,
    LibraryArm,
    PassagesArm,
    PromptArm,
    StudentArm,
    TeacherArm,
    ThinkingArm,
    WholeLibraryArm,
)
from preceptor.student.student import Student

Arms = Mapping[str, ArmSection]
CALLS_TO_CORRECT = 3
"""Draft, review, revision."""


@dataclass(frozen=True)
class Stock:
    """What arms are made of beside models."""

    libraries: dict[str, Guidance] = field(default_factory=dict)
    """By arm."""
    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Contents of the files an arm names, by arm."""
    examples: tuple[Example, ...] = ()
    placement: Placement = "system_end"
    """Where this student heeds what it is told, as far as it was measured."""

    @classmethod
    def take(cls, arms: Arms, library: Library, folder: Path) -> "Stock":
        """What these arms need, as it is now. Paths are relative to `folder`.

        Raises:
            NotFound: no such release or file.
            UserError: the library has nothing to give.
        """
        libraries: dict[str, Guidance] = {}
        texts: dict[str, tuple[str, ...]] = {}
        shown: tuple[Example, ...] = ()
        for name, arm in arms.items():
            match arm:
                case LibraryArm() | WholeLibraryArm() | GeneralArm():
                    libraries[name] = _library(library, arm.release, name)
                case PassagesArm() | PromptArm():
                    files = arm.files if isinstance(arm, PassagesArm) else (arm.file,)
                    texts[name] = tuple(_text(folder / file) for file in files)
                case ExamplesArm():
                    shown = examples(_evidence(library))
                    if not shown:
                        raise UserError(f"Arm {name!r} has no examples to show: nothing was taught yet.")
                case _:
                    pass
        return cls(libraries, texts, shown, library.guidance("accepted").placement)


@dataclass(frozen=True)
class Cast:
    """Whom arms are made of."""

    student: Student
    teacher: ModelAgent
    embedder: Embedder
    slot_tokens: int
    slot_limit: int
    """Strategies in the slot at most."""


def build(arms: Arms, stock: Stock, cast: Cast) -> list[Agent]:
    """The arms, in their order.

    Raises:
        UserError: an arm cannot be made of what there is, or adds more than it may.
        ProviderError: from the embedder.
    """
    return [_build(name, arm, stock, cast) for name, arm in arms.items()]


def _build(name: str, arm: ArmSection, stock: Stock, cast: Cast) -> Agent:
    tokens = arm.tokens or cast.slot_tokens
    student = replace(cast.student, placement=stock.placement)
    match arm:
        case StudentArm():
            return replace(cast.student, name=name)
        case TeacherArm():
            return replace(cast.teacher, name=name)
        case LibraryArm():
            taught = stock.libraries[name]
            return student.using(taught, cast.embedder, limit=cast.slot_limit, tokens=tokens, name=name)
        case WholeLibraryArm():
            return whole_library(student, stock.libraries[name], tokens=tokens, name=name)
        case GeneralArm():
            return general_only(student, stock.libraries[name], tokens=tokens, name=name)
        case InstructionArm():
            return instruction(student, arm.text, tokens=tokens, name=name)
        case ExamplesArm():
            told = [Evidence("origin", "", context=one.context, teacher=one.reply) for one in stock.examples]
            return few_shot(student, told, cast.embedder, tokens=tokens, name=name)
        case ThinkingArm():
            return chain_of_thought(student, tokens=tokens, name=name)
        case PassagesArm():
            return passages(student, stock.texts[name], cast.embedder, tokens=tokens, name=name)
        case CorrectionArm():
            return self_correction(student, tokens=tokens, name=name)
        case PromptArm():
            return other_prompt(cast.student, stock.texts[name][0], tokens=tokens, name=name)
        case FixedArm():
            return null(arm.text, name=name)
    assert_never(arm)


def effort(arm: AnyArm, slot_tokens: int) -> Effort:
    """What an arm will ask of whom; for estimates."""
    tokens = arm.tokens or slot_tokens
    match arm:
        case TeacherArm():
            return Effort("teacher", 1, 0)
        case StudentArm():
            return Effort("student", 1, 0)
        case FixedArm():
            return Effort("student", 0, 0)
        case CorrectionArm():
            return Effort("student", CALLS_TO_CORRECT, tokens)
        case _:
            return Effort("student", 1, tokens)


def _library(library: Library, release: str, arm: str) -> Guidance:
    live = library.live() if release in ("live", "newest") else None
    if live is not None:
        return live.guidance
    if release == "live":
        raise NotFound(f"Arm {arm!r}: no release is in force. `preceptor library release` makes one.")
    if release not in ("candidate", "newest"):
        return library.get_release(release).guidance
    candidate = library.guidance("accepted")
    if not candidate.strategies:
        raise UserError(
            f"Arm {arm!r}: the library has no strategies yet. `preceptor teach` fills it; --arms chooses other arms."
        )
    return candidate


def _evidence(library: Library) -> list[Evidence]:
    found = library.snapshot().evidence
    return [piece for strategy in sorted(found) for piece in found[strategy]]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise NotFound(f"There is no file {str(path)!r}, which an arm names.") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise UserError(f"{path}: cannot be read: {fault}.") from None
