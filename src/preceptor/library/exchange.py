"""Libraries as files: YAML for git, JSON lines for machines, Markdown for people.

YAML and JSON lines carry everything but releases and trail, and read back to the same library. The YAML has one fact a
line, a stable order, and long texts folded, so that a changed word is a changed line. Each strategy carries a `seal`, a
hash of the text that was measured and decided on: a text corrected in the file comes in as a person's edit, undecided
and to be measured again, whatever the file still says about the old one. (It tells an edit from a copy; it is no
signature. Approving is done with `preceptor library approve`.)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import orjson
import pydantic
import yaml

from preceptor.dialogue.conversation import Context, Turn
from preceptor.errors import NotFound, UserError
from preceptor.library.layout import layout
from preceptor.library.lint import lint_text
from preceptor.library.model import Decision, Effect, Evidence, Measured, Placement, Scenario, Strategy
from preceptor.library.rows import STALE, ScenarioVersion, Use, Version
from preceptor.library.snapshot import Snapshot
from preceptor.llm.messages import ToolCall
from preceptor.storage.canonical import content_hash

_SECTIONS = {"context": "contexts", "scenario": "scenarios", "strategy": "strategies"}
"""The kinds of lines in JSON lines, and where they stand in the document."""
_HEADER = (
    "# A library of preceptor. Correct texts here if you like; `preceptor library import` takes them in as edits.\n"
)


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
    kind: Literal["origin", "retry", "acceptance", "no_harm", "general", "consolidation", "edit"]
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


class _Use(_Part):
    always = frozenset({"domain", "placement", "false_injections"})

    format: Literal["preceptor-library/1"]
    domain: str = ""
    placement: Placement = "system_end"
    false_injections: float = 0.05


class _Document(_Use):
    scenarios: tuple[_Scenario, ...] = ()
    strategies: tuple[_Strategy, ...] = ()
    contexts: tuple[_Context, ...] = ()


def to_yaml(snapshot: Snapshot) -> str:
    """One file, made for diffs."""
    document = _document(snapshot)
    return _HEADER + layout(document.plain())


def to_jsonl(snapshot: Snapshot) -> str:
    """A line each for the library, its contexts, scenarios and strategies."""
    document = _document(snapshot)
    use = _Use(**{name: getattr(document, name) for name in _Use.model_fields})
    lines = [{"kind": "library"} | use.plain()]
    for kind, name in _SECTIONS.items():
        lines += [{"kind": kind} | part.plain() for part in getattr(document, name)]
    return "".join(orjson.dumps(line).decode() + "\n" for line in lines)


def load(path: Path) -> Snapshot:
    """Read an exported file: JSON lines if it ends so, otherwise YAML.

    Raises:
        NotFound: there is no such file.
        UserError: what is wrong with it, and in which line.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise NotFound(f"There is no file {str(path)!r}. `preceptor library export` writes one.") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise UserError(f"{path}: cannot be read: {fault}.") from None
    return from_jsonl(text, str(path)) if path.suffix == ".jsonl" else from_yaml(text, str(path))


def from_yaml(text: str, origin: str = "the YAML") -> Snapshot:
    """Read `to_yaml`'s form; `origin` names it in messages.

    Raises:
        UserError: what is wrong, and in which line.
    """
    try:
        # Scalars stay text, so that `no` is a word and 2026-11-21 no date; the model below says what is a number.
        data = yaml.load(text, Loader=_LOADER)  # noqa: S506 (a base loader: makes nothing but text, lists and mappings)
    except (yaml.YAMLError, RecursionError) as fault:
        raise UserError(f"{origin}: not valid YAML: {' '.join(str(fault).split())}.") from None
    return _snapshot(data, lambda at: f"{origin}, line {_yaml_line(text, at)}")


def from_jsonl(text: str, origin: str = "the JSON lines") -> Snapshot:
    """Read `to_jsonl`'s form; `origin` names it in messages.

    Raises:
        UserError: what is wrong, and in which line.
    """
    use: dict[str, Any] = {}
    sections: dict[str, list[Any]] = {name: [] for name in _SECTIONS.values()}
    lines: dict[_At, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        kind, part = _json_line(line, f"{origin}, line {number}")
        if kind == "library":
            use = part
        else:
            section = _SECTIONS[kind]
            lines[section, len(sections[section])] = number
            sections[section].append(part)
    return _snapshot(use | sections, lambda at: f"{origin}, line {lines.get(at[:2], 1)}")


def _json_line(line: str, origin: str) -> tuple[str, dict[str, Any]]:
    try:
        part = orjson.loads(line)
    except orjson.JSONDecodeError as fault:
        raise UserError(f"{origin}: not valid JSON: {fault}.") from None
    kind = part.pop("kind", None) if isinstance(part, dict) else None
    if kind not in ("library", *_SECTIONS):
        raise UserError(f"{origin}: 'kind' must be one of library, {', '.join(_SECTIONS)}, not {kind!r}.")
    return kind, part


_At = tuple[int | str, ...]
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass
class _Misfit(Exception):
    """Parts that are well formed but do not fit together."""

    at: _At
    message: str


def _snapshot(data: object, where: Callable[[_At], str]) -> Snapshot:
    try:
        return _checked(_Document.model_validate(data))
    except pydantic.ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        raise UserError(f"{where(first['loc'])}: {_path(first['loc'])}: {first['msg']}.") from None
    except orjson.JSONEncodeError as fault:
        raise UserError(f"{where(())}: a text holds what is no character: {fault}.") from None
    except _Misfit as fault:
        raise UserError(f"{where(fault.at)}: {_path(fault.at)}: {fault.message}.") from None


def _path(at: _At) -> str:
    return ".".join(map(str, at)) or "the file"


def _yaml_line(text: str, at: _At) -> int:
    node = yaml.compose(text, Loader=_LOADER)
    for step in at:
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
        elif isinstance(node, yaml.MappingNode):
            found = [value for key, value in node.value if key.value == step]
            if not found:
                break
            node = found[0]
    return 1 if node is None else int(node.start_mark.line) + 1


def _checked(document: _Document) -> Snapshot:
    contexts = _contexts(document)
    homes = {scenario.id for scenario in document.scenarios}
    for section in ("scenarios", "strategies"):
        _check_versions(section, getattr(document, section))
    for n, strategy in enumerate(document.strategies):
        if strategy.scenario is not None and strategy.scenario not in homes:
            raise _Misfit(("strategies", n, "scenario"), f"there is no scenario {strategy.scenario!r} in the file")
    return Snapshot(
        Use(document.domain, document.placement, document.false_injections),
        tuple(_scenario_versions(n, part, contexts) for n, part in _sorted(document.scenarios)),
        tuple(_strategy_versions(n, part) for n, part in _sorted(document.strategies)),
        {part.id: _evidence(n, part, contexts) for n, part in _sorted(document.strategies) if part.evidence},
    )


def _sorted(parts: Sequence[Any]) -> list[tuple[int, Any]]:
    """By id, each with its place in the file."""
    return sorted(enumerate(parts), key=lambda pair: str(pair[1].id))


def _contexts(document: _Document) -> dict[str, Context]:
    found = {}
    for n, part in enumerate(document.contexts):
        context = part.context()
        if _ref(context) != part.key:
            raise _Misfit(
                ("contexts", n, "key"), f"context {part.key!r} was changed; what customers said stays as it was"
            )
        found[part.key] = context
    return found


def _check_versions(section: str, parts: Sequence[Any]) -> None:
    seen: set[str] = set()
    for n, part in enumerate(parts):
        if part.id in seen:
            raise _Misfit((section, n, "id"), f"{part.id!r} stands here twice")
        seen.add(part.id)
        numbers = [version.version for version in (*part.earlier, part)]
        if numbers != list(range(1, len(numbers) + 1)):
            raise _Misfit((section, n), f"versions must count from 1 without gaps, oldest first, not {numbers}")


def _known(key: str, at: _At, contexts: Mapping[str, Context]) -> Context:
    if key not in contexts:
        raise _Misfit(at, f"there is no context {key!r} in the file")
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
            raise _Misfit(
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


def _document(snapshot: Snapshot) -> _Document:
    strategies = [_strategy_part(versions, snapshot.evidence) for versions in snapshot.strategies]
    examples = (c for versions in snapshot.scenarios for version in versions for c in version.scenario.examples)
    sources = (item.context for items in snapshot.evidence.values() for item in items if item.context is not None)
    contexts = {_ref(context): context for context in (*examples, *sources)}
    return _Document(
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
