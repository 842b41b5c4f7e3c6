"""Errands: the parts of a run that another process can do, from a description of them in JSON.

An errand is a function of a crew and of plain data: a customer's conversation with what came of it, a scenario's
strategies written or put through the gate, one question, one pair of replies. What it gives depends on nothing else, so
it does not matter who does it, nor how often. A description holds everything an errand needs to know but the models:
the student as taught so far goes along by the library it was given, from which whoever does the errand fits the same
retrieval again. Libraries are large and the same for a thousand errands, so they travel apart (`Papers`).
"""

import inspect
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Protocol, get_type_hints

import anyio
import pydantic

from preceptor.dialogue.agent import Agent
from preceptor.errors import Conflict, Defect
from preceptor.library.model import Guidance, Placement
from preceptor.llm.parallel import aside
from preceptor.retrieval.selector import Retriever, fit
from preceptor.storage.canonical import canonical, content_hash
from preceptor.student.student import Student
from preceptor.teaching.acceptance import accept
from preceptor.teaching.attempts import told_apart
from preceptor.teaching.crew import Crew
from preceptor.teaching.heldout import serve
from preceptor.teaching.moments import converse, look_again, look_at
from preceptor.teaching.pairs import hold_against
from preceptor.teaching.placement import score
from preceptor.teaching.recurring import same
from preceptor.teaching.scenarios import ask_where
from preceptor.teaching.strategies import write
from preceptor.teaching.suggestions import fits

Errand = Callable[..., Awaitable[Any]]
LONG: tuple[Errand, ...] = (converse, look_at, serve, write, accept)
"""A customer or a scenario each: dozens of calls."""
SHORT: tuple[Errand, ...] = (ask_where, hold_against, look_again, score, same, fits, told_apart)
"""A question or a pair of replies: up to four calls."""
_BY_NAME: Mapping[str, Errand] = {errand.__name__: errand for errand in (*LONG, *SHORT)}
_FITTED = 3
"""Students kept ready by who does errands: of this iteration, of the one before, whose held-out score may be going on,
and one to spare."""


@dataclass(frozen=True)
class Pupil:
    """The student as taught so far, in a description."""

    placement: Placement
    taught: str | None = None
    """The paper with the library it was given; None: the student alone."""


@dataclass(frozen=True)
class Description:
    """An errand in plain values."""

    name: str
    placement: Placement
    """Where the crew's student has its slot."""
    arguments: Mapping[str, Any]

    @property
    def key(self) -> str:
        """What the errand goes by: equal ones are one."""
        return content_hash(self)

    @property
    def body(self) -> bytes:
        return canonical(self)

    @property
    def short(self) -> bool:
        return any(errand.__name__ == self.name for errand in SHORT)


_DESCRIPTION = pydantic.TypeAdapter(Description)
_PUPIL = pydantic.TypeAdapter(Pupil)
_GUIDANCE = pydantic.TypeAdapter(Guidance)


class Papers(Protocol):
    """Where large parts of descriptions are, by their hash."""

    async def fetch(self, name: str) -> bytes:
        """Raises: NotFound: it is not there."""


@dataclass(frozen=True)
class _Form:
    """How the arguments and the outcome of an errand are written."""

    signature: inspect.Signature
    arguments: Mapping[str, pydantic.TypeAdapter[Any]]
    """But agents, which are written as `Pupil`."""
    outcome: pydantic.TypeAdapter[Any]


@cache
def _form(errand: Errand) -> _Form:
    hints = get_type_hints(errand)
    outcome = pydantic.TypeAdapter(hints.pop("return"))
    plain = {name: hint for name, hint in hints.items() if hint not in (Crew, Agent)}
    # Of a pair, students of its own are what `score` makes from the crew's; nobody sends them.
    plain = {name: hint for name, hint in plain.items() if hint != Student | None}
    return _Form(inspect.signature(errand), {n: pydantic.TypeAdapter(hint) for n, hint in plain.items()}, outcome)


def describe(
    crew: Crew, errand: Errand, arguments: Sequence[Any], options: Mapping[str, Any]
) -> tuple[Description, dict[str, bytes]]:
    """An errand's description, and the papers it refers to, by name.

    Raises:
        Defect: it is none of the errands, or something of it cannot be written.
    """
    if _BY_NAME.get(errand.__name__) is not errand:
        raise Defect(f"{errand.__name__!r} is no errand.")
    form, papers, written = _form(errand), dict[str, bytes](), dict[str, Any]()
    bound = form.signature.bind(crew, *arguments, **options).arguments
    for name, value in bound.items():
        if name in form.arguments:
            written[name] = form.arguments[name].dump_python(value, mode="json")
        elif isinstance(value, Student):
            written[name] = _described(value, papers)
        elif not isinstance(value, Crew):
            raise Defect(f"{name!r} of the errand {errand.__name__!r} cannot be sent: {value!r}.")
    return Description(errand.__name__, crew.student.placement, written), papers


def _described(student: Student, papers: dict[str, bytes]) -> Pupil:
    if student.finder is None:
        return Pupil(student.placement)
    if not isinstance(student.finder, Retriever):
        raise Defect(f"A student that goes by {student.finder!r} cannot be sent.")
    body = canonical(_GUIDANCE.dump_python(student.finder.guidance, mode="json"))
    name = content_hash(body.decode())
    papers[name] = body
    return Pupil(student.placement, name)


def outcome_of(errand: Errand, body: bytes) -> Any:
    """Raises: Conflict: another version of preceptor wrote it."""
    try:
        return _form(errand).outcome.validate_json(body)
    except pydantic.ValidationError:
        raise Conflict(f"What {errand.__name__!r} gave was written by another version of preceptor.") from None


@dataclass
class Desk:
    """Does errands of one run."""

    crew: Crew
    """Without hands."""
    papers: Papers
    _fitted: OrderedDict[str, Retriever] = field(default_factory=OrderedDict)
    _fitting: anyio.Lock = field(default_factory=anyio.Lock)

    async def do(self, body: bytes) -> bytes:
        """Do an errand from its description; what it gave.

        Raises:
            Conflict: another version of preceptor described it.
            PreceptorError: from the errand.
        """
        try:
            told = _DESCRIPTION.validate_json(body)
            errand = _BY_NAME[told.name]
            form = _form(errand)
            known = {n: form.arguments[n].validate_python(v) for n, v in told.arguments.items() if n in form.arguments}
            pupils = {n: _PUPIL.validate_python(v) for n, v in told.arguments.items() if n not in form.arguments}
        except (KeyError, pydantic.ValidationError):
            raise Conflict("An errand was described by another version of preceptor.") from None
        crew = replace(self.crew, student=replace(self.crew.student, placement=told.placement))
        students = {name: await self._student(pupil) for name, pupil in pupils.items()}
        found = await errand(crew, **known, **students)
        return form.outcome.dump_json(found)

    async def _student(self, pupil: Pupil) -> Student:
        alone = replace(self.crew.student, placement=pupil.placement)
        if pupil.taught is None:
            return alone
        return replace(alone, finder=await self._retriever(pupil.taught))

    async def _retriever(self, name: str) -> Retriever:
        async with self._fitting:
            if name not in self._fitted:
                guidance = _GUIDANCE.validate_json(await self.papers.fetch(name))
                matcher = await aside(lambda: fit(guidance, self.crew.embedder))
                self._fitted[name] = Retriever(guidance, limit=self.crew.settings.slot_limit, matcher=matcher)
                while len(self._fitted) > _FITTED:
                    self._fitted.popitem(last=False)
            self._fitted.move_to_end(name)
            return self._fitted[name]
