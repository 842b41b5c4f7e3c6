"""The schema's history, one file per step in ``versions``, run when a database is opened.

Steps spell their tables out instead of using the rooms' declarations: a step is what it was, whatever comes later.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import sqlalchemy as sa

from preceptor.errors import Conflict, NotFound, UserError

HEAD = "0013"
"""The newest step, so that opening a database that is up to date need not load Alembic."""

_Transaction = Callable[[], AbstractContextManager[sa.Connection]]
_one_at_a_time = threading.Lock()  # Alembic's `op` belongs to the process


def upgrade(
    begin: _Transaction,
    reading: _Transaction,
    name: str,
    *,
    create: bool = True,
    settle: Callable[[sa.Connection], None],
) -> None:
    """Bring a database up to `HEAD`, in one transaction. `settle`: what else is to be done in it.

    Raises:
        NotFound: there is nothing of ours, and `create` is not set.
        Conflict: it was made by a newer version.
        UserError: its tables are not ours.
    """
    with reading() as connection:
        current = revision(connection, name)
    if current == HEAD:
        return
    if current is None and not create:
        raise NotFound(f"There is nothing of preceptor in the database {name!r}. `preceptor teach` makes it.")
    with begin() as connection:
        # Another process may have been quicker.
        if (current := revision(connection, name)) != HEAD:
            run(connection, current, name)
            settle(connection)


def revision(connection: sa.Connection, name: str) -> str | None:
    """The step a database is at; None: it is empty.

    Raises:
        UserError: its tables are not ours.
    """
    tables = sa.inspect(connection).get_table_names()
    if "alembic_version" in tables:
        return connection.scalar(
            sa.select(sa.column("version_num", sa.String)).select_from(sa.table("alembic_version"))
        )
    if tables:
        other = "file" if connection.dialect.name == "sqlite" else "database, or give us a schema of our own"
        raise UserError(f"{name!r} belongs to another program (table {tables[0]!r}). Name another {other}.")
    return None


def run(connection: sa.Connection, current: str | None, name: str, to: str = HEAD) -> None:
    """Run the steps from `current` up to `to`.

    Raises:
        Conflict: `current` or `to` is no step of this version.
    """
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    known = {step.revision for step in script.walk_revisions()}
    for step in (current, to):
        if step is not None and step not in known:
            raise Conflict(
                f"The database {name!r} was made by a newer version of preceptor (schema {step!r}, this one knows "
                f"{HEAD!r}). Upgrade preceptor; nothing was changed."
            )
    with (
        _one_at_a_time,
        EnvironmentContext(config, script, fn=lambda rev, _: script._upgrade_revs(to, rev)) as environment,
    ):
        environment.configure(connection=connection, transactional_ddl=True)
        environment.run_migrations()
