"""Linear algebra takes one thread, unless somebody chose otherwise; a server's threads share heaps."""

import platform
import subprocess
import sys

import pytest

from preceptor.settings.threads import HEAPS, take_one


def test_what_somebody_chose_stays() -> None:
    environ = {"MKL_NUM_THREADS": "4"}
    take_one(environ)
    assert environ == {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "4", "VECLIB_MAXIMUM_THREADS": "1"}


def test_the_command_line_loads_no_linear_algebra_before() -> None:
    asked = "import sys, preceptor.cli; raise SystemExit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0


THREADS = """
import ctypes, os, threading
from preceptor.settings.threads import share_heaps
share_heaps()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
together = threading.Barrier(8)
def take():
    together.wait()
    mine = [libc.malloc(100_000) for _ in range(50)]
    together.wait()
    for one in mine:
        libc.free(one)
threads = [threading.Thread(target=take) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
out = libc.fdopen
out.restype = ctypes.c_void_p
stream = ctypes.c_void_p(out(os.dup(1), b"w"))
libc.malloc_info(0, stream)
libc.fclose(stream)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have other heaps")
def test_threads_share_heaps() -> None:
    told = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, check=True, text=True).stdout
    assert 1 <= told.count("<heap nr=") <= HEAPS
