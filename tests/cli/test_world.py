"""`preceptor world`: check a file, and serve one so that other commands meet it over HTTP."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from places import answers, reserved

Command = Callable[..., tuple[int, str, str]]

SMALL = (
    "--set", "teaching.customers=3", "--set", "teaching.iterations=1", "--set", "teaching.held_out=2",
    "--set", "teaching.consolidate=false", "--set", "teaching.choose_placement=false",
)  # fmt: skip


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """The base URL of the broadband world, served by the command on a free port."""
    with reserved() as port:
        arguments = ["world", "serve", "broadband", "--port", str(port)]
        program = f"import sys; from preceptor.cli.main import run; sys.exit(run({arguments}))"
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL) as server:
            while not answers(port):
                assert server.poll() is None
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/v1"
            server.terminate()


def over_http(project: Path, base_url: str) -> None:
    """Let every role of a project reach its simulated model through the OpenAI protocol."""
    path = project / "preceptor.toml"
    text = path.read_text("utf-8")
    path.write_text(
        text.replace('kind = "simulated"\nworld = "broadband"', f'kind = "openai"\nbase_url = "{base_url}"')
    )


@pytest.mark.parametrize("name", ["broadband", "airline", "parcels"])
def test_shipped_worlds_are_good(preceptor: Command, name: str) -> None:
    code, out, _ = preceptor("world", "check", name)
    assert code == 0, out
    assert re.search(r"^0 errors", out, re.MULTILINE)


def test_a_file_that_is_no_world(preceptor: Command, tmp_path: Path) -> None:
    (tmp_path / "world.yaml").write_text("format: preceptor-world/1")
    code, out, _ = preceptor("world", "check", tmp_path / "world.yaml")
    assert code == 1
    assert "error: " in out


def test_no_such_world(preceptor: Command) -> None:
    code, _, err = preceptor("world", "check", "nowhere.yaml")
    assert code == 1
    assert "There is no world file 'nowhere.yaml'." in err


@pytest.mark.parametrize("fault", ["cut", "cut=2", "fire=0.1"])
def test_faults_that_are_none(preceptor: Command, fault: str) -> None:
    code, _, err = preceptor("world", "serve", "broadband", "--fault", fault)
    assert code == 1
    assert "KIND=CHANCE" in err


def test_a_port_that_is_taken(preceptor: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = preceptor("world", "serve", "broadband", "--port", taken.getsockname()[1])
    assert code == 1
    assert "Try another --port." in err


def test_doctor_meets_served_models(preceptor: Command, project: Path, served: str) -> None:
    over_http(project, served)
    code, out, _ = preceptor("doctor", "--project", project)
    assert code == 0, out
    assert "json_schema" in out
    assert re.search(r"streams +\d+ pieces", out)


def test_teaching_over_http_gives_the_same_library(preceptor: Command, project: Path, served: str) -> None:
    in_process = preceptor("teach", "--yes", *SMALL, "--project", project)[1]
    (project / "preceptor.db").unlink()
    over_http(project, served)
    through_http = preceptor("teach", "--yes", *SMALL, "--project", project)[1]
    assert in_process.splitlines()[-2] == through_http.splitlines()[-2]
