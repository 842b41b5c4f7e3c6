"""Keys are planted where they belong, and looked for in everything a run, a gateway and a crash leave behind."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx2
import pytest
import uvicorn

import desk
from preceptor.settings.reading import FILE
from preceptor.simulated.server import create_app
from preceptor.simulated.world import World

PROGRAM = "import sys; from preceptor.cli.main import run; sys.exit(run(sys.argv[1:]))"
KEYS = {
    "PLANTED_TEACHER": "sk-teacher-7f3a9c1e5b2d4860aa",
    "PLANTED_STUDENT": "sk-student-0d8e6b4f2a1c9357bb",
    "PLANTED_UPSTREAM": "sk-upstream-5c9a7e3f1b8d2640cc",
    "PLANTED_METRICS": "metrics-2e4a6c8f0b1d3957dd",
}
PASSWORD = "db-password-9b7d5f3e1a2c4860ee"


@pytest.fixture(scope="module")
def world() -> Iterator[str]:
    """A simulated server; its address."""
    server = uvicorn.Server(uvicorn.Config(create_app(World.shipped("broadband")), port=0, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    (sock,) = server.servers[0].sockets
    yield f"http://127.0.0.1:{sock.getsockname()[1]}/v1"
    server.should_exit = True
    thread.join(30)


def planted(place: Path, url: str) -> Mapping[str, str]:
    """A project whose models, upstream and metrics want keys; the environment that has them."""
    loaded = World.shipped("broadband")
    models = desk.endpoints(url, loaded.roles)
    models["teacher"]["key_env"] = models["judge"]["key_env"] = "PLANTED_TEACHER"
    models["student"]["key_env"] = models["customer"]["key_env"] = "PLANTED_STUDENT"
    desk.Desk.open(place, loaded, models, desk.TINY)
    with (place / FILE).open("a", encoding="utf-8") as settings:
        settings.write(f'\n[serving.upstreams.main]\nbase_url = "{url}"\nkey_env = "PLANTED_UPSTREAM"\n')
    return os.environ | KEYS


def ran(environment: Mapping[str, str], *arguments: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, check=False, cwd=cwd, timeout=120)


def found(secrets: Mapping[str, str], *folders: Path) -> list[str]:
    """Which secret stands in which file; keys are looked for by their telling middle, so that a cut one is found."""
    return [
        f"{name} in {path.name}"
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for name, secret in secrets.items()
        if secret[-18:].encode() in path.read_bytes()
    ]


def command_lines() -> str:
    """What every process of this user can be seen to be called with."""
    lines = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(place.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(lines)


def test_nothing_a_run_leaves_holds_a_key(tmp_path: Path, world: str) -> None:
    place, told = tmp_path / "shop", tmp_path / "told"
    told.mkdir()
    environment = planted(place, world)
    commands = {
        "doctor": ["doctor"],
        "teach": ["teach", "--yes"],
        "evaluate": ["evaluate", "--yes", "--customers", "3"],
        "runs": ["runs"],
        "list": ["library", "list"],
        "export": ["library", "export", str(tmp_path / "told" / "library")],
        "backup": ["backup", str(told / "backup.db")],
    }
    for name, arguments in commands.items():
        done = ran(environment, *arguments, cwd=place)
        (told / f"{name}.out").write_bytes(done.stdout + done.stderr)
        assert b"Traceback" not in done.stderr, name
    assert (place / "preceptor.db").stat().st_size > 50_000, (told / "teach.out").read_text()
    assert found(KEYS, place, told) == []


def test_a_crash_and_a_wrong_key_tell_no_key(tmp_path: Path, world: str) -> None:
    place = tmp_path / "shop"
    environment = planted(place, world)
    # A crash with every object of ours shown, as a reporter that prints variables would.
    crash = """
import os
from pathlib import Path
from preceptor.settings.project import Project
project = Project.load(Path())
from preceptor.llm.client import OpenAIModel
model = OpenAIModel('m', 'http://127.0.0.1:9/v1', 'm', os.environ['PLANTED_TEACHER'], 5.0)
raise RuntimeError(f'{project!r} {model!r} {vars(project)!r}')
"""
    done = subprocess.run([sys.executable, "-c", crash], env=environment, capture_output=True, check=False, cwd=place)
    assert b"RuntimeError" in done.stderr
    assert done.returncode == 1
    for secret in KEYS.values():
        assert secret[-18:].encode() not in done.stderr + done.stdout


def test_a_databases_password_is_told_nobody(tmp_path: Path) -> None:
    place = tmp_path / "shop"
    assert ran(os.environ, "init", str(place), cwd=tmp_path).returncode == 0
    elsewhere = "postgresql://someone@127.0.0.1:9/nowhere"
    inside = f"postgresql://someone:{PASSWORD}@127.0.0.1:9/nowhere"
    for url, environment in ((elsewhere, os.environ | {"PGPASSWORD": PASSWORD}), (inside, os.environ)):
        for command in (["doctor"], ["library", "list"]):
            done = ran(environment, *command, "--set", f"project.database={url}", cwd=place)
            assert done.returncode != 0
            assert PASSWORD.encode() not in done.stdout + done.stderr, command
            assert b"Traceback" not in done.stderr


def test_a_gateway_shows_no_key_while_it_runs_nor_after(tmp_path: Path, world: str) -> None:
    place = tmp_path / "shop"
    environment = planted(place, world)
    made = ran(environment, "keys", "add", "web", cwd=place)
    virtual = made.stdout.decode().strip()
    assert virtual.startswith("sk-pre-"), made.stderr
    secrets = {**KEYS, "virtual": virtual}
    command = [sys.executable, "-c", PROGRAM, "serve", "--port", "0"]
    with subprocess.Popen(
        command, env=environment, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as gateway:
        assert gateway.stdout is not None
        assert gateway.stderr is not None
        lines = [gateway.stdout.readline().decode() for _ in range(3)]
        url = re.search(r"http://\S+/v1", lines[0])
        assert url, lines
        body = {"model": "student-a", "messages": [{"role": "user", "content": "Hello?"}]}
        answers = []
        with httpx2.Client(transport=httpx2.HTTPTransport(retries=8), timeout=60) as client:
            for key in (virtual, virtual[:-1] + "x"):
                headers = {"authorization": f"Bearer {key}"}
                answer = client.post(f"{url[0]}/chat/completions", json=body, headers=headers)
                answers.append(answer)
            pages = [client.get(url[0].removesuffix("/v1") + page).text for page in ("/metrics", "/healthz", "/readyz")]
        seen = command_lines()
        gateway.send_signal(signal.SIGINT)
        told = (gateway.stdout.read() + gateway.stderr.read()).decode()
        assert gateway.wait(180) == 0
    assert [answer.status_code for answer in answers] == [200, 401]
    shown = "\n".join([*lines, told, seen, *pages, *(f"{answer.headers} {answer.text}" for answer in answers)])
    for name, secret in secrets.items():
        assert secret[-18:] not in shown, name
    assert found(secrets, place) == []
