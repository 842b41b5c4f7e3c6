"""The short forms of `make torture-crashes` and `make torture-disk`: work that ends itself, and disks that fail."""

import random
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cluster import Cluster
from crashing import Forks, Told, forking, kind_of
from desk import memory
from torture_crashes import MUST_BE_NONE, SMALL, Kill, Torture, Whole
from torture_disk import MUST_BE_NONE as WHEN_FULL
from torture_disk import Fault, strike
from tracing import WRITES, Tracer, why_not
from works import WORKS

pytestmark = pytest.mark.slow
BY_NAME = {work.name: work for work in WORKS}
POINTS = {
    "teaching": ("update calls (ended): written, not committed", "Shelving.keep: after"),
    "evaluating": ("Faulty.ask: before", "insert records: committed, nobody told"),
    "importing": ("schema: about to be committed", "insert log_entries: committed, nobody told"),
    "deciding": ("decide: after", "insert trail: committed, nobody told"),
    "releasing": ("insert releases: written, not committed", "update strategies (latest): committed, nobody told"),
}


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with forking(SMALL) as forks:
        yield forks


@pytest.fixture
def torture(forks: Forks) -> Iterator[Torture]:
    with tempfile.TemporaryDirectory(dir=memory()) as folder:
        yield Torture(forks, Path(folder), random.Random(3))


def begun(torture: Torture, name: str) -> Whole:
    return torture.whole(BY_NAME[name], SMALL)


def faults(torture: Torture, name: str, kinds: tuple[str, ...] = MUST_BE_NONE) -> dict[str, int]:
    return {kind: count for kind in kinds if (count := torture.found[name][kind])}


@pytest.mark.parametrize("name", BY_NAME)
def test_work_that_is_killed_at_a_point_ends_as_if_nothing_had_been(torture: Torture, name: str) -> None:
    whole = begun(torture, name)
    torture.at(whole, [Kill(point, whole.points[point]) for point in POINTS[name]])
    torture.moments([whole], 1)
    assert torture.told == []
    assert faults(torture, name) == {}
    assert torture.found[name]["kills"] >= 2


def test_a_server_keeps_what_a_killed_client_was_told(torture: Torture, cluster: Cluster) -> None:
    torture.cluster = cluster
    whole = begun(torture, "releasing")
    torture.at(whole, [Kill("insert releases: about to be committed", 2), Kill("Shelf.flush: after", 3)])
    assert torture.told == []
    assert faults(torture, "releasing") == {}
    assert torture.found["releasing"]["kills"] == 2


def test_what_is_lost_is_noticed(torture: Torture) -> None:
    """Else nothing above would say anything."""
    whole = begun(torture, "deciding")
    scene = torture.scene(whole)
    assert scene.suffer(Kill("edit: before"))
    assert scene.found["acknowledged_lost"] == 0
    with closing(sqlite3.connect(scene.folder / "preceptor.db")) as db:
        db.execute("DELETE FROM trail WHERE n > 2")
        db.execute("DELETE FROM evidence")
        db.commit()
    scene.look("a row that goes")
    assert scene.found["acknowledged_lost"] > 0
    assert scene.found["unsound"] > 0
    torture.close(scene, "it")
    assert torture.found["deciding"]["lost"] > 0


def test_points_are_named_by_what_is_written() -> None:
    assert kind_of("INSERT INTO calls (run, key) VALUES (?, ?)") == "insert calls"
    assert kind_of("UPDATE calls SET state=?, sent_at=? WHERE run = ?") == "update calls (sent again)"
    assert (
        kind_of('UPDATE strategies SET "decision"=?, touched=? WHERE id = ?') == "update strategies (decision, touched)"
    )
    assert kind_of("\nCREATE TABLE runs (id)") == "schema"
    assert kind_of("SELECT count(*) FROM runs") is None


def test_a_line_that_was_cut_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "log").write_text('call ["m", "a"]\nkept {"runs": 1}\nstep ["x"]\ncall ["m", "b')
    told = Told.read(tmp_path / "log")
    assert (told.calls, told.kept, told.steps) == (Counter({("m", "a"): 1}), {"runs": 1}, 1)


@pytest.mark.parametrize("name", ["importing", "releasing"])
def test_a_file_that_cannot_grow_loses_nothing(torture: Torture, name: str) -> None:
    whole = begun(torture, name)
    for limit in (1, whole.size - 1):
        strike(torture, whole, Fault(f"no file beyond {limit} bytes", limit=limit))
    assert torture.told == []
    assert faults(torture, name, WHEN_FULL) == {}
    assert torture.found[name]["told"] == 2


def test_a_disk_that_fails_loses_nothing(torture: Torture) -> None:
    if reason := why_not():
        pytest.skip(reason)
    whole = begun(torture, "deciding")
    scene = torture.scene(whole)
    tracer = Tracer(scene.folder)
    assert scene.go_on(Kill(), tracer.attach).code == 0
    (calls,) = tracer.calls()
    writes = [n for n, name in enumerate(calls) if name in WRITES]
    syncs = [n for n, name in enumerate(calls) if name.endswith("sync")]
    for fault in (Fault.full(calls, writes[len(writes) // 2]), Fault.broken(calls, syncs[len(syncs) // 2])):
        strike(torture, whole, fault)
    assert torture.told == []
    assert faults(torture, "deciding", WHEN_FULL) == {}
    assert torture.found["deciding"]["told"] == 2
