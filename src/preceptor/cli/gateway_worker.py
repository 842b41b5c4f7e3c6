"""One worker of `preceptor serve --workers`: a program that the gateway's parent begins, with a letter on its standard
input that says what to do, as long as that input lasts."""

import asyncio
import os
import signal
import socket
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from preceptor.settings import threads

if TYPE_CHECKING:
    import uvicorn

    from preceptor.settings.project import Project

COMMAND = (sys.executable, "-P", "-m", "preceptor.cli.gateway_worker")


@dataclass(frozen=True)
class Letter:
    """What a worker is told."""

    folder: str
    settings: str
    """The project's, as JSON: a file that was changed meanwhile must not make a worker differ from its siblings."""
    host: str
    """The address that is listened for on."""
    world: str | None
    """The URL of the simulated student."""
    keyless: bool
    number: int
    """Which of the workers it is, from 0."""
    listening: int
    """The socket of all."""
    own: int
    """The socket at which it answers alone."""
    siblings: tuple[str, ...]
    """The URLs of those."""

    def line(self) -> bytes:
        return orjson.dumps(asdict(self))

    @classmethod
    def read(cls, line: bytes) -> "Letter":
        told = orjson.loads(line)
        return cls(**{**told, "siblings": tuple(told["siblings"])})

    @property
    def project(self) -> "Project":
        from preceptor.settings.project import Project
        from preceptor.settings.schema import Settings

        return Project(Path(self.folder), Settings.model_validate_json(self.settings))


async def work(letter: Letter) -> None:
    """Serve until told to stop, or until the parent is gone."""
    import uvicorn

    from preceptor.cli.serve import application, wired
    from preceptor.serving.siblings import Siblings
    from preceptor.settings.serving import watch

    with ExitStack() as stack:
        siblings = Siblings(letter.number, letter.siblings, watch(letter.project).key)
        app = application(stack, letter.project, letter.host, letter.world, letter.keyless, siblings)
        server = uvicorn.Server(wired(app, letter.project))
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _heard, server)
        await server.serve([socket.socket(fileno=number) for number in (letter.listening, letter.own)])


def _heard(server: "uvicorn.Server") -> None:
    """Nothing more is ever said, so this is the end of the parent."""
    if not os.read(sys.stdin.fileno(), 1):
        server.should_exit = True
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())


def main() -> None:
    # Ctrl-C reaches the parent, too, which tells us; before uvicorn listens for signals it would only break us off.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threads.share_heaps()
    line = sys.stdin.buffer.readline()
    if line:
        import uvloop

        uvloop.run(work(Letter.read(line)))


if __name__ == "__main__":
    main()
