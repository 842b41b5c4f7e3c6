"""A private PostgreSQL cluster for tests and benchmarks: in a folder of its own, on a free port, gone afterwards.

Whatever PostgreSQL the system runs is not touched. Started as an unprivileged user where we are root, because the
server refuses to be; sorted by a language's rules, as most servers are, so that what relies on the order of bytes
shows.
"""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from places import Reserved

QUICK = ("fsync=off", "full_page_writes=off", "max_wal_size=4GB", "autovacuum=off")
"""For tests, whose data may go with the machine, but not with the server. Never where crashes are measured."""
USERS = ("postgres", "nobody")
_PDEATHSIG = 1
"""Linux's number for it."""
PATIENCE = 180.0
"""Seconds for a server to start or to end: a busy machine's."""


class NoBinaries(Exception):
    """There is no PostgreSQL server on this machine."""


def binaries() -> Path:
    """The folder of the newest server's programs.

    Raises:
        NoBinaries
    """
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: place.parent.name.zfill(4))
    on_path = shutil.which("initdb")
    places = [*([Path(on_path).resolve().parent] if on_path else []), *places]
    for place in reversed(places):
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    raise NoBinaries("no PostgreSQL server is installed (initdb and postgres); on Debian: apt-get install postgresql")


class Cluster:
    """A cluster's server. `start` it; `stop` it cleanly, or as a crash would (`crash`)."""

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        """Make the cluster's files in an empty folder. `options`: as in postgresql.conf.

        Raises:
            NoBinaries
        """
        self._bin = binaries()
        self._user = _user()
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "log"
        self._options = ["shared_buffers=32MB", "max_connections=60", *options]
        self._process: subprocess.Popen[bytes] | None = None
        self._names = count(1)
        # Kept while the server is away, too, for it is to come back where it was.
        self._place = Reserved.one()
        self.port = self._place.port
        folder.chmod(0o711)
        self.data.mkdir(mode=0o700)
        if self._user is not None:
            shutil.chown(self.data, self._user)
        self._run("initdb", "--no-sync", "-U", "preceptor", "--auth=trust", "-E", "UTF8", *self._rules())
        self.log.touch()

    def _rules(self) -> list[str]:
        """Sorted by the rules of English where this server can; else as bytes."""
        told = subprocess.run([self._bin / "initdb", "--help"], capture_output=True, text=True, check=True).stdout
        icu = ["--locale-provider=icu", "--icu-locale=en"] if "--icu-locale" in told else []
        return ["--locale=C.UTF-8", *icu]

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), "-D", str(self.data), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False, **self._as())
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr}")

    def _as(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user, "group": pwd.getpwnam(self._user).pw_gid, "extra_groups": []}

    def start(self, address: str = "127.0.0.1") -> None:
        """Start the server and wait until it answers. `address`: where it listens; this machine's own must be in it."""
        command: list[str | Path] = [self._bin / "postgres", "-D", self.data, "-h", address, "-p", str(self.port)]
        for option in (*self._options, "unix_socket_directories="):
            command += ["-c", option]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd="/", preexec_fn=_die_with_us, **self._as()
            )
        until = time.monotonic() + PATIENCE
        while not self.answers:
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL does not start: {self.log.read_text('utf-8', 'replace')[-2000:]}")
            time.sleep(0.02)

    @property
    def answers(self) -> bool:
        try:
            psycopg.connect(self.admin, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """Fast, but cleanly: sessions are ended, nothing is left to recover."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """Stop at once, as `pg_ctl stop -m immediate` does: the next start recovers from the log."""
        self._end(signal.SIGQUIT)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(how)
            process.wait(PATIENCE)

    def close(self) -> None:
        """Stop, and let the port go."""
        self.stop()
        self._place.close()

    def url(self, database: str) -> str:
        return f"postgresql://preceptor@127.0.0.1:{self.port}/{database}"

    @property
    def admin(self) -> str:
        return self.url("postgres")

    def new(self, template: str = "template1") -> str:
        """The URL of a new database."""
        name = f"p{next(self._names)}"
        self.tell(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop(self, url: str) -> None:
        """Whoever is connected is thrown out."""
        self.tell(f'DROP DATABASE IF EXISTS "{url.rpartition("/")[2]}" WITH (FORCE)')

    def tell(self, statement: str) -> None:
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def running(options: Sequence[str] = QUICK) -> Iterator[Cluster]:
    """A cluster that is started here and gone afterwards.

    Raises:
        NoBinaries
    """
    # Not below pytest's own folders, which nobody else may enter.
    folder = Path(tempfile.mkdtemp(prefix="preceptor-pg-"))
    try:
        cluster = Cluster(folder, options)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _die_with_us() -> None:
    """Where we are killed, the server is stopped, too (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGQUIT)


def _user() -> str | None:
    """Whom the server runs as; None: as we are."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(user for user in USERS if user in known)
