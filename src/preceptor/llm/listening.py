"""Hearing a reply while it is being written, through whatever wrappers stand around a model.

A wrapper deals in whole replies. So whoever wants to watch one come opens an ear around the asking; the client, deep
inside, sees that there is one and has the reply sent piece by piece.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Ear = Callable[[str], None]
"""Told the whole text so far, again and again. It may begin anew: another attempt was made."""
_ear: ContextVar[Ear | None] = ContextVar("ear", default=None)


@contextmanager
def listening(ear: Ear) -> Iterator[None]:
    """Hear what is asked inside."""
    before = _ear.set(ear)
    try:
        yield
    finally:
        _ear.reset(before)


def listener() -> Ear | None:
    """Who wants to hear, if anybody does."""
    return _ear.get()
