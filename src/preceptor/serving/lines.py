"""Lines written to a file by a thread of their own, so that no request waits for a disk or a full pipe."""

import os
import queue
import sys
import threading
from pathlib import Path

MOST = 100_000
"""Lines that may wait; what comes beyond is lost, and counted."""
TOGETHER = 0.1
"""Seconds in which lines are gathered: waking a thread for each would cost more than writing it."""


class Lines:
    """Appends lines. The file is opened for each handful of them, so it may be moved away at any time."""

    def __init__(self, path: Path | None) -> None:
        """`path`: None for standard error."""
        self._path = path
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._torn = False
        """Half a line stands at the end."""
        self.lost = 0
        """Lines that could not be written."""

    def open(self) -> None:
        self._thread = threading.Thread(target=self._run, name="preceptor-lines", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """A line, without its end; it holds no other."""
        if self._waiting.qsize() < MOST:
            self._waiting.put(line)
        else:
            self.lost += 1

    def close(self) -> None:
        """Write what is waiting."""
        self._ending.set()
        self._waiting.put(None)
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        while (line := self._waiting.get()) is not None:
            self._ending.wait(TOGETHER)
            lines, more = [line], None
            while not self._waiting.empty() and (more := self._waiting.get()) is not None:
                lines.append(more)
            self._write(lines)
            if more is None and self._ending.is_set():
                return

    def _write(self, lines: list[bytes]) -> None:
        # Where half a line was all there was room for, the next must not go on from it.
        text = b"\n" * self._torn + b"".join(line + b"\n" for line in lines)
        try:
            written = text[: self._append(text)]
        except (OSError, ValueError):
            written = b""
        self.lost += len(lines) - max(0, written.count(b"\n") - self._torn)
        self._torn = not written.endswith(b"\n") if written else self._torn

    def _append(self, text: bytes) -> int:
        """How many bytes there was room for."""
        if self._path is None:
            sys.stderr.buffer.write(text)
            sys.stderr.buffer.flush()
            return len(text)
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            return os.write(handle, text)
        finally:
            os.close(handle)
