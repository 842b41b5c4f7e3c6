"""Names for what customers come with, asked of a model that sees redacted messages and nothing else.

A subject it cannot name keeps the name made of its customers' words, and why is told.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import pydantic

from preceptor.errors import BadReply, Rejected, Stopped
from preceptor.llm.messages import Sampling
from preceptor.llm.model import Model
from preceptor.llm.parallel import gather
from preceptor.llm.prompts import Prompt
from preceptor.llm.tasks import Task
from preceptor.logs.discovery import Subject
from preceptor.logs.wording import without_stand_ins

_SAMPLING = Sampling(temperature=0.0, max_tokens=300)


def _line(text: str) -> str:
    return " ".join(without_stand_ins(text).split())


class SubjectName(pydantic.BaseModel):
    """What a model calls a subject."""

    name: Annotated[str, pydantic.AfterValidator(_line), pydantic.Field(min_length=3, max_length=80)]
    description: Annotated[str, pydantic.AfterValidator(_line), pydantic.Field(min_length=10, max_length=600)]
    """In the second person."""


NAME_SUBJECT = Task("name_subject", SubjectName, Prompt.load("preceptor.logs", "name_subject"))


@dataclass(frozen=True)
class Named:
    """Subjects, those that could be with a model's names."""

    subjects: tuple[Subject, ...]
    unnamed: Counter[str]
    """How many were not, by why."""


async def name(model: Model, subjects: Sequence[Subject]) -> Named:
    """Ask for all names at once. A budget that ends, or a model that cannot be asked, leaves what was named by then."""
    told = await gather([lambda subject=subject: _named(model, subject) for subject in subjects])  # type: ignore[misc]
    return Named(
        tuple(subject for subject, _ in told),
        Counter(fault for _, fault in told if fault),
    )


async def _named(model: Model, subject: Subject) -> tuple[Subject, str]:
    """And why it could not be, if so."""
    if not subject.examples:
        return subject, "There are no messages to go by."
    words, messages = ", ".join(subject.terms) or "(none)", "\n".join(subject.examples)
    try:
        said = await NAME_SUBJECT.ask(model, _SAMPLING, words=words, messages=messages)
    except (BadReply, Rejected, Stopped) as fault:
        return subject, str(fault)
    return replace(subject, name=said.name, description=said.description, named_by="teacher"), ""
