"""What all workers of a gateway have counted, whichever of them is asked.

Each series gets the label ``worker``. Sums would fall when a worker is replaced, and what falls looks to Prometheus as
if everything had been counted anew; with a label only that worker's own begin again, which it understands (refused:
prometheus-client's files for several processes, which keep the sums of the dead, but make every count a write to a
file, and are chosen by a variable of the environment when the package is imported).
"""

import asyncio
import random
from collections.abc import Mapping, Sequence

from preceptor.serving.protocols import openai
from preceptor.serving.upstream import Line, Upstream, ask

PATIENCE = 1.0
"""Seconds a sibling has to answer; one that hangs or is being replaced is left out."""
PARTING = 1_000
OWN = b"own"
"""The query by which a worker is asked for its own alone."""


class Siblings:
    """The workers of a gateway, seen by one of them."""

    def __init__(self, number: int = 0, urls: Sequence[str] = (), key: str = "") -> None:
        """`urls`: where each worker answers alone, this one included; none: there are no others. `key`: what metrics
        ask for."""
        self._key = key
        self._number = number
        self._urls = urls

    @property
    def parting(self) -> bool:
        """Whether a client is to be made to connect anew, one in `PARTING` times: its next connection goes to whichever
        worker has time. Otherwise one that is begun later would find all connections kept by the others."""
        return bool(self._urls) and random.randrange(PARTING) == 0

    async def gather(self, own: bytes) -> bytes:
        """The metrics of all. `own`: this worker's."""
        if not self._urls:
            return own
        others = {str(n): url for n, url in enumerate(self._urls) if n != self._number}
        told = await asyncio.gather(*(_ask(url, self._key) for url in others.values()))
        texts = {str(self._number): own} | dict(zip(others, told, strict=True))
        return together({worker: text for worker, text in sorted(texts.items()) if text})


ALONE = Siblings()


async def _ask(url: str, key: str) -> bytes:
    line = Line(Upstream("sibling", url, key))
    head = line.head("GET", f"/metrics?{OWN.decode()}", openai.keyed, [], None)
    try:
        async with asyncio.timeout(PATIENCE):
            answer = await ask(line, head, b"")
            try:
                return await answer.whole() if answer.status == 200 else b""
            finally:
                answer.close()
    except OSError:
        return b""


def together(texts: Mapping[str, bytes]) -> bytes:
    """Several workers' metrics as one text, in which lines of one name stand together."""
    heads: dict[bytes, list[bytes]] = {}
    samples: dict[bytes, list[bytes]] = {}
    for worker, text in texts.items():
        name = b""
        for line in text.splitlines():
            if line.startswith(b"# "):
                _, kind, name, *_ = line.split(b" ", 3)
                known = heads.setdefault(name, [])
                if line not in known and not any(other.startswith(b"# %s " % kind) for other in known):
                    known.append(line)
            elif line:
                samples.setdefault(name, []).append(_labelled(line, worker.encode()))
    return b"".join(b"\n".join([*heads[name], *samples.get(name, []), b""]) for name in heads)


def _labelled(line: bytes, worker: bytes) -> bytes:
    name, brace, rest = line.partition(b"{")
    if brace and b" " not in name:
        return b'%s{worker="%s",%s' % (name, worker, rest)
    name, _, rest = line.partition(b" ")
    return b'%s{worker="%s"} %s' % (name, worker, rest)
