"""`preceptor worker` and `teach --workers`: what they say where it cannot be. What they do: tests/reliability."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import Cluster
from preceptor.llm.budget import Budget
from preceptor.llm.prices import NOTHING
from preceptor.llm.sharing import Purse
from preceptor.settings import errand_queue
from preceptor.storage.database import Database

from .conftest import Command


@pytest.fixture
def server(cluster: Cluster) -> Iterator[str]:
    url = cluster.new("template")
    yield url
    cluster.drop(url)


@pytest.mark.parametrize("command", [("worker",), ("teach", "--workers", "--yes")])
def test_a_file_is_no_place_for_several(preceptor: Command, project: Path, command: tuple[str, ...]) -> None:
    code, _, err = preceptor(*command, "--project", project)
    assert (code, "PostgreSQL" in err, "docs/workers.md" in err) == (1, True, True)


def test_the_queue_is_made_once_and_anew_for_another_version(server: str) -> None:
    with Database.open(server) as db:
        assert errand_queue.present(db) == 0
        assert errand_queue.allowed(db)
        for _ in range(2):
            errand_queue.prepare(db)
        with db.begin() as connection:
            assert not errand_queue.waiting(connection, "r1")
            connection.exec_driver_sql(f"COMMENT ON SCHEMA {errand_queue.SCHEMA} IS 'older'")
            connection.exec_driver_sql(f"CREATE TABLE {errand_queue.SCHEMA}.leftover (n int)")
        errand_queue.prepare(db)
        with db.reading() as connection:
            left = connection.exec_driver_sql(f"SELECT to_regclass('{errand_queue.SCHEMA}.leftover')").scalar()
        assert left is None
        assert errand_queue.present(db) == 0


def test_who_leads_says_what_is_asked_until_it_closes(server: str) -> None:
    with Database.open(server) as db:
        purse = Purse(db, "r1")
        assert purse.crew is None
        purse.open(Budget(), NOTHING, "these models")
        assert purse.crew == "these models"
        purse.close()
        assert purse.crew is None
