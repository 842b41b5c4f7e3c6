"""For all tests: no network but this machine's own, asyncio under anyio, and places to keep a database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_socket

from cluster import Cluster, NoBinaries, running
from preceptor.storage.database import Database

MADE = "template"
"""The cluster's database that has our tables, and is copied for each test."""


def pytest_runtest_setup() -> None:
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL cluster of the tests' own, with a database that has our tables."""
    try:
        with running() as started:
            started.tell(f"CREATE DATABASE {MADE}")
            Database.open(started.url(MADE)).close()
            yield started
    except NoBinaries as reason:
        pytest.skip(str(reason))


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where an empty library may be kept, once in each kind of database: a path, or a URL."""
    if request.param == "sqlite":
        yield str(tmp_path / "p.db")
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    url = cluster.new(MADE)
    yield url
    cluster.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A place where there is nothing yet, once for each kind of database."""
    if request.param == "sqlite":
        yield str(tmp_path / "p.db")
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    url = cluster.new()
    yield url
    cluster.drop(url)


@pytest.fixture
def db(place: str) -> Iterator[Database]:
    """A database; the test is run once with each kind."""
    with Database.open(place) as database:
        yield database
