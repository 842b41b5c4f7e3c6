"""The schema's history, one file per step in ``versions``, run when a database is opened.

Steps spell their tables out instead of using the rooms' declarations: a step is what it was, whatever comes later.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import sqlalchemy as sa

from preceptor.errors import Conflict, UserError

HEAD = "0006"
"""The newest step, so that opening a database that is up to date need not load Alembic."""

_Transaction = Callable[[], AbstractContextManager[sa.Connection]]
_one_at_a_time = threading.Lock()  # Alembic's `op` belongs to the process


def upgrade(begin: _Transaction, reading: _Transaction, name: str) -> None:
    """Bring a database up to `HEAD`, in one transaction.

    Raises:
        Conflict: it was made by a newer version.
        UserError: its tables are not ours.
    """
    with reading() as connection:
        if _revision(connection, name) == HEAD:
            return
    with _one_at_a_time, begin() as connection:
        _run(connection, _revision(connection, name), name)


def _revision(connection: sa.Connection, name: str) -> str | None:
    tables = sa.inspect(connection).get_table_names()
    if "alembic_version" in tables:
        return connection.scalar(
            sa.select(sa.column("version_num", sa.String)).select_from(sa.table("alembic_version"))
        )
    if tables and connection.dialect.name == "sqlite":
        raise UserError(f"{name!r} belongs to another program (table {tables[0]!r}). Name another file.")
    return None


def _run(connection: sa.Connection, current: str | None, name: str) -> None:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    if current is not None and current not in {step.revision for step in script.walk_revisions()}:
        raise Conflict(
            f"The database {name!r} was made by a newer version of preceptor (schema {current!r}, this one knows "
            f"{HEAD!r}). Upgrade preceptor; nothing was changed."
        )
    with EnvironmentContext(config, script, fn=lambda rev, _: script._upgrade_revs(HEAD, rev)) as environment:
        environment.configure(connection=connection, transactional_ddl=True)
        environment.run_migrations()
