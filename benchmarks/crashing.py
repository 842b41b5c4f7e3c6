"""A process that does steps of work and ends itself, with SIGKILL, at a named point; and the server that forks it.

The product has no code for this. Here, in the child, what it stands on is wrapped from outside: SQLAlchemy's statements
and commits, the file operations of `os`, and functions by name (`FUNCTIONS`). Each is a point before and after. A kind
of transaction is named by what it writes, so that whatever is written has its points: written and not committed,
about to be committed, committed and nobody told.

What a child was told is kept, it writes to a log that survives it (`Log`): each commit with how many rows there are,
and each call that reached a model. Python and our imports are loaded once, by the server, which forks a child for each
order.
"""

from __future__ import annotations

import fcntl
import importlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import wraps
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine.default import DefaultDialect

from tracing import is_traced, let_trace

FUNCTIONS = (
    "preceptor.storage.runs Runs.create",
    "preceptor.storage.runs Runs.finish",
    "preceptor.storage.signals Signals.settle",
    "preceptor.llm.ledger Ledger.sending",
    "preceptor.simulated.faults Faulty.ask",
    "preceptor.llm.ledger Ledger.settled",
    "preceptor.llm.ledger Ledger.finish",
    "preceptor.llm.ledger Ledger.written",
    "preceptor.settings.journal Journal.hear",
    "preceptor.settings.journal Journal.written_down",
    "preceptor.settings.teaching Shelving.keep",
    "preceptor.evaluation.keeping Keeper.keep",
    "preceptor.evaluation.keeping Keeper.attributed",
    "preceptor.storage.records Records.written",
    "preceptor.logs.store Store.begin",
    "preceptor.logs.store Store.add",
    "preceptor.logs.store Store.finish",
    "preceptor.logs.importing _reject",
    "preceptor.library.decisions decide",
    "preceptor.library.decisions edit",
    "preceptor.library.decisions defer",
    "preceptor.library.decisions decide_all",
    "preceptor.library.releases freeze",
    "preceptor.library.releases assemble",
    "preceptor.library.releases publish",
    "preceptor.library.releases roll_back",
    "preceptor.library.provenance forget",
    "preceptor.library.store settle",
    "preceptor.library.rows Shelf.flush",
)
"""By module and name: where something is about to be done, or has been, that a person or a model is told of."""
MODEL = "Faulty.ask"
"""What stands for the line to a model: what gets here has been sent."""
COUNTED = ("runs", "events", "calls", "records", "steps", "strategies", "scenarios", "evidence", "releases", "trail")
"""Tables whose rows never become fewer, so that a count says what was kept."""
ANSWERED = "calls answered"
_WRITES = re.compile(r"\s*(INSERT INTO|UPDATE|DELETE FROM)\s+\"?(\w+)\"?(.*)", re.DOTALL)
_SET = re.compile(r"\bSET\s+(.*?)(?:\s+WHERE\b|$)", re.DOTALL)
_SCHEMA = re.compile(r"\s*(CREATE|ALTER|DROP)\b")
_FILES = {".lock": "lock", ".jsonl": "rejected rows"}
_LOOK = 0.001
"""Seconds between two looks at a child that is to be killed."""
_WIDE = 1 << 20
"""Bytes that a pipe holds while nobody reads."""
PATIENCE = 120.0
"""Seconds to wait for a tracer."""
UNTRACED = 75
"""The exit code of a child that nobody came to trace."""


@dataclass(frozen=True)
class Order:
    """What a child is to do."""

    folder: str
    """The project's."""
    steps: tuple[tuple[str, ...], ...]
    """Command lines, one after the other, or steps of `works` by name (`@` before it)."""
    log: str
    point: str = ""
    """Where to die; empty: nowhere."""
    nth: int = 1
    """At which time it comes there."""
    after: float = 0.0
    """Seconds after which it is killed from outside; 0: not."""
    traced: bool = False
    """It begins once somebody traces it."""
    limit: int = 0
    """Bytes that no file may grow beyond; 0: no limit."""


def kind_of(statement: str) -> str | None:
    """What a statement writes, in words; None: it only reads."""
    if _SCHEMA.match(statement):
        return "schema"
    if (found := _WRITES.match(statement)) is None:
        return None
    verb, table, rest = found.groups()
    if verb != "UPDATE" or (columns := _SET.search(rest)) is None:
        return f"{verb.split()[0].lower()} {table}"
    names = sorted({part.split("=")[0].strip(' "') for part in columns[1].split(",") if "=" in part})
    if table == "calls":
        return f"update calls ({'sent again' if 'sent_at' in names else 'ended'})"
    return f"update {table} ({', '.join(names)})"


class Log:
    """Lines that outlive their process: each is one write to a pipe."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def write(self, what: str, told: object) -> None:
        os.write(self._handle, f"{what} {json.dumps(told)}\n".encode())


@dataclass
class Trap:
    """Counts the points a child passes, and ends it at one."""

    log: Log
    folder: str
    point: str = ""
    nth: int = 1
    passed: Counter[str] = field(default_factory=Counter)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def reach(self, point: str) -> None:
        with self._guard:
            self.passed[point] += 1
            if point == self.point and self.passed[point] == self.nth:
                os.kill(os.getpid(), signal.SIGKILL)

    def set(self) -> None:
        """Wrap everything there are points for; in a child only, which this never leaves."""
        _Transactions(self).listen()
        for name in FUNCTIONS:
            module, _, path = name.partition(" ")
            self._wrap(importlib.import_module(module), path)
        for operation in ("link", "rename", "replace", "unlink", "fsync", "ftruncate"):
            self._wrap_file(operation)
        sys.addaudithook(self._opened)

    def _wrap(self, owner: Any, path: str) -> None:
        *outer, name = path.split(".")
        for part in outer:
            owner = getattr(owner, part)
        function = getattr(owner, name)
        setattr(
            owner, name, self._slow(path, function) if iscoroutinefunction(function) else self._fast(path, function)
        )

    def _fast(self, path: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def around(*words: Any, **more: Any) -> Any:
            self.reach(f"{path}: before")
            done = function(*words, **more)
            self.reach(f"{path}: after")
            return done

        return around

    def _slow(self, path: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        async def around(*words: Any, **more: Any) -> Any:
            if path == MODEL:
                self._arrived(*words)
            self.reach(f"{path}: before")
            done = await function(*words, **more)
            self.reach(f"{path}: after")
            return done

        return around

    def _arrived(self, model: Any, request: Any) -> None:
        from preceptor.storage.canonical import canonical
        from witness import name_of

        self.log.write("call", name_of(model.name.rpartition(" ")[2], canonical(request)))

    def _wrap_file(self, operation: str) -> None:
        function = getattr(os, operation)

        @wraps(function)
        def around(file: Any, *words: Any, **more: Any) -> Any:
            kind = self._file(f"/proc/self/fd/{file}" if isinstance(file, int) else file)
            if kind is None:
                return function(file, *words, **more)
            self.reach(f"{operation} {kind}: before")
            done = function(file, *words, **more)
            self.reach(f"{operation} {kind}: after")
            return done

        setattr(os, operation, around)

    def _opened(self, what: str, words: tuple[Any, ...]) -> None:
        if what != "open" or not isinstance(words[0], str | os.PathLike) or not isinstance(words[2], int):
            return
        if words[2] & (os.O_WRONLY | os.O_RDWR) and (kind := self._file(words[0])):
            self.reach(f"open {kind}: before")

    def _file(self, path: Any) -> str | None:
        """What kind of file of the project this is."""
        place = os.path.realpath(path)
        if not place.startswith(self.folder + os.sep):
            return None
        name = Path(place).name
        return next((kind for part, kind in _FILES.items() if part in name), "other file")


class _Transactions:
    """Points at each write and each commit, and a line for each commit that was acknowledged."""

    def __init__(self, trap: Trap) -> None:
        self._trap = trap
        self._written: dict[int, dict[str, None]] = {}
        """By connection: the kinds of what it wrote since its last commit, in order."""

    def listen(self) -> None:
        event.listen(sa.Engine, "after_cursor_execute", self._wrote)
        dialect: Any = DefaultDialect
        commit, rollback = dialect.do_commit, dialect.do_rollback
        transactions = self

        def do_commit(dialect: DefaultDialect, connection: Any) -> None:
            kinds = transactions._written.pop(id(connection.driver_connection), {})
            for kind in kinds:
                transactions._trap.reach(f"{kind}: about to be committed")
            counts = _counts(connection.driver_connection, kinds)
            commit(dialect, connection)
            for kind in kinds:
                transactions._trap.reach(f"{kind}: committed, nobody told")
            if counts:
                transactions._trap.log.write("kept", counts)

        def do_rollback(dialect: DefaultDialect, connection: Any) -> None:
            transactions._written.pop(id(connection.driver_connection), None)
            rollback(dialect, connection)

        for name, function in (("do_commit", do_commit), ("do_rollback", do_rollback)):
            setattr(DefaultDialect, name, function)

    def _wrote(self, connection: sa.Connection, cursor: Any, statement: str, *_: Any) -> None:
        if kind := kind_of(statement):
            self._written.setdefault(id(connection.connection.driver_connection), {})[kind] = None
            self._trap.reach(f"{kind}: written, not committed")


def _counts(connection: Any, kinds: Sequence[str] | dict[str, None]) -> dict[str, int]:
    """Rows of each table that is written to, as this transaction sees them."""
    tables = {name for kind in kinds for name in COUNTED if kind.split()[1:2] == [name]}
    found = {name: _ask(connection, f"SELECT count(*) FROM {name}") for name in sorted(tables)}
    if "calls" in tables:
        found[ANSWERED] = _ask(connection, "SELECT count(*) FROM calls WHERE state <> 'sent'")
    return found


def _ask(connection: Any, question: str) -> int:
    return int(connection.execute(question).fetchone()[0])


# The child


def work(order: Order, log: Log) -> int:
    """Do the steps; the exit code of the first that fails, or 0."""
    import works
    from preceptor.logs import importing

    importing.BATCH = works.SEVERAL
    trap = Trap(log, os.path.realpath(order.folder), order.point, order.nth)
    trap.set()
    code = 0
    for step in order.steps:
        if code := do(Path(order.folder), step):
            break
        sys.stdout.flush()
        log.write("step", step)
    log.write("passed", trap.passed)
    return code


def _child(order: Order, pipes: Mapping[str, tuple[int, int]]) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(pipes["out"][1], 1)
    os.dup2(pipes["err"][1], 2)
    if order.limit:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (order.limit, order.limit))
    if order.traced:
        _await_tracer()
    code = 70
    try:
        code = work(order, Log(pipes["log"][1]))
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _await_tracer() -> None:
    let_trace()
    until = time.monotonic() + PATIENCE
    while not is_traced():
        if time.monotonic() > until:
            os._exit(UNTRACED)
        time.sleep(0.002)
    # A signal stops whoever is traced, even one that would be ignored, until the tracer has seen it; from then on it
    # sees every call.
    os.kill(os.getpid(), signal.SIGURG)


# The server


def warm() -> None:
    """Do each work once, so that children find everything loaded."""
    import works
    from desk import memory

    world = sys.argv[1]
    quiet = redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO())
    with tempfile.TemporaryDirectory(dir=memory()) as place, quiet[0], quiet[1]:
        for one in works.WORKS:
            folder = Path(place) / one.name
            folder.mkdir()
            one.prepare(folder, world, works.DATABASE)
            for step in one.steps(folder):
                do(folder, step)


def do(folder: Path, step: tuple[str, ...]) -> int:
    """A step's exit code."""
    import works
    from preceptor.cli.main import run

    return works.STEPS[step[0][1:]](folder) if step[0].startswith("@") else run(step)


def serve() -> None:
    """Fork a child for each line on standard input; answer with its process, then with how it ended."""
    sys.path.insert(0, str(Path(__file__).parent))
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    warm()
    for line in sys.stdin:
        raw = json.loads(line)
        order = Order(**raw | {"steps": tuple(map(tuple, raw["steps"]))})
        pipes = {name: _pipe() for name in ("out", "err", "log")}
        pid = os.fork()
        if pid == 0:
            _child(order, pipes)
        print(json.dumps({"pid": pid}), file=answers)
        began = time.monotonic()
        code = _waited(pid, order.after)
        told = {name: _drained(*ends) for name, ends in pipes.items()}
        print(json.dumps({"code": code, "seconds": time.monotonic() - began, **told}), file=answers)


def _waited(pid: int, after: float) -> int:
    """How a child ended, which is killed after so many seconds (0: never)."""
    until = time.monotonic() + after
    while after and time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(_LOOK)
    if after:
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _pipe() -> tuple[int, int]:
    """Wide enough for all a child says. Not a file: a limit on the size of files is not to silence it."""
    ends = os.pipe()
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, _WIDE)
    return ends


def _drained(reading: int, writing: int) -> str:
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        return pipe.read().decode("utf-8", "replace")


@dataclass(frozen=True)
class Ended:
    """How a child ended."""

    code: int
    """Negative: the signal that ended it."""
    out: str
    err: str
    seconds: float
    """Wall time since it was forked."""


class Forks:
    """A server of children, warm: what the works need is loaded."""

    def __init__(self, world: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(world)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def run(self, order: Order, traced: Callable[[int], None] = lambda pid: None) -> Ended:
        """`traced` hears the child's process when it is there."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(vars(order)) + "\n")
        traced(self._answer()["pid"])
        answer = self._answer()
        with Path(order.log).open("a") as log:
            log.write(answer["log"])
        return Ended(answer["code"], answer["out"], answer["err"], answer["seconds"])

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("The server that forks has ended.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@contextmanager
def forking(world: Path) -> Iterator[Forks]:
    forks = Forks(world)
    try:
        yield forks
    finally:
        forks.close()


@dataclass
class Told:
    """What the log of a child, or of several after one another, says."""

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    kept: dict[str, int] = field(default_factory=dict)
    """The last count of each table."""
    steps: int = 0
    """Done to their end."""
    passed: Counter[str] = field(default_factory=Counter)
    """Points, of the last child that came to its end."""

    @classmethod
    def read(cls, log: Path) -> Told:
        told = cls()
        lines = log.read_text().splitlines(keepends=True) if log.exists() else []
        for line in lines:
            if not line.endswith("\n"):
                continue
            what, _, rest = line.partition(" ")
            body = json.loads(rest)
            match what:
                case "call":
                    told.calls[body[0], body[1]] += 1
                case "kept":
                    told.kept |= body
                case "step":
                    told.steps += 1
                case "passed":
                    told.passed = Counter(body)
        return told


if __name__ == "__main__":
    serve()
