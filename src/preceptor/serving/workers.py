"""Several processes that serve one port: started, watched and ended together.

Promises: a worker that ends is replaced, and the others serve on meanwhile; all end when told to, each bringing what it
has begun to its end; none outlives its parent, however that ends: a worker's standard input ends with the parent.

Workers are programs begun anew, not forks: threads and native libraries need not survive one. All accept from one
socket, so that no connection waits for a worker that died, or is lost with it before it was accepted, and whoever has
time takes the next (refused: a socket for each, by SO_REUSEPORT: shares connections by a hash, however busy a worker
is, and what waits at one that dies is lost).
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Sequence
from socket import socket

PAUSE = 0.5
"""Seconds before a worker that ended soon after its start is replaced; twice as long each further time, up to
`PAUSE_MOST`. One that ended later is replaced at once."""
PAUSE_MOST = 30.0
SOON = 10.0
"""Seconds."""
PATIENCE = 40.0
"""Seconds that workers have to end, more than requests under way are given; then they are killed."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Unstarted(Exception):
    """Workers end by themselves as soon as they are begun: there is something wrong that another try does not mend."""


class Workers:
    """Keeps so many workers."""

    def __init__(
        self,
        command: Sequence[str],
        letters: Sequence[bytes],
        sockets: Sequence[socket],
        tell: Callable[[str], None],
    ) -> None:
        """`letters`: one line for each worker, which it finds in its standard input. `sockets`: they inherit these,
        under the same numbers. `tell`: is told when a worker is replaced, and why."""
        self._command = command
        self._letters = letters
        self._numbers = tuple(one.fileno() for one in sockets)
        self._tell = tell
        self._running: set[asyncio.subprocess.Process] = set()
        self._stop = asyncio.Event()
        self._began = time.monotonic()

    async def run(self) -> None:
        """Until told to stop by SIGINT or SIGTERM; a second one ends workers at once.

        Raises:
            Unstarted: none of them can be had.
        """
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._told)
        try:
            async with asyncio.TaskGroup() as group:
                for letter in self._letters:
                    group.create_task(self._keep(letter))
        except* Unstarted as several:
            raise several.exceptions[0] from None
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    def _told(self) -> None:
        for process in self._running:
            _send(process, signal.SIGKILL if self._stop.is_set() else signal.SIGTERM)
        self._stop.set()

    async def _keep(self, letter: bytes) -> None:
        """Keep one place filled."""
        pause = 0.0
        while not self._stop.is_set():
            began = time.monotonic()
            code = await self._work(letter)
            if self._stop.is_set():
                return
            now = time.monotonic()
            if code > 0 and now - self._began < SOON:
                raise Unstarted(f"A worker ended with code {code} as soon as it was begun.")
            pause = min(PAUSE_MOST, max(PAUSE, 2 * pause)) if now - began < SOON else 0.0
            self._tell(f"A worker ended ({_why(code)}); another takes its place.")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause)

    async def _work(self, letter: bytes) -> int:
        """One worker from its beginning to its end; its exit code, negative for a signal."""
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, pass_fds=self._numbers
        )
        self._running.add(process)
        try:
            assert process.stdin is not None
            with contextlib.suppress(ConnectionError):
                process.stdin.write(letter + b"\n")
                await process.stdin.drain()
            ending = asyncio.ensure_future(process.wait())
            stopping = asyncio.ensure_future(self._stop.wait())
            await asyncio.wait([ending, stopping], return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not ending.done():
                # Told already, unless it was begun just now.
                _send(process, signal.SIGTERM)
            await asyncio.wait([ending], timeout=PATIENCE)
            if not ending.done():
                _send(process, signal.SIGKILL)
            return await ending
        finally:
            # Left before its end only when all are given up.
            _send(process, signal.SIGKILL)
            await process.wait()
            self._running.discard(process)


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)


def _why(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
