"""`preceptor serve` as a process: up, asked, and told to stop."""

import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from preceptor.cli.main import run
from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.model import Scenario, Strategy
from preceptor.library.rows import Use
from preceptor.library.store import Batch, Library
from preceptor.storage.database import Database


@contextlib.contextmanager
def serving(place: Path) -> Iterator[tuple[str, list[str]]]:
    """A gateway; its URL, and the three lines it begins with."""
    program = "import sys; from preceptor.cli.main import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "serve", "--project", str(place), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        lines = [started.stdout.readline() for _ in range(3)]
        found = re.search(r"http://\S+/v1", lines[0])
        assert found, lines
        try:
            yield found[0], lines
        finally:
            started.send_signal(signal.SIGINT)
            assert started.wait(180) == 0


def test_a_new_project_can_be_served_and_stopped(tmp_path: Path) -> None:
    assert run(["init", str(tmp_path / "shop")]) == 0
    with serving(tmp_path / "shop") as (url, lines):
        assert "(simulated)" in lines[0]
        assert "cannot be read, so requests go out untaught" in lines[1]
        transport = httpx2.HTTPTransport(retries=8)
        with httpx2.Client(transport=transport, timeout=60) as client:
            body = {"model": "student-a", "messages": [{"role": "user", "content": "Hello?"}]}
            answer = client.post(f"{url}/chat/completions", json=body)
            assert answer.json()["choices"][0]["message"]["content"]
            assert answer.headers["x-preceptor-teaching"] == "unavailable", "there is no database yet"


def curl(*arguments: str) -> tuple[str, str]:
    """What curl got: head and body."""
    command = ["curl", "-sSiN", "--max-time", "60", "--retry", "8", "--retry-connrefused", *arguments]
    told = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    head, _, body = told.partition("\n\n")
    return head, body


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_is_answered_plain_and_streaming(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "shop"
    assert run(["init", str(place)]) == 0
    release, strategy = filled(place)
    assert run(["keys", "add", "shop", "--project", str(place)]) == 0
    key = capfd.readouterr().out.strip().splitlines()[-1]
    with serving(place) as (url, lines):
        assert release in lines[1]
        there = f"{url}/chat/completions"
        # As the gateway says itself; only that nobody put the key in.
        told = lines[2].split("-d '")[1].rstrip("'\n")
        asked = ("-d", told)
        assert "Authorization: Bearer $KEY" in lines[2]
        head, body = curl(there, *asked)
        assert head.startswith("HTTP/1.1 401")
        assert json.loads(body)["error"]["code"] == "invalid_api_key"
        keyed = ("-H", f"Authorization: Bearer {key}")
        head, body = curl(there, *keyed, *asked, "-H", "x-preceptor-explain: 1")
        assert f"x-preceptor-release: {release}" in head
        assert f'"strategies":["{strategy}"]' in head
        assert json.loads(body)["choices"][0]["message"]["content"]
        head, body = curl(there, *keyed, *asked, "-H", "x-preceptor-teaching: off")
        assert "x-preceptor-teaching: off" in head
        more = {"stream": True, "preceptor": {"release": release, "explain": True}}
        head, body = curl(there, *keyed, "-d", json.dumps({**json.loads(told), **more}))
        assert "content-type: text/event-stream" in head
        assert f'"strategies":["{strategy}"]' in head
        assert body.startswith("data: {")
        assert body.endswith("data: [DONE]\n\n")


def filled(place: Path) -> tuple[str, str]:
    """A library with a release: the beginning of its hash, and its one strategy's id, which is for everything."""
    home = Scenario("sc-1", "Somebody says hello.", (Context((Turn("customer", "Hello"),)),))
    said = "Ask for the postcode."
    one = Strategy(Strategy.new_id(said, home.id), said, "It helps.", home.id, 0.3, "accepted")
    with Database.open(place / "preceptor.db") as db:
        library = Library(db, "default")
        library.store(Batch((home,), (one,), use=Use("Shop", foreign=0.0)), "run-1", "1")
        library.decide(one.id, "approved", "ann")
        return library.release("ann").hash[:12], one.id


def test_it_does_not_listen_to_others_without_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", str(tmp_path / "shop")]) == 0
    assert run(["serve", "--project", str(tmp_path / "shop"), "--host", "0.0.0.0"]) == 1
    assert "--unsafe-open" in capsys.readouterr().err
