"""A released library for the gateway's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from preceptor.library.store import Library

from .stage import Place, fill


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "p.db"


@pytest.fixture
def either(place: str) -> Place:
    """A place in each kind of database. A module whose tests are to run on both makes this its `database`."""
    return place if "://" in place else Path(place)


@pytest.fixture
def library(database: Place) -> Iterator[Library]:
    """Released."""
    filled = fill(database)
    filled.release("ann")
    yield filled
    filled.db.close()
