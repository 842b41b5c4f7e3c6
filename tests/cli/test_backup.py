"""`preceptor backup` and `preceptor restore`, and what `doctor` says of each kind of database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import Cluster

from .conftest import Command


@pytest.fixture
def server(cluster: Cluster) -> Iterator[str]:
    url = cluster.new()
    yield url
    cluster.drop(url)


def test_a_project_moves_to_a_server(preceptor: Command, taught: Path, server: str) -> None:
    before = preceptor("library", "list", "--project", taught)
    code, out, _ = preceptor("backup", taught / "all.jsonl.gz", "--project", taught)
    assert (code, "rows are in" in out) == (0, True)
    code, _, err = preceptor("restore", taught / "all.jsonl.gz", "--project", taught)
    assert (code, "already" in err) == (1, True)
    there = ("--project", taught, "--set", f"project.database={server}")
    assert "nothing of preceptor" in preceptor("doctor", *there)[1].replace("\n", " ")
    assert preceptor("restore", taught / "all.jsonl.gz", *there)[0] == 0
    assert preceptor("library", "list", *there)[1] == before[1]
    code, out, _ = preceptor("doctor", *there)
    assert "PostgreSQL" in out
    assert "fsync" in out
    assert "none at work" in out


def test_what_is_no_backup(preceptor: Command, project: Path) -> None:
    (project / "x").write_text("Dear diary")
    code, _, err = preceptor("restore", project / "x", "--project", project)
    assert (code, "no backup" in err) == (1, True)
    assert not (project / "preceptor.db").exists()
