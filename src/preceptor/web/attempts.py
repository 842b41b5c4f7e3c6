"""Guessing passwords, slowed down: after a few wrong ones for a name, each further guess has to wait."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from preceptor.web.refusals import Refused

FREE = 5
"""Wrong passwords before anybody has to wait: a person who has forgotten which one it was."""
LONGEST = 60.0
"""Seconds: who guesses at a name must not lock its owner out for good."""
NAMES = 10_000
"""Names kept in mind."""


@dataclass
class Attempts:
    """Wrong passwords by name, in this process."""

    clock: Callable[[], float] = time.monotonic
    _wrong: dict[str, tuple[int, float]] = field(default_factory=dict)
    """How often, and until when to wait."""
    _lock: Lock = field(default_factory=Lock)

    def wait(self, name: str) -> None:
        """Raises: Refused: not yet."""
        with self._lock:
            _, until = self._wrong.get(name, (0, 0.0))
        left = until - self.clock()
        if left > 0:
            raise Refused(429, f"Too many wrong passwords for this name. Try again in {left:.0f} seconds.")

    def note(self, name: str, *, good: bool) -> None:
        with self._lock:
            count = self._wrong.pop(name, (0, 0.0))[0] + 1
            if good:
                return
            if len(self._wrong) >= NAMES:
                del self._wrong[next(iter(self._wrong))]
            pause = 0.0 if count < FREE else min(LONGEST, 2.0 ** (count - FREE))
            self._wrong[name] = (count, self.clock() + pause)
