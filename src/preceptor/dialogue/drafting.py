"""A first draft of a domain from guidelines, for a person to correct: every line of it with where it comes from.

By headings and lists, without a model; or by a model, part by part. A part that a model's answer is of no use for is
drafted without it. Nothing without a source gets in.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

import pydantic

from preceptor.dialogue.domain import Escalation, Persona, Rule, Topic
from preceptor.dialogue.guidelines import Statement
from preceptor.errors import BadReply, Rejected, Stopped
from preceptor.llm.messages import Sampling
from preceptor.llm.model import Model
from preceptor.llm.parallel import gather
from preceptor.llm.prompts import Prompt
from preceptor.llm.tasks import Task

PART = 8_000
"""Characters of guidelines asked about at a time: some two thousand tokens, of which an answer restates most."""
TOPICS = 60
"""Topics proposed at most: what is not read is not corrected."""
_SAMPLING = Sampling(temperature=0.0, max_tokens=4_000)

Source = str


class _Stripped(pydantic.BaseModel):
    """Blank texts are none."""

    model_config = pydantic.ConfigDict(str_strip_whitespace=True)


class _Told(_Stripped):
    sources: Annotated[list[int], pydantic.Field(alias="from", min_length=1)]
    """Numbers of the statements it comes from."""


class DraftedStatement(_Told):
    """A sentence of the policy."""

    text: Annotated[str, pydantic.Field(min_length=1)]


class DraftedTopic(_Told):
    """What customers come with."""

    name: Annotated[str, pydantic.Field(min_length=1, max_length=80)]
    description: Annotated[str, pydantic.Field(min_length=1)]


class DraftedRule(_Told):
    """What every conversation is checked for: one of the two."""

    description: Annotated[str, pydantic.Field(min_length=1)]
    never_say: str = ""
    must_say: str = ""


class DraftedPart(_Stripped):
    """What a part of guidelines comes to."""

    statements: list[DraftedStatement]
    topics: list[DraftedTopic] = pydantic.Field(default_factory=list)
    rules: list[DraftedRule] = pydantic.Field(default_factory=list)
    role: str = ""
    goal: str = ""


DRAFT_POLICY = Task("draft_policy", DraftedPart, Prompt.load("preceptor.dialogue", "draft_policy"))


@dataclass(frozen=True)
class Line:
    """A line of the policy."""

    text: str
    section: tuple[str, ...]
    """Headings it stands under, outermost first."""
    sources: tuple[Source, ...]


@dataclass
class Draft:
    """A domain in the making."""

    name: str
    role: str
    goal: str
    lines: list[Line] = field(default_factory=list)
    topics: list[tuple[Topic, Source]] = field(default_factory=list)
    rules: list[tuple[Rule, Source]] = field(default_factory=list)
    escalation: tuple[Escalation, Source] | None = None
    notes: list[str] = field(default_factory=list)
    """What a model could not be used for, a sentence each."""

    @property
    def policy(self) -> str:
        """With a heading before each section."""
        return "\n".join(text for text, _ in self.written())

    def written(self) -> Iterator[tuple[str, tuple[Source, ...]]]:
        """The lines of the policy as they are written, with their sources; headings have none."""
        # A title that everything stands under says nothing in every heading.
        titles = {line.section[:1] for line in self.lines}
        outer = 1 if len(titles) == 1 and titles != {()} else 0
        before: tuple[str, ...] = ()
        for line in self.lines:
            section = line.section[outer:]
            if section and section != before:
                yield f"{' > '.join(section)}:", ()
            before = section
            yield f"- {line.text}", line.sources


PERSONAS = (
    Persona(id="plain", description="You write a sentence or two at a time and answer what you are asked."),
    Persona(id="terse", description="You write a few words at a time and leave out what you were not asked for."),
    Persona(id="upset", description="You are annoyed that you have to ask at all, and say so."),
)
"""Guidelines do not say how customers write; logs do (`preceptor logs discover`)."""


def draft(statements: Sequence[Statement], name: str) -> Draft:
    """By headings and lists. `name`: of the company or desk, unless a title says it."""
    made = _begun(statements, name)
    for statement in statements:
        made.lines.append(_line(statement))
        _look(made, statement)
    _topics(made, statements)
    return made


async def draft_with(model: Model, statements: Sequence[Statement], name: str) -> Draft:
    """By a model, all parts at once; what it leaves unusable, and what the budget does not reach, as `draft` has it."""
    made = _begun(statements, name)
    pieces = list(parts(statements))
    role = goal = ""
    left: list[Statement] = []
    for part, said in zip(pieces, await gather([partial(_asked, model, part) for part in pieces]), strict=True):
        if isinstance(said, str):
            made.notes.append(f"{part[0].source} to {part[-1].place}: drafted without the teacher. {said}")
            made.lines += map(_line, part)
            left += part
            continue
        role, goal = role or _one_line(said.role), goal or _one_line(said.goal)
        _take(made, part, said)
    for statement in left:
        _look(made, statement)
    made.role, made.goal = role or made.role, goal or made.goal
    if left or not made.topics:
        _topics(made, left or statements)
    return made


async def _asked(model: Model, part: Sequence[Statement]) -> DraftedPart | str:
    """What a model makes of a part, or why it is of no use."""
    try:
        return await DRAFT_POLICY.ask(model, _SAMPLING, guidelines=_numbered(part))
    except (BadReply, Rejected, Stopped) as fault:
        return str(fault)


def parts(statements: Sequence[Statement]) -> Iterator[list[Statement]]:
    """In pieces of one file and at most `PART` characters."""
    part: list[Statement] = []
    size = 0
    for statement in statements:
        if part and (size + len(statement.text) > PART or statement.file != part[-1].file):
            yield part
            part, size = [], 0
        part.append(statement)
        size += len(statement.text)
    if part:
        yield part


# -- without a model -------------------------------------------------------------------------------------------------

_ABOUT = re.compile(r"\b(?:polic(?:y|ies)|guidelines?|manual|handbook|rules|instructions|workflow|for agents?)\b", re.I)
_ROLE = re.compile(r"\bYou are (?:an?|the) [^.!?\n]{3,120}[.!?]", re.I)
_AS = re.compile(r"^As (an?|the) ([^,.]{3,60}), (you [^.]{3,200})\.", re.I)
_CUSTOMER = re.compile(r"\b(?:customer|user|client|caller|guest|patient|member|passenger|subscriber|buyer)s?\b", re.I)
_QUOTED = r"(?<!\w)[\"“'‘]([^\"”'’]{6,200})[\"”'’]"
_LONGEST = 2_000
"""Characters of a statement that are looked at for rules."""
_NEVER = re.compile(
    r"\b(?:never|do not|don't|must not|may not|should not)\s+(?:say|write|use|promise|tell)\b[^.]{0,40}?" + _QUOTED,
    re.I,
)
_MUST = re.compile(rf"\b(?:always|must)\s+(?:say|write|tell|state)\b[^.]{{0,40}}?{_QUOTED}", re.I)
_CONDITION = re.compile(r"\b(?:if|when|unless|before|after|then|in case|for|where|once|except)\b", re.I)
_HANDED = re.compile(
    r"\b(?:transfer|escalat|hand(?:ed)? over|human|supervisor).{0,300}?\b(?:say|send|message|tell|write)\b.{0,40}?"
    + _QUOTED,
    re.I,
)


def _begun(statements: Sequence[Statement], name: str) -> Draft:
    title = _title(statements) or name
    role = next((found[0] for s in statements if (found := _ROLE.search(s.text))), "")
    goal = ""
    for statement in statements:
        if found := _AS.match(statement.text):
            role = role or f"You are {found[1].lower()} {found[2]}."
            goal = goal or found[3][0].upper() + found[3][1:] + "."
    role = role or f"You answer the customers of {title}."
    return Draft(title, role, goal or "Help customers with what they come with, as far as the policy allows.")


def _title(statements: Sequence[Statement]) -> str:
    """What the only outermost heading of all says, without words for what kind of text it is."""
    titles = {statement.headings[0] for statement in statements if statement.headings}
    outer = titles.pop() if len(titles) == 1 else ""
    return " ".join(_ABOUT.sub("", outer).split()).strip(" :-")


def _line(statement: Statement) -> Line:
    return Line(statement.text, statement.headings, (statement.source,))


def _look(made: Draft, statement: Statement) -> None:
    """Rules and the way out, where a statement quotes words and sets no condition."""
    text = statement.text[:_LONGEST]
    if not _CONDITION.search(re.sub(_QUOTED, "", text)):
        if found := _NEVER.search(text):
            _rule(made, text, statement.source, never_say=found[1])
        elif found := _MUST.search(text):
            _rule(made, text, statement.source, must_say=found[1])
    if made.escalation is None and (handed := _HANDED.search(text)) and len(handed[1].split()) >= 3:
        made.escalation = Escalation(agent_says=_literal(handed[1])), statement.source


def _topics(made: Draft, statements: Sequence[Statement]) -> None:
    """The innermost headings under which customers are spoken of."""
    under: dict[tuple[str, ...], list[Statement]] = {}
    for statement in statements:
        under.setdefault(statement.headings, []).append(statement)
    for headings, some in under.items():
        if len(headings) > 1 and any(_CUSTOMER.search(statement.text) for statement in some):
            _topic(made, headings[-1], f"You come with this: {headings[-1]}.", some[0].source)
    if not made.topics:
        _topic(made, "question", "You have a question about what this company does.", "not in the guidelines")


# -- shared ----------------------------------------------------------------------------------------------------------


def _numbered(part: Sequence[Statement]) -> str:
    rows = list[str]()
    before: tuple[str, ...] = ()
    for number, statement in enumerate(part, 1):
        if statement.headings != before:
            rows.append(f"# {' > '.join(statement.headings)}")
        before = statement.headings
        rows.append(f"{number}. {statement.text}")
    return "\n".join(rows)


def _take(made: Draft, part: Sequence[Statement], said: DraftedPart) -> None:
    """What a model drafted of a part; what names no statement of it is left out."""

    def sources(told: _Told) -> list[Statement]:
        return [part[number - 1] for number in told.sources if 0 < number <= len(part)]

    dropped = 0
    for line in said.statements:
        if found := sources(line):
            made.lines.append(Line(_one_line(line.text), found[0].headings, tuple(one.source for one in found)))
        dropped += not found
    for topic in said.topics:
        if found := sources(topic):
            _topic(made, topic.name, _one_line(topic.description), _named(found))
        dropped += not found
    for rule in said.rules:
        found = sources(rule)
        if found and bool(rule.never_say) != bool(rule.must_say):
            _rule(made, rule.description, _named(found), rule.never_say, rule.must_say)
        else:
            dropped += 1
    if dropped:
        made.notes.append(f"{part[0].source} to {part[-1].place}: {dropped} of the teacher's had no source or no form.")


def _named(sources: Sequence[Statement]) -> Source:
    return ", ".join(one.source for one in sources)


def _topic(made: Draft, name: str, description: str, source: Source) -> None:
    id_ = _id(name, "topic")
    if len(made.topics) < TOPICS and id_ not in [topic.id for topic, _ in made.topics]:
        made.topics.append((Topic(id=id_, description=description), source))


def _rule(made: Draft, description: str, source: Source, never_say: str = "", must_say: str = "") -> None:
    """Words to the letter: nobody's text is taken for an expression."""
    words = _one_line(never_say or must_say)
    id_ = _id(words, "rule")
    if words and id_ not in [rule.id for rule, _ in made.rules]:
        said = {"never_say" if never_say else "must_say": _literal(words)}
        made.rules.append((Rule(id=id_, description=_one_line(description), **said), source))


def _literal(words: str) -> str:
    """As an expression that means these words."""
    return re.escape(words).replace("\\ ", " ")


def _id(name: str, otherwise: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].rstrip("-") or otherwise


def _one_line(text: str) -> str:
    return " ".join(text.split())
