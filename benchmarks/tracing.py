"""`strace` on a process of ours: it counts the calls that write to a project's files, and lets some of them fail."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

WRITES = ("write", "pwrite64")
CALLS = (*WRITES, "ftruncate", "fsync", "fdatasync")
FILES = (
    "preceptor.db",
    "preceptor.db-journal",
    "preceptor.db-wal",
    "preceptor.db-locks/logs.lock",
    "rejected/chats.jsonl.jsonl",
)
"""Of a project, whose calls are looked at."""
_SET_PTRACER = 0x59616D61
_ANY = -1
_CALL = re.compile(r"(\d+) +(\w+)\(")
_LETS_US = "import sys, tracing; tracing.let_trace(); print('.', end='', flush=True); sys.stdin.read()"


def let_trace() -> None:
    """Let any process trace us: some systems let only a parent."""
    ctypes.CDLL(None).prctl(_SET_PTRACER, ctypes.c_ulong(_ANY), 0, 0, 0)


def is_traced(pid: int | str = "self") -> bool:
    return "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()


@dataclass
class Tracer:
    """`strace`, on the files of one project."""

    folder: Path
    injections: tuple[str, ...] = ()
    """What is to fail, as `strace` takes it."""
    _process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder.with_suffix(".strace")

    def attach(self, pid: int) -> None:
        paths = [word for name in FILES for word in ("-P", str(self.folder.resolve() / name))]
        shown = ("-e", f"trace={','.join(CALLS)}")
        faults = [word for one in self.injections for word in ("-e", one)]
        command = ["strace", "-f", "-qq", "-o", str(self.log), *paths, *shown, *faults, "-p", str(pid)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def calls(self) -> list[list[str]]:
        """The names of the calls of each thread, once all is over."""
        threads: dict[str, list[str]] = {}
        for line in self._lines():
            if found := _CALL.match(line):
                threads.setdefault(found[1], []).append(found[2])
        return list(threads.values())

    def struck(self) -> bool:
        return any("(INJECTED)" in line for line in self._lines())

    def _lines(self) -> list[str]:
        if self._process:
            self._process.wait()
        return self.log.read_text().splitlines()


def why_not() -> str:
    """Why no system call can be made to fail here; empty when it can."""
    if shutil.which("strace") is None:
        return "there is no strace (Debian: apt-get install strace)"
    here = Path(__file__).parent
    traced = subprocess.Popen(
        [sys.executable, "-SEc", _LETS_US], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=here
    )
    assert traced.stdout is not None
    traced.stdout.read(1)
    command = ["strace", "-qq", "-e", "trace=none", "-p", str(traced.pid)]
    tracing = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while tracing.poll() is None and not is_traced(traced.pid):
        time.sleep(0.002)
    refused = tracing.poll() is not None
    traced.communicate()
    told = tracing.communicate()[1].decode("utf-8", "replace").strip()
    return f"strace may not trace: {told}" if refused else ""
