"""A run's events on a disk that does not take all of them: a resumed run tells what is missing, and nothing twice."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
import sqlalchemy as sa

from preceptor.errors import UserError
from preceptor.settings.journal import Journal
from preceptor.storage.database import Database
from preceptor.storage.runs import Runs

pytestmark = pytest.mark.anyio
T = TypeVar("T")


@dataclass(frozen=True)
class Said:
    text: str


class BadDisk(Database):
    """Refuses the second write, and the third after it has taken it."""

    writes = 0

    async def write(self, work: Callable[[sa.Connection], T]) -> T:
        self.writes += 1
        number = self.writes
        if number == 2:
            raise UserError("The disk is full.")
        done = await super().write(work)
        if number == 3:
            raise UserError("The disk failed at the very end.")
        return done


async def hear(db: Database, run: str, *texts: str) -> list[str]:
    told: list[str] = []
    journal = Journal[Said](Runs(db), run, lambda event: told.append(event.text), ())
    for text in texts:
        journal.hear(Said(text))
    await journal.written_down()
    return told


async def test_what_a_bad_disk_did_not_take_is_told_again_in_its_place(tmp_path: Path) -> None:
    texts = ("one", "two", "three", "four")
    with BadDisk.open(tmp_path / "p.db") as bad:
        run = Runs(bad).create("teach", {}, 0).id
        with pytest.raises(UserError, match="full"):
            await hear(bad, run, *texts)
    with Database.open(tmp_path / "p.db") as db:
        assert [event.body["text"] for event in Runs(db).events(run)] == ["one", "three", "four"]
        assert await hear(db, run, *texts, "five") == [*texts, "five"]
        assert [(event.n, event.body["text"]) for event in Runs(db).events(run)] == list(
            enumerate([*texts, "five"], start=1)
        )
