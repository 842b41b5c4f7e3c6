"""New projects: a commented preceptor.toml and domain.yaml that run as they are on a simulated world."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from preceptor.dialogue.domain import Domain
from preceptor.errors import Conflict, NotFound, UserError
from preceptor.settings.reading import FILE
from preceptor.settings.rendering import commented
from preceptor.settings.schema import ROLES
from preceptor.simulated.world import World, shipped_names

DOMAIN_FILE = "domain.yaml"
Sections = Mapping[str, Mapping[str, Any]]
"""Settings by section name."""
HEAD = "# Who the agent works for. Every text here is read by models: write as you would to a new colleague."
_NO_NOTES: Mapping[str, Sequence[str]] = {}


def names() -> tuple[str, ...]:
    """The templates there are: one for each world that comes with the package."""
    return shipped_names()


def write(folder: Path, template: str, changes: Sections | None = None, topics: int | None = None) -> tuple[Path, ...]:
    """Write a new project's files into a folder, which is made if need be.

    `changes`: sections of the settings, such as ``models.student``, that are to say something else. `topics`: how
    many of the domain's topics to keep, the first ones; all when not given.

    Raises:
        NotFound: there is no such template.
        Conflict: one of the files is there already; nothing was written.
        UserError: the folder cannot be written to.
    """
    if template not in names():
        raise NotFound(f"There is no template {template!r}; there are: {', '.join(names())}.")
    world = World.shipped(template)
    domain = {**world.domain, "topics": world.domain["topics"][:topics]}
    return put({folder / FILE: settings_text(world, changes), folder / DOMAIN_FILE: domain_text(domain)})


def put(texts: Mapping[Path, str]) -> tuple[Path, ...]:
    """Write new files, all or none; folders are made if need be.

    Raises:
        Conflict: one of the files is there already; nothing was written.
        UserError: they cannot be written.
    """
    for path in texts:
        if path.exists():
            raise Conflict(f"{str(path)!r} is there already and was left alone. Choose another name, or move it away.")
    try:
        _write(texts)
    except OSError as fault:
        where = next(iter(texts)).parent
        raise UserError(f"The project cannot be written to {str(where)!r}: {fault.strerror}.") from None
    return tuple(texts)


def settings_text(world: World, changes: Sections | None = None) -> str:
    """preceptor.toml with every role played by the world, but for what is changed."""
    played: dict[str, Mapping[str, Any]] = {
        f"models.{role}": {"kind": "simulated", "world": world.name, "model": world.roles[role]} for role in ROLES
    }
    return commented({**played, **(changes or {})})


def domain_text(domain: Mapping[str, Any], head: str = HEAD, notes: Mapping[str, Sequence[str]] = _NO_NOTES) -> str:
    """domain.yaml: the mapping with a comment before each key. `notes`: lines of comment more, by key."""
    Domain.parse(domain, "The template's domain")
    parts = [head]
    for key, comment in _COMMENTS.items():
        body = _yaml(key, domain[key]) if domain.get(key) else textwrap.indent(_EXAMPLES[key], "# ")
        told = textwrap.fill(comment, 100, initial_indent="# ", subsequent_indent="# ")
        parts.append("\n".join([told, *(f"# {note}" for note in notes.get(key, ())), body]))
    return "\n\n".join(parts) + "\n"


def _write(texts: Mapping[Path, str]) -> None:
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)


def _yaml(key: str, value: Any) -> str:
    if isinstance(value, str) and "\n" in value.strip():
        return f"{key}: |\n{textwrap.indent(value.strip(), '  ')}"
    text = yaml.dump({key: value}, Dumper=_Indented, sort_keys=False, allow_unicode=True, width=110)
    return text.rstrip()


class _Indented(yaml.SafeDumper):
    """Lists stand indented below their key, as people write them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


_COMMENTS = {
    "name": "The company or desk, as customers know it.",
    "role": "Who the agent is; opens its system message.",
    "goal": "What the agent is to achieve.",
    "policy": "What it may and may not do: facts and limits, a sentence each. Part of its system message.",
    "topics": (
        "What customers come with, told to the simulated customer in the second person. weight: how often, relative to "
        "the others (1 when not given)."
    ),
    "personas": "How customers write and feel, told to the simulated customer in the second person.",
    "tools": "Functions the agent may call, as OpenAI function schemas; none when left out.",
    "rules": (
        "What every conversation is checked for, without a model: must_say or never_say (regular expressions; with "
        "when: only once the customer has said that), or before and require (tools)."
    ),
    "escalation": "How one sees that a customer asked for a person or was handed to one; not measured when left out.",
}
_EXAMPLES = {
    "policy": "policy: |\n  Refunds are decided by the billing team.",
    "tools": (
        "tools:\n"
        "  - name: find_order\n"
        "    description: Looks an order up by its number.\n"
        "    parameters: {type: object, properties: {number: {type: string}}, required: [number]}"
    ),
    "rules": "rules:\n  - {id: no-passwords, description: Nobody asks for a password., never_say: 'your password'}",
    "escalation": "escalation: {customer_says: '(speak|talk) to a (person|manager)'}",
}
