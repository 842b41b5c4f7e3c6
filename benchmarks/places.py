"""Ports of 127.0.0.1 that are ours for a while: one at which nobody listens, and one for a server begun later.

A port that was free when it was asked for may be anybody's a moment later: of another test's server, or the near end of
any connection that is made meanwhile. So it stays bound for as long as it is counted on, by a socket that does not
listen: connections are refused until somebody does, and on Linux only those can who ask for the port by its number and
set SO_REUSEADDR, as servers do. Elsewhere they could not either, so there it is not kept.
"""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Reserved:
    """Close it when its port may be anybody's."""

    port: int
    _kept: socket.socket

    @classmethod
    def one(cls) -> "Reserved":
        kept = socket.socket()
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        found = cls(kept.getsockname()[1], kept)
        if sys.platform != "linux":
            kept.close()
        return found

    def close(self) -> None:
        self._kept.close()


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def reserved() -> Iterator[int]:
    """A port for a server that is begun within the block, and until then one at which nobody listens."""
    one = Reserved.one()
    try:
        yield one.port
    finally:
        one.close()
