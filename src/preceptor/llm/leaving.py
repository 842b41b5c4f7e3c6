"""A last look before a request leaves, and a first at what a server says, around all that lies between.

Between a limiter's leave and the first byte on the wire a request is made, and perhaps a connection; between the head
of a reply and its fault, an exception. With twenty calls at once on a busy machine either takes a tenth of a second, in
which others would be sent though the server has just said that it wants none. So whoever limits opens a `Door` around
the asking; the client, deep inside, looks at it in both moments.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Held(Exception):
    """Not sent: the server wants nothing now. Not for callers: `Limited` takes another turn."""


class Door(Protocol):
    @property
    def held(self) -> bool:
        """The server wants nothing now."""

    def hold(self, seconds: float | None) -> None:
        """The server wants nothing for so long, if it said."""


_door: ContextVar[Door | None] = ContextVar("door", default=None)


@contextmanager
def leaving(door: Door) -> Iterator[None]:
    """Look at a door for what is asked inside."""
    before = _door.set(door)
    try:
        yield
    finally:
        _door.reset(before)


def door() -> Door | None:
    """The one to look at, if there is one."""
    return _door.get()
