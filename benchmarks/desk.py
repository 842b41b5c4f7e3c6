"""A project that is taught by the real command in a process of its own, which can be timed and killed.

Small on purpose, with a gate so wide that a few strategies pass: what is measured is the machinery, not the method.
"""

import contextlib
import io
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preceptor.cli.main import run as command_line
from preceptor.settings import templates
from preceptor.settings.project import Project
from preceptor.settings.reading import FILE
from preceptor.settings.rendering import commented
from preceptor.settings.schema import ROLES
from preceptor.simulated.world import World, shipped_names
from preceptor.storage.runs import Run, Runs

SMALL: Mapping[str, Any] = {
    "iterations": 2,
    "customers": 12,
    "held_out": 4,
    "min_contexts": 3,
    "looks": (8, 16),
    "alpha": 0.3,
}
WIDE: Mapping[str, Any] = {"iterations": 2}
"""As many customers and as strict a gate as a user gets who changes nothing."""
TINY: Mapping[str, Any] = {**SMALL, "iterations": 1, "customers": 4, "held_out": 2, "choose_placement": False}
PRICES: Mapping[str, Mapping[str, str]] = {
    "teacher": {"price_input": "2.5", "price_output": "10"},
    "student": {"price_input": "0.0375", "price_output": "0.15"},
    "customer": {"price_input": "0.15", "price_output": "0.6"},
    "judge": {"price_input": "1.1", "price_output": "4.4"},
}
"""Per million tokens, as providers ask; not round, so that calls cost fractions of the smallest unit kept."""
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Where public data is looked for unless a benchmark is told another place: beside the repository, which has none."""
FROM: Mapping[str, str] = {
    "star": "STAR: https://github.com/RasaHQ/STAR (a dialogue a line)",
    "banking77": "Banking77: https://github.com/PolyAI-LDN/task-specific-datasets",
    "stc3_en": "STC-3: https://github.com/sakai-lab/stc3-dataset",
    "tau2": "tau2-bench: https://github.com/sierra-research/tau2-bench",
    "tau_bench": "tau-bench: https://github.com/sierra-research/tau-bench (recorded trajectories)",
    "p4g": "PersuasionForGood: https://gitlab.com/ucdavisnlp/persuasionforgood",
}
"""By the folder: where a set is to be had."""
_SAMPLE = 0.02
"""Seconds between two looks at a process."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    """Negative: the signal that ended it."""
    out: str
    err: str
    seconds: float
    """Wall time, start of the process included."""
    cpu: float
    """Seconds of user and system time of its process."""
    delayed: float
    """Seconds its main thread waited for a processor that others had; 0 where the system does not tell (Linux does)."""

    @property
    def resumable(self) -> bool:
        """It said how to go on, and no more than that."""
        return "preceptor teach --resume " in self.err and "Traceback" not in self.err


class Teaching:
    """A command that is running. The process is ours; it starts no others."""

    def __init__(self, arguments: tuple[str, ...], log: Path, before: Sequence[str] = ()) -> None:
        """`before`: what the command is run by, such as another network's `ip netns exec`."""
        self._out, self._err = log.with_suffix(".out"), log.with_suffix(".err")
        self._before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._began = time.monotonic()
        self._delayed = 0.0
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [*before, command(), *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._began

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def freeze(self) -> None:
        """It does nothing from now on, and keeps what it holds."""
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)

    def interrupt(self) -> None:
        """As Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    @property
    def told(self) -> str:
        """What it has said on standard error so far."""
        return self._err.read_text()

    def ended(self) -> Ended:
        """Wait for its end."""
        while self.running:
            self._delayed = self._delay()
            time.sleep(_SAMPLE)
        code = self._process.wait()
        seconds, after = self.age, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - self._before.ru_utime - self._before.ru_stime
        return Ended(code, self._out.read_text(), self._err.read_text(), seconds, cpu, self._delayed)

    def _delay(self) -> float:
        try:
            return int(Path(f"/proc/{self._process.pid}/schedstat").read_text().split()[1]) / 1e9
        except (OSError, IndexError):
            return self._delayed


@dataclass(frozen=True)
class Desk:
    """A project in a folder."""

    folder: Path
    here: bool = False
    """Runs that nobody interrupts are done by the same command in this process, which spares its start."""
    command: str = "teach"
    before: tuple[str, ...] = ()
    """What the command is run by."""

    @classmethod
    def open(
        cls,
        folder: Path,
        world: World,
        models: Mapping[str, Mapping[str, Any]],
        teaching: Mapping[str, Any],
        *,
        here: bool = False,
        database: str | None = None,
    ) -> "Desk":
        """A new project with the world's domain; models by role. `database`: a server's URL, if it is to be one."""
        folder.mkdir(parents=True)
        values: dict[str, Any] = {f"models.{role}": models[role] for role in ROLES} | {"teaching": teaching}
        if database is not None:
            values["project"] = {"database": database}
        (folder / FILE).write_text(commented(values), "utf-8")
        (folder / templates.DOMAIN_FILE).write_text(templates.domain_text(world.domain), "utf-8")
        return cls(folder, here)

    def start(self, *more: str) -> Teaching:
        """`preceptor teach` (or `evaluate`), going on with the run there is, if any."""
        return Teaching(self._words(*more), self.folder / "log", self.before)

    def teach(self, *more: str) -> Ended:
        """The same to its end."""
        return _ended_here(self._words(*more)) if self.here else self.start(*more).ended()

    def _words(self, *more: str) -> tuple[str, ...]:
        run = self.run
        onward = ("--resume", run.id) if run else ()
        return (self.command, "--yes", "--project", str(self.folder), *onward, *more)

    @property
    def project(self) -> Project:
        return Project.load(self.folder)

    @property
    def run(self) -> Run | None:
        """The one run, as the database has it; None: a kill came before there was one."""
        place = self.project.place
        if isinstance(place, Path) and not place.exists():
            return None
        with self.project.database(create=True) as db:
            return next(iter(Runs(db).list()), None)

    @property
    def hash(self) -> str:
        """Of the library as it stands in the database."""
        with self.project.database() as db:
            return self.project.library(db).guidance("accepted").hash


def _ended_here(arguments: tuple[str, ...]) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    began, cpu = time.monotonic(), time.process_time()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = command_line(arguments)
    return Ended(code, out.getvalue(), err.getvalue(), time.monotonic() - began, time.process_time() - cpu, 0.0)


def simulated(world: str, roles: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Models in the process that teaches."""
    return {role: {"kind": "simulated", "world": world, "model": roles[role]} for role in ROLES}


def endpoints(url: str, roles: Mapping[str, str], **more: Any) -> dict[str, dict[str, Any]]:
    """The same models behind an address."""
    return {role: {"kind": "openai", "base_url": url, "model": roles[role], **PRICES[role], **more} for role in ROLES}


def load_world(name: str) -> World:
    """A shipped world, or a world file."""
    if name in shipped_names():
        return World.shipped(name)
    needed(Path(name))
    return World.load(Path(name))


def needed(*files: Path) -> None:
    """End with exit code 2 where files are not there, saying which and where they are to be had: a benchmark that
    measured nothing must not look like one that went well."""
    missing = [file for file in files if not file.exists()]
    for file in missing:
        known = next((FROM[part] for part in reversed(file.parts) if part in FROM), "")
        print(f"There is no file {file}." + (f" It is of {known}." if known else ""), file=sys.stderr)
    if missing:
        print("Nothing was measured. Put it there, or name another place (--help tells how).", file=sys.stderr)
        raise SystemExit(2)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """A table for people, columns as wide as they need to be."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def quick() -> bool:
    return bool(os.environ.get("QUICK"))


def memory() -> str | None:
    """A folder in memory, where there is one: enough for what has to outlive a process and not the machine, and syncing
    costs nothing there. None: the system's place for temporary files."""
    place = Path("/dev/shm")
    return str(place) if place.is_dir() and os.access(place, os.W_OK) else None


def command() -> str:
    return str(Path(sys.executable).with_name("preceptor"))
