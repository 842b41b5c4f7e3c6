"""Conversations into the database: once each, whole or not at all, without customers' data."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import orjson
import pytest

from preceptor.dialogue.conversation import Turn
from preceptor.errors import Conflict, NotFound, UserError
from preceptor.logs.importing import BATCH, Outcome, Redactor, bring, files
from preceptor.logs.readers import Log, read
from preceptor.logs.store import Store
from preceptor.logs.talk import Talk
from preceptor.storage.database import Database


@pytest.fixture
def db(place: str) -> Iterator[Database]:
    with Database.open(place) as opened:
        yield opened


def talk(id_: object, asked: str = "Where is it?", said: str = "On its way.") -> dict[str, Any]:
    return {"id": id_, "messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}


def write(path: Path, *rows: object) -> Path:
    path.write_bytes(b"".join((row if isinstance(row, bytes) else orjson.dumps(row)) + b"\n" for row in rows))
    return path


def take(db: Database, path: Path, name: str = "desk", *, redact: bool = True, log: Log | None = None) -> Outcome:
    redactor = Redactor() if redact else None
    return bring(log or read(path), Store(db), name, redactor=redactor, rejects=path.with_suffix(".rejected"))


def test_importing_twice_adds_nothing_and_a_longer_file_what_is_new(db: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", talk(1), talk(2), talk(2))
    first = take(db, path)
    assert (first.added, first.known, first.source.conversations, first.source.turns) == (2, 1, 2, 4)
    again = take(db, path)
    assert (again.added, again.known, again.source.conversations) == (0, 3, 2)
    write(path, talk(0), talk(1), talk(2))
    assert take(db, path).added == 1
    found = list(Store(db).conversations("desk"))
    assert sorted(one.customer for one in found) == ["desk:0", "desk:1", "desk:2"]
    assert found[0].turns == (Turn("customer", "Where is it?"), Turn("agent", "On its way."))


def test_what_two_sources_share_is_kept_until_both_are_removed(db: Database, tmp_path: Path) -> None:
    take(db, write(tmp_path / "a.jsonl", talk(1), talk(2)), "a")
    take(db, write(tmp_path / "b.jsonl", talk(2), talk(3)), "b")
    store = Store(db)
    store.remove("a")
    assert [one.customer for one in store.conversations("b")] == ["b:2", "b:3"]
    assert [source.name for source in store.sources()] == ["b"]
    with pytest.raises(NotFound, match="'a'"):
        list(store.conversations("a"))
    again = take(db, tmp_path / "a.jsonl", "a")
    assert (again.added, again.known, again.source.conversations) == (1, 1, 2), "what is in b is known"


def test_rows_that_cannot_be_read_are_told_in_a_file_without_what_they_held(db: Database, tmp_path: Path) -> None:
    bad = {"messages": [{"role": "jane@example.com", "content": "x"}]}
    outcome = take(db, write(tmp_path / "a.jsonl", talk(1), b"{", bad, talk(2)))
    assert (outcome.added, outcome.rejected, outcome.source.rejected) == (2, 2, 2)
    rejected = [orjson.loads(line) for line in (tmp_path / "a.rejected").read_bytes().splitlines()]
    assert [one["line"] for one in rejected] == [2, 3]
    assert "`messages[0].role` is '…'" in rejected[1]["reason"]
    write(tmp_path / "a.jsonl", talk(1))
    take(db, tmp_path / "a.jsonl")
    assert not (tmp_path / "a.rejected").exists()


class Broken(Log):
    """A log that ends in the middle, as when the process is killed there."""

    def __init__(self, path: Path, after: int) -> None:
        super().__init__(path)
        self._after = after

    def talks(self) -> Iterator[tuple[int, Talk]]:
        for count, found in enumerate(super().talks()):
            if count == self._after:
                raise KeyboardInterrupt
            yield found


def test_a_killed_import_leaves_whole_conversations_and_is_finished_by_another(db: Database, tmp_path: Path) -> None:
    count = BATCH + 10
    path = write(tmp_path / "a.jsonl", *(talk(n) for n in range(count)))
    with pytest.raises(KeyboardInterrupt):
        take(db, path, log=Broken(path, count - 5), redact=False)
    store = Store(db)
    assert store.source("desk").state == "importing"
    there = list(store.conversations("desk"))
    assert len(there) == BATCH
    assert all(len(one.turns) == 2 for one in there)
    outcome = take(db, path, redact=False)
    assert (outcome.added, outcome.source.state) == (count - len(there), "done")
    assert outcome.source.conversations == count


def test_data_of_customers_stay_outside(db: Database, tmp_path: Path) -> None:
    asked = "I am Jane Doe, jane@example.com, order W4923227."
    said = talk("jane@example.com", asked, "Hello Jane, W4923227 is on its way.")
    outcome = take(db, write(tmp_path / "a.jsonl", said))
    [found] = Store(db).conversations("desk")
    assert found.turns[0].text == "I am [name 1], [e-mail 1], order [order 1]."
    assert found.turns[1].text == "Hello [name 1], [order 1] is on its way."
    assert "jane" not in found.customer
    assert outcome.source.found == {"name": 2, "e-mail": 1, "order": 2}
    with pytest.raises(Conflict, match="preceptor logs remove"):
        take(db, tmp_path / "a.jsonl", redact=False)
    Store(db).remove("desk")
    take(db, tmp_path / "a.jsonl", redact=False)
    assert next(Store(db).conversations("desk")).turns[0].text == asked


def test_a_source_is_of_one_file(db: Database, tmp_path: Path) -> None:
    take(db, write(tmp_path / "a.jsonl", talk(1)))
    with pytest.raises(Conflict, match="--name"):
        take(db, write(tmp_path / "b.jsonl", talk(2)))


def test_a_file_that_is_none_leaves_nothing(db: Database, tmp_path: Path) -> None:
    with pytest.raises(UserError):
        take(db, tmp_path / "none.jsonl")
    write(tmp_path / "empty.jsonl")
    write(tmp_path / "else.jsonl", {"topic": "no conversation"}, {"topic": "nor this"})
    assert take(db, tmp_path / "empty.jsonl").read == 0
    nothing = take(db, tmp_path / "else.jsonl", "else")
    assert (nothing.read, nothing.rejected, nothing.first and nothing.first.line) == (0, 2, 1)
    assert Store(db).sources() == ()
    take(db, write(tmp_path / "a.jsonl", talk(1)))
    assert take(db, tmp_path / "a.jsonl", log=read(tmp_path / "a.jsonl", "sharegpt")).read == 0
    [kept] = Store(db).sources()
    assert (kept.state, kept.conversations, kept.forms) == ("done", 1, ("messages",)), "it stays as it was"


def test_a_file_that_has_grown_is_read_on_and_one_that_has_changed_anew(db: Database, tmp_path: Path) -> None:
    path, store = write(tmp_path / "a.jsonl", talk(1), b"{"), Store(db)
    take(db, path)
    mark = store.mark("desk")
    assert mark is not None
    assert mark.unchanged(path)
    write(path, talk(1), b"{", talk(2), b"[")
    with path.open("ab") as log:
        log.write(b'{"messages": [{"role":')  # being written
    assert not mark.unchanged(path)
    place = mark.grown(path)
    assert place is not None
    assert place.line == 2
    onward = take(db, path, log=read(path, growing=place))
    assert (onward.added, onward.known, onward.rejected) == (1, 0, 1), "what was read is not read again"
    assert (onward.source.conversations, onward.source.rejected) == (2, 2)
    assert len((tmp_path / "a.rejected").read_bytes().splitlines()) == 2
    mark = store.mark("desk")
    assert mark is not None
    assert mark.place is not None
    assert mark.place.line == 4, "the line being written is read when it is whole"
    write(path, *(talk(n) for n in range(10, 30)))
    assert mark.grown(path) is None, "another file by the same name"
    write(path, talk(1))
    assert mark.grown(path) is None
    store.remove("desk")
    assert store.mark("desk") is None


def test_where_a_later_row_may_go_on_with_an_earlier_one_all_is_read(db: Database, tmp_path: Path) -> None:
    turns = [{"ticket": n, "from": "customer", "text": "Hello?"} for n in range(3)]
    take(db, tmp_path / "turns.jsonl", log=read(write(tmp_path / "turns.jsonl", *turns), "table"))
    mark = Store(db).mark("desk")
    assert mark is not None
    assert mark.place is None
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(orjson.dumps(talk(1))))
    take(db, path, "packed")
    packed = Store(db).mark("packed")
    assert packed is not None
    assert packed.place is None
    assert packed.unchanged(path)


def test_what_there_is_no_room_for_is_told(tmp_path: Path, room: Callable[[int], AbstractContextManager[None]]) -> None:
    """Rows of a table wait in a temporary file until all that belong together are there."""
    rows = [f"{n % 100},customer,{'Where is it? ' * 40}" for n in range(12_000)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["conversation,speaker,text", *rows]))
    with room(1_000_000), pytest.raises(UserError, match="no room to put the rows of conversations together"):
        list(read(path).talks())
    assert len(list(read(path).talks())) == 100


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv"])
def test_an_id_has_no_character_that_no_database_holds(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.csv":
        path.write_text('conversation_id,speaker,text\n"x\0y",user,Hello.')
    else:
        path.write_bytes(orjson.dumps([talk("x\0y")] if name == "a.json" else talk("x\0y")))
    assert [one.customer for one in read(path)] == ["a:x\ufffdy"]


def test_a_folder_s_files_are_sources_by_their_place(tmp_path: Path) -> None:
    (tmp_path / "in" / "may").mkdir(parents=True)
    write(tmp_path / "in" / "may" / "a.jsonl", talk(1))
    write(tmp_path / "in" / "b.CSV", b"x")
    write(tmp_path / "in" / "c.jsonl.gz", b"x")
    (tmp_path / "in" / "notes.txt").write_text("no log")
    (tmp_path / "in" / "notes.txt.gz").write_text("no log")
    for folder in (tmp_path / "in", tmp_path / "in" / "may" / ".."):
        assert [name for name, _ in files(folder)] == ["in/b.CSV", "in/c.jsonl.gz", "in/may/a.jsonl"]
