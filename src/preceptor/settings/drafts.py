"""A project drafted from guidelines: domain.yaml for a person to correct, with where each line comes from beside it."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from preceptor.dialogue.drafting import PERSONAS, Draft, draft, draft_with
from preceptor.dialogue.guidelines import Guidelines, read
from preceptor.errors import Conflict, UserError
from preceptor.llm.stopping import Stop
from preceptor.settings import consulting
from preceptor.settings.project import Project
from preceptor.settings.reading import FILE
from preceptor.settings.schema import Simulated
from preceptor.settings.templates import domain_text, put, settings_text
from preceptor.simulated.world import World

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class Drafted:
    """What was written, and what there is to say about it."""

    written: tuple[Path, ...]
    domain: Draft
    notes: tuple[str, ...]


def begin(
    folder: Path,
    docs: Path,
    template: str,
    overrides: Sequence[str] = (),
    listen: Callable[[Stop], None] = lambda _: None,
) -> Drafted:
    """Draft a project from guidelines: a file, or a folder. Settings that are there are kept; without, they are those
    of `template`. The teacher drafts where it is a real one, under the budget and in the ledger.

    Raises:
        Conflict: there is a domain.yaml already; nothing was written.
        NotFound, SettingsError, UserError: there are no guidelines, or nothing in them can be read; settings that
            cannot be used.
    """
    found = read(docs)
    if not found.statements:
        read_are = "Markdown, text and JSON files are read."
        raise UserError(" ".join([f"There are no guidelines in {str(docs)!r}: {read_are}", *found.faults]))
    fresh = () if (folder / FILE).exists() else put({folder / FILE: settings_text(World.shipped(template))})
    try:
        project = Project.load(folder, overrides)
        place = folder / project.settings.project.domain
        if place.exists():
            raise Conflict(f"{str(place)!r} is there already and was left alone. Choose another folder, or move it.")
        made, notes = _drafted(project, found, docs.name, listen)
        written = put({place: text(made, docs.name)})
    except BaseException:
        for path in fresh:
            path.unlink(missing_ok=True)
        raise
    counts = Counter(one.file for one in found.statements)
    counted = ", ".join(f"{file} ({count:,})" for file, count in counts.items())
    return Drafted((*fresh, *written), made, (*found.faults, f"Read, with statements: {counted}.", *notes, *made.notes))


def _drafted(
    project: Project, found: Guidelines, docs: str, listen: Callable[[Stop], None]
) -> tuple[Draft, tuple[str, ...]]:
    """And what there is to say about how it went."""
    name = project.folder.resolve().name or "Desk"
    if isinstance(project.settings.models.teacher, Simulated):
        return draft(found.statements, name), (
            "The teacher is simulated and reads no guidelines: drafted by headings and lists.",
        )
    ask = partial(draft_with, statements=found.statements, name=name)
    with project.database(create=True) as db:
        done = consulting.run(project, db, f"A draft of the domain from {docs}.", ask, listen)
    asked = (
        f"The teacher was asked {done.total.calls:,} times, for {done.total.charged.tokens:,} tokens (run {done.run})."
    )
    return done.result, (asked,)


def text(made: Draft, docs: str) -> str:
    """domain.yaml of a draft."""
    policy = list(made.written())
    domain: dict[str, Any] = {
        "name": made.name,
        "role": made.role,
        "goal": made.goal,
        "policy": made.policy,
        "topics": [topic.model_dump(exclude_defaults=True) for topic, _ in made.topics],
        "personas": [persona.model_dump(exclude_defaults=True) for persona in PERSONAS],
        "rules": [rule.model_dump(exclude_none=True) for rule, _ in made.rules],
        "escalation": made.escalation[0].model_dump(exclude_none=True) if made.escalation else None,
    }
    notes = {
        "policy": [
            "Where its lines come from:",
            *(f"  {n}: {', '.join(sources)}" for n, (_, sources) in enumerate(policy, 1) if sources),
        ],
        "topics": ["Where they come from:", *(f"  {topic.id}: {source}" for topic, source in made.topics)],
        "personas": ["Not from the guidelines, which do not say: `preceptor logs discover` finds them in logs."],
        "rules": [f"  {rule.id}: {source}" for rule, source in made.rules],
        "escalation": [f"  From {made.escalation[1]}"] if made.escalation else [],
    }
    clean = {key: [_CONTROLS.sub(" ", note) for note in some] for key, some in notes.items()}
    return domain_text(_printable(domain), _CONTROLS.sub(" ", _HEAD.format(docs=docs)).replace("¶", "\n"), clean)


def _printable(value: Any) -> Any:
    """Without characters YAML has no form for in a block; line ends stay."""
    match value:
        case str():
            return "\n".join(_CONTROLS.sub(" ", line) for line in value.split("\n"))
        case dict():
            return {key: _printable(one) for key, one in value.items()}
        case list():
            return [_printable(one) for one in value]
    return value


_HEAD = (
    "# DRAFT, made by preceptor from {docs}, to be corrected by a person: nothing here has been checked.¶"
    "# Read the policy against its sources, take out what an agent need not know, and weigh the topics. Then remove¶"
    "# this note. Every text here is read by models: write as you would to a new colleague."
)
