"""One run, several processes: the short form of `make torture-workers`, and two hosts of which one is cut off."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from bench_reliability import finished
from cluster import Cluster, NoBinaries, running
from desk import TINY, Teaching
from hosts import Host, NoNamespaces, hosts
from preceptor.llm.ledger import calls
from preceptor.simulated.world import World
from preceptor.storage.database import Database
from torture_workers import Bench, Scene, Whole, Worker, kill_one, shop, survived, taken_over, whole
from witness import serving

pytestmark = pytest.mark.slow
WORLD = Path(__file__).parents[1] / "simulated" / "small.yaml"
RUN = {**TINY, "customers": 12, "min_contexts": 2, "looks": (4, 8)}
"""Some 240 calls; a strategy is accepted."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    try:
        with running() as started:
            folder = tmp_path_factory.mktemp("bench")
            yield Bench(started, World.load(WORLD), str(WORLD), folder, RUN, random.Random(1), here=True)
    except NoBinaries as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def undisturbed(bench: Bench) -> Whole:
    return whole(bench)


def test_a_worker_that_is_killed_is_taken_over_and_the_library_is_that_of_one_process(
    bench: Bench, undisturbed: Whole
) -> None:
    with serving(bench.world, latency=0.05) as served:
        desk, url = bench.desk("killed", bench.served(served.url))
        with shop(desk, url, 1) as made:
            scene = Scene(made, served)
            lead = made.lead()
            while served.tally.calls < undisturbed.calls / 3:
                assert lead.running
                time.sleep(0.01)
            lead = kill_one(scene, lead, 0)
            finished(lead.ended())
    found = survived(scene, undisturbed)
    wrong = ("other_hash", "accepted_lost", "twice_not_in_flight", "twice_not_marked")
    assert {name: found[name] for name in wrong} == dict.fromkeys(wrong, 0)
    assert undisturbed.accepted


@pytest.fixture
def two() -> Iterator[list[Host]]:
    try:
        with hosts(2) as made:
            yield made
    except NoNamespaces as reason:
        pytest.skip(f"No network namespaces can be made here: {reason}")


def test_a_host_that_is_cut_off_half_way_is_taken_over(bench: Bench, two: list[Host], tmp_path: Path) -> None:
    """The database stands here; who leads the run is on one host, a worker on another. Models are in each process."""
    here, there = two
    with reachable(bench.cluster):
        plain, _ = bench.desk("uncut", bench.slow(0.0, 4))
        finished(plain.teach())
        desk, url = bench.desk("cut", bench.slow(0.2, 4))
        worker = Worker(desk, 1, at(url, there), there.enter).ready()
        lead = Teaching(
            ("teach", "--workers", "--yes", "--project", str(desk.folder), *at(url, here)),
            tmp_path / "lead",
            here.enter,
        )
        while done(url, worker.names[0]) < 40:
            assert lead.running, lead.told
            time.sleep(0.05)
        there.cut()
        try:
            taken_over(url, worker.names[0])
            assert lead.ended().code == 0, lead.told
            assert worker.process.poll() is None
        finally:
            there.mend()
        assert worker.end() == 0, worker.told
    assert desk.hash == plain.hash
    with Database.open(url) as db, db.reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).where(calls.c.state != "done")) == 0


def at(url: str, host: Host) -> tuple[str, str]:
    """The same database, as the host reaches it."""
    return "--set", f"project.database={url.replace('127.0.0.1', host.ours)}"


def done(url: str, owner: str) -> int:
    """Calls that a process has finished."""
    with Database.open(url) as db, db.reading() as connection:
        mine = (calls.c.owner == owner) & (calls.c.state == "done")
        return connection.scalar(sa.select(sa.func.count()).where(mine)) or 0


@contextmanager
def reachable(cluster: Cluster) -> Iterator[None]:
    """The cluster's server, for hosts too."""
    cluster.stop()
    with (cluster.data / "pg_hba.conf").open("a") as file:
        file.write("host all all 198.18.0.0/15 trust\n")
    cluster.start("0.0.0.0")
    yield
