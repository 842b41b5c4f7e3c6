"""`preceptor backup` and `preceptor restore`: everything a project's database holds, in a file."""

from pathlib import Path
from typing import Annotated

import typer

from preceptor.cli.options import ProjectOption, SetOption


def backup(
    file: Annotated[Path, typer.Argument(help="Where to write it; compressed if its name ends in .gz.")],
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Write everything in the project's database to a file.

    A view of one moment: others may go on writing. The file holds what customers said and the hashes of keys, so only
    you may read it. It can be restored into SQLite or PostgreSQL, whichever it came from.
    """
    from preceptor.settings.project import Project
    from preceptor.storage import backup as backups

    with Project.load(project, overrides or ()).database() as db:
        contents = backups.backup(db, file)
    typer.echo(f"{contents.count:,} rows are in {file} (schema {contents.schema}, SHA-256 {contents.digest[:12]}).")
    typer.echo(f"To have it back, in a project without a database: preceptor restore {file}")


def restore(
    file: Annotated[Path, typer.Argument(help="What `preceptor backup` wrote.")],
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Fill the project's database, which must not hold anything yet, from a backup.

    All or nothing: the file is held against its hash before, and the database against the file after. A backup of an
    earlier version is brought up to date.
    """
    from preceptor.settings.project import Project
    from preceptor.storage import backup as backups

    loaded = Project.load(project, overrides or ())
    contents = backups.restore(file, loaded.place)
    typer.echo(f"{contents.count:,} rows of {contents.made} are in {loaded.settings.project.database} again.")
