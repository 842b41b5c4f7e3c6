"""A released library for the gateway's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from preceptor.library.store import Library

from .stage import fill


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "p.db"


@pytest.fixture
def library(database: Path) -> Iterator[Library]:
    """Released."""
    filled = fill(database)
    filled.release("ann")
    yield filled
    filled.db.close()
