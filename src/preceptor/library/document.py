"""The form of library files: what stands in them, how a snapshot becomes it, and what must fit together to go back.

Pydantic models of the file's parts, and the checks no schema can say: ids once, versions without gaps, contexts and
scenarios that are there, and seals that tell a corrected text from a copied one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, Self

import pydantic

from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.lint import lint_text
from preceptor.library.model import Decision, Effect, Evidence, Measured, Placement, Scenario, Strategy
from preceptor.library.rows import STALE, ScenarioVersion, Use, Version
from preceptor.library.snapshot import Snapshot
from preceptor.llm.messages import ToolCall
from preceptor.storage.canonical import content_hash

At = tuple[int | str, ...]
"""A place in a document: keys and positions from the top."""


@dataclass
class Misfit(Exception):
    """Parts that are well formed but do not fit together."""

    at: At
    message: str


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    always: ClassVar[frozenset[str]] = frozenset()
    """Fields that are written even when they say nothing new."""

    def plain(self) -> dict[str, Any]:
        fields = type(self).model_fields
        values = {name: getattr(self, name) for name in fields}
        told = {name: value for name, value in values.items() if name in self.always or value != fields[name].default}
        return {name: _plain(value) for name, value in told.items()}


class _Call(_Part):
    id: str
    name: str
    arguments: str


class _Turn(_Part):
    customer: str | None = None
    agent: str | None = None
    tool: str | None = None
    calls: tuple[_Call, ...] = ()
    answers: str | None = None

    @classmethod
    def of(cls, turn: Turn) -> Self:
        calls = tuple(_Call(**asdict(call)) for call in turn.tool_calls)
        return cls.model_validate({turn.party: turn.text, "calls": calls, "answers": turn.tool_call_id})

    @pydantic.model_validator(mode="after")
    def _one_party(self) -> Self:
        if sum(text is not None for text in (self.customer, self.agent, self.tool)) != 1:
            raise ValueError("a turn has one of customer, agent, tool")
        return self

    def turn(self) -> Turn:
        calls = tuple(ToolCall(**call.model_dump()) for call in self.calls)
        parties: tuple[Literal["customer", "agent", "tool"], ...] = ("customer", "agent", "tool")
        party = next(party for party in parties if getattr(self, party) is not None)
        return Turn(party, getattr(self, party), calls, self.answers)


class _Context(_Part):
    key: str
    turns: Annotated[tuple[_Turn, ...], pydantic.Field(min_length=1)]

    def context(self) -> Context:
        return Context(tuple(turn.turn() for turn in self.turns))


class _Scenario(_Part):
    id: str
    version: Annotated[int, pydantic.Field(ge=1)] = 1
    description: str
    tags: tuple[str, ...] = ()
    retired: bool = False
    examples: tuple[str, ...] = ()
    author: str = ""
    at: str = ""
    earlier: tuple["_Scenario", ...] = ()


class _Effect(_Part):
    mean: float
    low: float
    high: float
    n: int
    unit: str = "win rate - loss rate"


class _Evidence(_Part):
    kind: Literal["origin", "retry", "acceptance", "loss", "no_harm", "general", "consolidation", "edit"]
    run: str = ""
    effect: _Effect | None = None
    reason: str = ""
    context: str | None = None
    before: str = ""
    after: str = ""
    teacher: str = ""


class _Strategy(_Part):
    always = frozenset({"measured", "value", "decision"})

    id: str
    version: Annotated[int, pydantic.Field(ge=1)] = 1
    scenario: str | None = None
    text: Annotated[str, pydantic.Field(min_length=1)]
    reason: str = ""
    measured: Measured = "proposed"
    value: float = 0.0
    decision: Decision = "pending"
    flags: tuple[str, ...] = ()
    edited: bool = False
    author: str = ""
    at: str = ""
    seal: str = ""
    evidence: tuple[_Evidence, ...] = ()
    earlier: tuple["_Strategy", ...] = ()


class Header(_Part):
    always = frozenset({"domain", "placement", "false_injections", "foreign"})

    format: Literal["preceptor-library/1"]
    domain: str = ""
    placement: Placement = "system_end"
    false_injections: float = 0.05
    foreign: float = 1.0


class Document(Header):
    """A whole file."""

    scenarios: tuple[_Scenario, ...] = ()
    strategies: tuple[_Strategy, ...] = ()
    contexts: tuple[_Context, ...] = ()


def snapshot_of(document: Document) -> Snapshot:
    contexts = _contexts(document)
    homes = {scenario.id for scenario in document.scenarios}
    for section in ("scenarios", "strategies"):
        _check_versions(section, getattr(document, section))
    for n, strategy in enumerate(document.strategies):
        if strategy.scenario is not None and strategy.scenario not in homes:
            raise Misfit(("strategies", n, "scenario"), f"there is no scenario {strategy.scenario!r} in the file")
    return Snapshot(
        Use(document.domain, document.placement, document.false_injections, document.foreign),
        tuple(_scenario_versions(n, part, contexts) for n, part in _sorted(document.scenarios)),
        tuple(_strategy_versions(n, part) for n, part in _sorted(document.strategies)),
        {part.id: _evidence(n, part, contexts) for n, part in _sorted(document.strategies) if part.evidence},
    )


def _sorted(parts: Sequence[Any]) -> list[tuple[int, Any]]:
    """By id, each with its place in the file."""
    return sorted(enumerate(parts), key=lambda pair: str(pair[1].id))


def _contexts(document: Document) -> dict[str, Context]:
    found = {}
    for n, part in enumerate(document.contexts):
        context = part.context()
        if _ref(context) != part.key:
            raise Misfit(
                ("contexts", n, "key"), f"context {part.key!r} was changed; what customers said stays as it was"
            )
        found[part.key] = context
    return found


def _check_versions(section: str, parts: Sequence[Any]) -> None:
    seen: set[str] = set()
    for n, part in enumerate(parts):
        if part.id in seen:
            raise Misfit((section, n, "id"), f"{part.id!r} stands here twice")
        seen.add(part.id)
        numbers = [version.version for version in (*part.earlier, part)]
        if numbers != list(range(1, len(numbers) + 1)):
            raise Misfit((section, n), f"versions must count from 1 without gaps, oldest first, not {numbers}")


def _known(key: str, at: At, contexts: Mapping[str, Context]) -> Context:
    if key not in contexts:
        raise Misfit(at, f"there is no context {key!r} in the file")
    return contexts[key]


def _scenario_versions(n: int, part: _Scenario, contexts: Mapping[str, Context]) -> tuple[ScenarioVersion, ...]:
    versions = []
    for one in (*part.earlier, part):
        examples = tuple(_known(key, ("scenarios", n, "examples"), contexts) for key in one.examples)
        scenario = Scenario(part.id, one.description, examples, one.tags)
        versions.append(ScenarioVersion(scenario, one.version, one.author, one.at, one.retired))
    return tuple(versions)


def _strategy_versions(n: int, part: _Strategy) -> tuple[Version, ...]:
    for m, one in enumerate(part.earlier):
        if one.seal != _seal(one):
            raise Misfit(
                ("strategies", n, "earlier", m, "text"), "an earlier version was changed; history stays as it was"
            )
    versions = [_version(part.id, one) for one in (*part.earlier, part)]
    if part.seal != _seal(part):
        versions[-1] = _corrected(versions[-1], measured=bool(part.seal))
    return tuple(versions)


def _version(id_: str, part: _Strategy) -> Version:
    numbers = (part.value, part.measured, part.decision, part.version, part.flags)
    return Version(Strategy(id_, part.text, part.reason, part.scenario, *numbers), part.author, part.at, part.edited)


def _corrected(version: Version, measured: bool) -> Version:
    """A version whose text a person wrote into the file."""
    strategy = version.strategy
    flags = (*lint_text(strategy.text), *((STALE,) if measured else ()))
    return Version(
        replace(strategy, decision="pending", flags=flags, measured=strategy.measured if measured else "proposed"),
        author="",
        at="",
        edited=True,
    )


def _evidence(n: int, part: _Strategy, contexts: Mapping[str, Context]) -> tuple[Evidence, ...]:
    items = []
    for m, one in enumerate(part.evidence):
        context = None if one.context is None else _known(one.context, ("strategies", n, "evidence", m), contexts)
        effect = None if one.effect is None else Effect(**one.effect.model_dump())
        items.append(Evidence(one.kind, one.run, context, one.before, one.after, one.teacher, one.reason, effect))
    return tuple(items)


def document_of(snapshot: Snapshot) -> Document:
    strategies = [_strategy_part(versions, snapshot.evidence) for versions in snapshot.strategies]
    examples = (c for versions in snapshot.scenarios for version in versions for c in version.scenario.examples)
    sources = (item.context for items in snapshot.evidence.values() for item in items if item.context is not None)
    contexts = {_ref(context): context for context in (*examples, *sources)}
    return Document(
        format="preceptor-library/1",
        **asdict(snapshot.use),
        scenarios=tuple(_scenario_part(versions) for versions in snapshot.scenarios),
        strategies=tuple(sorted(strategies, key=lambda part: (part.scenario or "", part.id))),
        contexts=tuple(_Context(key=k, turns=tuple(map(_Turn.of, contexts[k].turns))) for k in sorted(contexts)),
    )


def _scenario_part(versions: Sequence[ScenarioVersion]) -> _Scenario:
    *earlier, last = [
        _Scenario(
            id=version.scenario.id,
            version=version.version,
            description=version.scenario.description,
            tags=version.scenario.tags,
            retired=version.retired,
            examples=tuple(map(_ref, version.scenario.examples)),
            author=version.author,
            at=version.at,
        )
        for version in versions
    ]
    return last.model_copy(update={"earlier": tuple(earlier)})


def _strategy_part(versions: Sequence[Version], evidence: Mapping[str, Sequence[Evidence]]) -> _Strategy:
    parts = []
    for version in versions:
        about = {"edited": version.edited, "author": version.author, "at": version.at}
        part = _Strategy.model_validate(asdict(version.strategy) | about)
        parts.append(part.model_copy(update={"seal": _seal(part)}))
    *earlier, last = parts
    items = tuple(_evidence_part(item) for item in evidence.get(last.id, ()))
    return last.model_copy(update={"earlier": tuple(earlier), "evidence": items})


def _evidence_part(item: Evidence) -> _Evidence:
    told = {name: getattr(item, name) for name in ("kind", "run", "before", "after", "teacher", "reason")}
    effect = None if item.effect is None else _Effect(**asdict(item.effect))
    return _Evidence(**told, effect=effect, context=None if item.context is None else _ref(item.context))


def _ref(context: Context) -> str:
    """A context's key as it stands in files: the letter keeps readers from taking it for a number."""
    return f"c-{context.key}"


def _seal(part: _Strategy) -> str:
    return content_hash([part.text, part.scenario])[:12]


def _plain(value: Any) -> Any:
    if isinstance(value, _Part):
        return value.plain()
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
