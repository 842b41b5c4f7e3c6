"""Runs taken up again, each in a process of its own."""

import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from preceptor.errors import Conflict
from preceptor.settings.control import GOES_ON
from preceptor.storage.runs import Run


class Launcher:
    """Begins such processes. They outlive this one; leaving the block only stops listening to them."""

    def __init__(self, folder: Path) -> None:
        """`folder`: the project's."""
        self._folder = folder.absolute()
        self._going: dict[str, tuple[subprocess.Popen[bytes], IO[bytes]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        for _, told in self._going.values():
            told.close()

    def resume(self, run: Run) -> None:
        """Raises: Conflict: it is being done, is done, or is not to go on."""
        if run.kind not in GOES_ON or run.status in ("done", "cancelled"):
            raise Conflict(f"Run {run.id!r} is {run.status}: there is nothing to resume.")
        if self.going(run.id):
            raise Conflict(f"Run {run.id!r} is being resumed already.")
        command = [*GOES_ON[run.kind].split(), "--resume", run.id, "--project", str(self._folder), "--yes", "--json"]
        if run.id in self._going:
            self._going.pop(run.id)[1].close()
        told = tempfile.TemporaryFile()  # noqa: SIM115, read when the process has ended
        program = [sys.executable, "-c", "from preceptor.cli.main import main; main()"]
        process = subprocess.Popen(  # noqa: S603
            [*program, *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=told,
            start_new_session=True,
        )  # fmt: skip
        self._going[run.id] = process, told

    def going(self, run: str) -> bool:
        """Is the process begun here still at it?"""
        begun = self._going.get(run)
        return begun is not None and begun[0].poll() is None

    def trouble(self, run: str) -> str:
        """Why a run that was taken up again here ended at once, in its own words; empty when it did not."""
        going = self._going.get(run)
        if going is None or not going[0].poll():
            return ""
        going[1].seek(0)
        return going[1].read().decode(errors="replace").strip()
