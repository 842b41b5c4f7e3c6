"""How many threads linear algebra takes: one; and from how many heaps a server's threads take memory: few.

Retrieval is fitted with many small matrices. Threads of a BLAS library spin while they wait for each other, which took
five times the processor time of one thread (measured on two cores: 7 s instead of 1.4 s for a run of 1,300 calls), and
how a sum is divided among threads changes its last digits, so that a library's hash could depend on the machine.

Only the command does this. A program that imports preceptor owns its process (docs/reference/python.md): the
number is one for all its threads, and runs that overlap would restore each other's (refused: threadpoolctl in `teach`).
"""

import ctypes
import os
from collections.abc import MutableMapping

HEAPS = 2
"""The C library's own number is eight for each processor."""
_MOST_HEAPS = -8
"""glibc's name for it (``M_ARENA_MAX`` in malloc.h)."""
_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def take_one(environ: MutableMapping[str, str] = os.environ) -> None:
    """For libraries that are loaded from now on; what somebody has chosen stays."""
    for variable in _VARIABLES:
        environ.setdefault(variable, "1")


def share_heaps() -> bool:
    """Let threads that are begun from now on take memory from few heaps of the C library; False where it cannot be so.

    glibc gives each new thread a heap of its own, which keeps what was needed once: a gateway whose releases were made
    ready in one thread after the other grew by 20 MB with each. Python runs one thread at a time, so they are not in
    each other's way.
    """
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    return tell is not None and tell(_MOST_HEAPS, HEAPS) == 1
