"""What the parts of a world file say of each other: references that lead nowhere, names given twice."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, assert_never

from preceptor.simulated.profiles import AgentProfile, CustomerProfile, JudgeProfile, Profile
from preceptor.simulated.tools import Digits

if TYPE_CHECKING:
    from preceptor.simulated.world import Move, Situation, World

ENDINGS = ("resolved", "left")
"""What may stand in `good` and `poor` beside situations."""
PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)?)\}")
"""``{name}``: a placeholder's value; ``{table.column}``: what a tool gave."""


def faults(world: "World") -> Iterator[str]:
    """References that lead nowhere and names given twice, a sentence each."""
    yield from _twice("move", [move.id for move in world.moves])
    yield from _twice("situation", [situation.id for situation in world.situations])
    yield from _domain_faults(world)
    for situation in world.situations:
        yield from _situation_faults(world, situation)
    for name, profile in world.models.items():
        yield from _profile_faults(world, name, profile)
    for role, model in world.roles.items():
        if model not in world.models:
            yield f"role {role!r} names model {model!r}, which is not among the models"
    yield from _placeholder_faults(world)
    yield from _record_faults(world)
    for move in world.moves:
        yield from _action_faults(world, move)
    for situation in world.situations:
        yield from _result_faults(world, situation)


def _twice(what: str, ids: list[str]) -> Iterator[str]:
    for one in sorted({one for one in ids if ids.count(one) > 1}):
        yield f"{what} {one!r} is there twice"


def _domain_faults(world: "World") -> Iterator[str]:
    for part, described in (("topics", world.topics), ("personas", world.persona_descriptions)):
        if not described:
            yield f"domain.{part} needs a list of entries with an id and a description"
    for persona in world.persona_descriptions.keys() ^ world.personas.keys():
        yield f"persona {persona!r} must be both in domain.personas and in personas"


def _situation_faults(world: "World", situation: "Situation") -> Iterator[str]:
    name = f"situation {situation.id!r}"
    if situation.topic not in world.topics:
        yield f"{name} belongs to topic {situation.topic!r}, which domain.topics does not have"
    for part in ("required", "harmful", "neutral"):
        for move in getattr(situation, part):
            if move not in world.move:
                yield f"{name}: {part} names move {move!r}, which does not exist"
    for part in ("good", "poor"):
        for after in getattr(situation, part):
            if after not in world.situation and after not in ENDINGS:
                yield f"{name}: {part} leads to {after!r}, which is neither a situation nor resolved or left"
        if not sum(getattr(situation, part).values()):
            yield f"{name}: {part} has no weight above 0"


def _profile_faults(world: "World", name: str, profile: Profile) -> Iterator[str]:
    match profile:
        case AgentProfile():
            for move in (profile.knack.keys() - {"default"}) | profile.cannot:
                if move not in world.move:
                    yield f"model {name!r} names move {move!r}, which does not exist"
        case CustomerProfile(wordings="unseen"):
            for situation in world.situations:
                if not situation.unseen and not situation.result:
                    yield f"model {name!r} needs unseen wordings, and situation {situation.id!r} has none"
        case CustomerProfile() | JudgeProfile():
            return
        case _:
            assert_never(profile)


def _placeholder_faults(world: "World") -> Iterator[str]:
    for owner, text in wordings(world):
        for name in PLACEHOLDER.findall(text):
            if not _known(world, name):
                part = "records do" if "." in name else "placeholders does"
                yield f"{owner}: {text!r} holds {{{name}}}, which {part} not define"


def _known(world: "World", name: str) -> bool:
    table, _, column = name.partition(".")
    return table in world.records and column in world.records[table].columns if column else name in world.placeholders


def _record_faults(world: "World") -> Iterator[str]:
    for name, table in world.records.items():
        if table.key not in world.placeholders:
            yield f"records.{name}: its key is {table.key!r}, which placeholders does not define"
        for column, values in table.columns.items():
            if not isinstance(values, Digits) and not sum(values.values()):
                yield f"records.{name}: column {column!r} has no weight above 0"
    offered = {str(tool.get("name")) for tool in _tools_of(world)}
    for name in sorted(offered ^ world.tools.keys()):
        yield f"tool {name!r} must be both in domain.tools and in tools"
    for name, service in world.tools.items():
        if service.table not in world.records:
            yield f"tool {name!r} works on {service.table!r}, which records does not define"
            continue
        for column in sorted((service.sets.keys() | service.only.keys()) - world.records[service.table].columns.keys()):
            yield f"tool {name!r} names column {column!r}, which records.{service.table} does not have"


def _tools_of(world: "World") -> list[Mapping[str, Any]]:
    tools = world.domain.get("tools") or []
    return [tool for tool in tools if isinstance(tool, Mapping)] if isinstance(tools, list) else []


def _action_faults(world: "World", move: "Move") -> Iterator[str]:
    if move.calls is None:
        return
    if move.calls.tool not in world.tools:
        yield f"move {move.id!r} calls {move.calls.tool!r}, which is not among the tools"
        return
    for value in move.calls.arguments.values():
        for name in PLACEHOLDER.findall(value):
            if not _known(world, name):
                yield f"move {move.id!r} calls with {{{name}}}, which is defined nowhere"
    for tool in _tools_of(world):
        if tool.get("name") == move.calls.tool:
            parameters = tool.get("parameters") or {}
            for name in sorted(set(parameters.get("required", ())) - move.calls.arguments.keys()):
                yield f"move {move.id!r} calls {move.calls.tool!r} without {name!r}"
            for name in sorted(move.calls.arguments.keys() - set(parameters.get("properties", {}))):
                yield f"move {move.id!r} calls {move.calls.tool!r} with {name!r}, which its parameters do not have"


def _result_faults(world: "World", situation: "Situation") -> Iterator[str]:
    name = f"situation {situation.id!r}"
    for part in ("good", "poor"):
        for after in getattr(situation, part):
            if after in world.situation and world.situation[after].result:
                yield f"{name}: {part} leads to {after!r}, which only a tool's result leads to"
    if situation.result is None:
        return
    if situation.opens:
        yield f"{name} cannot open a conversation: a tool's result leads to it"
    for before in situation.result.after:
        if before not in world.situation:
            yield f"{name} comes after situation {before!r}, which does not exist"
    service = world.tools.get(situation.result.tool)
    if service is None:
        yield f"{name} comes of a result of {situation.result.tool!r}, which is not among the tools"
    elif service.table in world.records:
        for column in sorted(situation.result.when.keys() - world.records[service.table].columns.keys()):
            yield f"{name}: its result names column {column!r}, which records.{service.table} does not have"


def wordings(world: "World") -> Iterator[tuple[str, str]]:
    """Every wording in the file that may hold placeholders, with whose it is."""
    for move in world.moves:
        for text in (*move.said, *move.told, *move.forbidden):
            yield f"move {move.id!r}", text
    for situation in world.situations:
        for text in (*situation.customer, *situation.unseen, *situation.described):
            yield f"situation {situation.id!r}", text
    for part in type(world.phrases).model_fields:
        for text in getattr(world.phrases, part):
            yield f"phrases.{part}", text
