"""How many threads linear algebra takes: one.

Retrieval is fitted with many small matrices. Threads of a BLAS library spin while they wait for each other, which took
five times the processor time of one thread (measured on two cores: 7 s instead of 1.4 s for a run of 1,300 calls), and
how a sum is divided among threads changes its last digits, so that a library's hash could depend on the machine.

Only the command does this. A program that imports preceptor owns its process (docs/reference/python.md): the
number is one for all its threads, and runs that overlap would restore each other's (refused: threadpoolctl in `teach`).
"""

import os
from collections.abc import MutableMapping

_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def take_one(environ: MutableMapping[str, str] = os.environ) -> None:
    """For libraries that are loaded from now on; what somebody has chosen stays."""
    for variable in _VARIABLES:
        environ.setdefault(variable, "1")
