"""The library a command works on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from preceptor.library.store import Library
from preceptor.settings.project import Project


@contextmanager
def opened(folder: Path, overrides: Sequence[str] | None, *, create: bool = False) -> Iterator[tuple[Project, Library]]:
    """Open a project's library.

    Raises:
        NotFound, SettingsError, Conflict, UserError: from the settings or the database.
    """
    project = Project.load(folder, overrides or ())
    with project.database(create=create) as db:
        yield project, project.library(db)
