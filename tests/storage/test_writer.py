"""Group commit: what shares a transaction, and what begins one."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from preceptor.storage.writer import Writer

Begin = Callable[[], AbstractContextManager[sa.Connection]]
LONG = 60.0
"""Seconds: so long that a test in which something waits for it is stopped before."""


@pytest.fixture
def commits() -> list[list[str]]:
    """The names of what was done, by transaction."""
    return []


@pytest.fixture
def begin(tmp_path: Path, commits: list[list[str]]) -> Begin:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'p.db'}")

    @contextmanager
    def transaction() -> Iterator[sa.Connection]:
        commits.append([])
        with engine.begin() as connection:
            yield connection

    return transaction


def test_what_nobody_waits_for_shares_the_transaction_of_what_somebody_does(
    begin: Begin, commits: list[list[str]]
) -> None:
    writer = Writer(begin, patience=LONG)
    idle = writer.put(lambda _: commits[-1].append("idle"), urgent=False)
    writer.put(lambda _: commits[-1].append("urgent")).result(timeout=LONG / 2)
    assert commits == [["idle", "urgent"]]
    assert idle.done()
    writer.close()


def test_what_nobody_waits_for_is_written_all_the_same(begin: Begin, commits: list[list[str]]) -> None:
    writer = Writer(begin, patience=0.01)
    writer.put(lambda _: commits[-1].append("idle"), urgent=False).result(timeout=LONG)
    assert commits == [["idle"]]
    writer.close()


def test_closing_does_not_wait_for_company(begin: Begin, commits: list[list[str]]) -> None:
    writer = Writer(begin, patience=LONG)
    idle = writer.put(lambda _: commits[-1].append("idle"), urgent=False)
    writer.close()
    assert idle.done()
    assert commits == [["idle"]]
