"""What customers come with, found in a project's imported conversations."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from preceptor.dialogue.conversation import Conversation
from preceptor.errors import NotFound, UserError
from preceptor.llm.stopping import Stop
from preceptor.logs.discovery import Discovery, discover, redacted
from preceptor.logs.grouping import FREE, Bounds
from preceptor.logs.naming import name
from preceptor.logs.store import Store
from preceptor.settings import consulting
from preceptor.settings.project import Project
from preceptor.settings.schema import Simulated
from preceptor.storage.database import Database

LEAST = 20
"""Conversations below which groups are chance: three to each of a handful of subjects."""


def look(
    project: Project,
    db: Database,
    sources: Sequence[str] = (),
    *,
    bounds: Bounds = FREE,
    seed: int = 0,
    placed: Callable[[Conversation, int], None] = lambda _, __: None,
    tell: Callable[[int, int], None] = lambda _, __: None,
) -> Discovery:
    """What is found in sources of imported conversations; in all of them when none are named.

    `tell`: hears how many were read, and of how many.

    Raises:
        NotFound: there is no such source, or none.
        UserError: there are too few conversations.
        ProviderError: from the embedder.
    """
    store = Store(db)
    chosen = [store.source(name) for name in sources] if sources else list(store.sources())
    if not chosen:
        raise NotFound("No conversations were imported yet. `preceptor logs import FILE` does.")
    count = sum(source.conversations for source in chosen)
    if count < LEAST:
        raise UserError(f"{count} conversations are too few to find subjects in; import at least {LEAST}.")
    raw = {source.name for source in chosen if not source.redacted}

    def logs() -> Iterator[Conversation]:
        for source in chosen:
            yield from store.conversations(source.name)

    return discover(
        logs,
        project.embedder(db),
        bounds=bounds,
        seed=seed,
        clean=lambda one: redacted(one) if one.source in raw else one,
        placed=placed,
        tell=lambda read: tell(read, count),
    )


def name_subjects(
    project: Project, db: Database, found: Discovery, listen: Callable[[Stop], None] = lambda _: None
) -> tuple[Discovery, tuple[str, ...]]:
    """Have the teacher name the subjects, and what came of it in sentences. Those it cannot name keep their names of
    words.

    Raises:
        NotFound, SettingsError: a model cannot be had.
    """
    if isinstance(project.settings.models.teacher, Simulated):
        note = "The teacher is simulated and knows its own world only; subjects are named by words."
        return found, (note,)
    what = f"Names for {len(found.subjects)} subjects of logs."
    done = consulting.run(project, db, what, partial(name, subjects=found.subjects), listen)
    asked = (
        f"The teacher was asked {done.total.calls:,} times, for {done.total.charged.tokens:,} tokens (run {done.run})."
    )
    faults = [
        f"{count} of {len(found.subjects)} subjects keep names made of words: {fault}"
        for fault, count in done.result.unnamed.items()
    ]
    return replace(found, subjects=done.result.subjects), (asked, *faults)
