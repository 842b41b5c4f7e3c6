"""The counting behind `make bench-audit`: interleavings of two people, and what counts as a fault."""

from pathlib import Path

import audit_data
from bench_audit import faults, scheduled
from preceptor.library.desk import Desk
from preceptor.library.store import Library
from preceptor.storage.database import Database


def test_no_interleaving_loses_a_decision_or_makes_it_twice(tmp_path: Path) -> None:
    with Database.open(tmp_path / "p.db") as db:
        found = [scheduled(db, f"library-{seed}", seed) for seed in range(12)]
    wrong, done, refused = (sum(column) for column in zip(*found, strict=True))
    assert wrong == 0
    assert done > refused > 0


def test_what_was_told_and_not_done_is_a_fault_and_so_is_the_other_way_round(tmp_path: Path) -> None:
    with Database.open(tmp_path / "p.db") as db:
        desk = Desk(Library(db))
        audit_data.fill(desk.library, 3, 6, 1, 1)
        one = desk.page().lines[0].id
        assert faults(desk, {"ann": [(one, "approve")]}) == 1
        desk.decide(one, "approved", "ann", seen=desk.view(one).seen)
        assert faults(desk, {"ann": [(one, "approve")]}) == 0
        assert faults(desk, {"ann": []}) == 1
