"""Records: kept behind their maker's back, replaced when kept again, read back in their order."""

import pytest
import sqlalchemy as sa

from preceptor.storage.database import Database
from preceptor.storage.records import Records


def test_they_come_back_in_their_order_and_once(db: Database) -> None:
    records = Records(db)
    for n in (3, 1, 2):
        records.keep("r1", "served", f"k{n}", {"n": n}, n)
    records.keep("r1", "served", "k1", {"n": "again"}, 1)
    records.keep("r1", "other", "k1", {})
    records.keep("r2", "served", "k1", {})
    records.written()
    assert [(one.key, one.body) for one in records.all("r1", "served")] == [
        ("k1", '{"n":"again"}'),
        ("k2", '{"n":2}'),
        ("k3", '{"n":3}'),
    ]
    assert records.count("r1", "served") == 3


def test_what_could_not_be_written_is_told(db: Database) -> None:
    records = Records(db)
    with db.begin() as connection:
        connection.execute(sa.text("DROP TABLE records"))
    records.keep("r1", "served", "k1", {})
    with pytest.raises(Exception, match=r"no such table|does not exist"):
        records.written()
    with pytest.raises(Exception, match=r"no such table|does not exist"):
        records.keep("r1", "served", "k2", {})
