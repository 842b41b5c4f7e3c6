"""Going through all that was imported: in pieces, and with as much work for each as for the one before."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from preceptor.logs.looks import Looks
from preceptor.logs.store import Store, Stored
from preceptor.storage.database import Database

FEW, MANY = 600, 4_800
STEP = 100
"""Instructions of SQLite's machine between two counts."""


def key(n: int) -> str:
    """Of the conversation in a line: one that stands elsewhere among the others."""
    return f"{n * 7919 % 10_007:032d}"[::-1]


def filled(place: Path, count: int) -> Database:
    """A source with so many conversations, whose keys are in another order than its lines."""
    db = Database.open(place)
    store = Store(db)
    store.begin("desk", "desk.jsonl", redacted=False)
    body = '{"turns": [["customer", "Hello."]], "id": null, "ending": "open", "tags": []}'
    store.add("desk", [Stored(key(n), n, 1, body) for n in range(count)])
    store.finish("desk", 0, (), {})
    return db


def instructions(db: Database, go: Callable[[], Iterator[object]]) -> float:
    """What it takes to go through everything, in `STEP`s."""
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    with db.reading() as connection:
        # The one line of this thread, which whoever comes next is given again.
        line = connection.connection.driver_connection
        assert line is not None
        line.set_progress_handler(count, STEP)
    assert sum(1 for _ in go()) > 0
    return steps


@pytest.mark.parametrize(
    "everything",
    [lambda db: Store(db).conversations("desk"), lambda db: Looks(db, "default").unseen()],
    ids=["conversations", "unseen"],
)
def test_eight_times_as_many_are_eight_times_the_work(
    tmp_path: Path, everything: Callable[[Database], Iterator[object]]
) -> None:
    taken = []
    for count in (FEW, MANY):
        with filled(tmp_path / f"{count}.db", count) as db:
            taken.append(instructions(db, lambda db=db: everything(db)))  # type: ignore[misc]
    assert taken[0] > 10, "it was counted"
    assert taken[1] < 12 * taken[0]


def test_the_order_is_the_file_s_and_none_is_left_out(tmp_path: Path) -> None:
    with filled(tmp_path / "p.db", FEW) as db:
        store = Store(db)
        assert [one.customer for one in store.conversations("desk")] == [f"desk:{key(n)[:12]}" for n in range(FEW)]
        looks = Looks(db, "default")
        assert sorted(one for one, _ in looks.unseen()) == sorted(map(key, range(FEW)))
        store.remove("desk")
        assert list(looks.unseen()) == []
