"""Processes that are kept: replaced when they end, ended with their parent. The programs here are small ones."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from preceptor.serving.server import listen
from preceptor.serving.siblings import together
from preceptor.serving.workers import Unstarted, Workers

from .stage import LONGEST

pytestmark = pytest.mark.anyio
STAY = "import os, sys; open(sys.stdin.readline().strip(), 'a').write(f'{os.getpid()}\\n'); sys.stdin.read()"
"""Writes its number to the file that its letter names, and stays as long as its input lasts."""


def letters(folder: Path, count: int) -> list[bytes]:
    return [str(folder / f"{number}.txt").encode() for number in range(count)]


def pids(folder: Path) -> list[list[int]]:
    """Of each worker there was, place by place."""
    return [[int(line) for line in file.read_text().split()] for file in sorted(folder.glob("*.txt"))]


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(LONGEST):
        while not holds():  # noqa: ASYNC110 - what is waited for is in files and other processes
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    """A process that has ended counts as such even where nobody asks how: not every container's first process does."""
    try:
        os.kill(pid, 0)
        return not re.search(r"^State:\tZ", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()


async def started(workers: Workers, folder: Path, count: int) -> tuple["asyncio.Task[None]", list[int]]:
    running = asyncio.create_task(workers.run())
    await until(lambda: [len(place) for place in pids(folder)] == [1] * count)
    return running, [place[-1] for place in pids(folder)]


async def test_one_that_is_killed_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    said: list[str] = []
    workers = Workers([sys.executable, "-c", STAY], letters(tmp_path, 2), [], said.append)
    running, (first, second) = await started(workers, tmp_path, 2)
    os.kill(first, signal.SIGKILL)
    await until(lambda: len(pids(tmp_path)[0]) == 2)
    assert said == ["A worker ended (signal 9); another takes its place."]
    assert pids(tmp_path)[1] == [second]
    assert alive(second)
    os.kill(os.getpid(), signal.SIGTERM)
    await running
    assert not any(alive(pid) for place in pids(tmp_path) for pid in place)


async def test_those_that_will_not_end_are_killed_by_a_second_signal(tmp_path: Path) -> None:
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {STAY}; sys.stdin.read()"
    workers = Workers([sys.executable, "-c", stubborn], letters(tmp_path, 1), [], print)
    running, (pid,) = await started(workers, tmp_path, 1)
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(0.05)
    assert alive(pid)
    os.kill(os.getpid(), signal.SIGINT)
    await running
    assert not alive(pid)


async def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = (
        "import asyncio, sys; from preceptor.serving.workers import Workers; "
        "asyncio.run(Workers([sys.executable, '-c', sys.argv[1]], [sys.argv[2].encode()], [], print).run())"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", parent, STAY, str(tmp_path / "0.txt"))
    await until(lambda: [len(place) for place in pids(tmp_path)] == [1])
    ((pid,),) = pids(tmp_path)
    process.kill()
    await process.wait()
    await until(lambda: not alive(pid))


async def test_workers_that_cannot_start_are_not_tried_for_ever(tmp_path: Path) -> None:
    workers = Workers([sys.executable, "-c", "raise SystemExit(3)"], letters(tmp_path, 2), [], print)
    with pytest.raises(Unstarted, match="code 3"):
        await workers.run()


async def test_they_inherit_the_socket(tmp_path: Path) -> None:
    program = (
        "import socket, sys; number, path = sys.stdin.readline().split(); "
        "print(socket.socket(fileno=int(number)).getsockname()[1], file=open(path, 'w'), flush=True); sys.stdin.read()"
    )
    with listen("127.0.0.1", 0) as listening:
        letter = f"{listening.fileno()} {tmp_path / '0.txt'}".encode()
        running = asyncio.create_task(Workers([sys.executable, "-c", program], [letter], [listening], print).run())
        await until(lambda: pids(tmp_path) and pids(tmp_path)[0])
        assert pids(tmp_path) == [[listening.getsockname()[1]]]
    os.kill(os.getpid(), signal.SIGTERM)
    await running


def test_metrics_of_several_are_one_text_with_a_label_more() -> None:
    one = b'# HELP a Things.\n# TYPE a counter\na{b="x y",c="{"} 1.0\n# HELP d Else.\n# TYPE d gauge\nd 2.0\n'
    two = b'# HELP a Things.\n# TYPE a counter\na{b="z"} 3.0\n# HELP d Else.\n# TYPE d gauge\nd 4.0\n'
    assert together({"0": one, "1": two}).decode().splitlines() == [
        "# HELP a Things.",
        "# TYPE a counter",
        'a{worker="0",b="x y",c="{"} 1.0',
        'a{worker="1",b="z"} 3.0',
        "# HELP d Else.",
        "# TYPE d gauge",
        'd{worker="0"} 2.0',
        'd{worker="1"} 4.0',
    ]
