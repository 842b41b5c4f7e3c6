"""`preceptor serve` as a process: up, asked, and told to stop."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from preceptor.cli.main import run


def test_a_new_project_can_be_served_and_stopped(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["init", str(tmp_path / "shop")]) == 0
    program = "import sys; from preceptor.cli.main import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "serve", "--project", str(tmp_path / "shop"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        line = serving.stdout.readline()
        found = re.search(r"http://\S+/v1", line)
        assert found, line
        assert "(simulated)" in line
        transport = httpx2.HTTPTransport(retries=8)
        with httpx2.Client(transport=transport, timeout=60) as client:
            models = client.get(f"{found[0]}/models").json()["data"]
            body = {"model": models[0]["id"], "messages": [{"role": "user", "content": "Hello?"}]}
            answer = client.post(f"{found[0]}/chat/completions", json=body)
            assert answer.json()["choices"][0]["message"]["content"]
            assert answer.headers["x-preceptor-teaching"] == "unavailable", "there is no database yet"
        serving.send_signal(signal.SIGINT)
        assert serving.wait(30) == 0


def test_it_does_not_listen_to_others_without_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", str(tmp_path / "shop")]) == 0
    assert run(["serve", "--project", str(tmp_path / "shop"), "--host", "0.0.0.0"]) == 1
    assert "--unsafe-open" in capsys.readouterr().err
