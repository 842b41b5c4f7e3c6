"""For all tests: no network but this machine's own, asyncio under anyio, and places to keep a database.

No test may fail by chance: what Hypothesis draws is the same each time (`make fuzz` draws anew), no example is too
slow, and what is counted by the day is not counted at midnight.
"""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import hypothesis
import pytest
import pytest_socket

from cluster import Cluster, NoBinaries, running
from preceptor.storage.database import Database

# Health checks and deadlines measure the machine, and a database of examples what was run on it before.
hypothesis.settings.register_profile(
    "the same each time",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("the same each time")

MADE = "template"
"""The cluster's database that has our tables, and is copied for each test."""
DAY, MIDNIGHT = 86_400, 60
"""Seconds; and how many of them a test may take."""


def pytest_runtest_setup() -> None:
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def one_day() -> None:
    """For tests of what is counted by the day or the month (UTC): where midnight is near, it is waited for."""
    left = DAY - time.time() % DAY
    if left < MIDNIGHT:
        time.sleep(left + 1)


@pytest.fixture
def room() -> Callable[[int], AbstractContextManager[None]]:
    """As on a full disk: no file of this process may grow beyond so many bytes."""

    @contextmanager
    def bounded(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return bounded


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
