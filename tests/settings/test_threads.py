"""Linear algebra takes one thread, unless somebody chose otherwise."""

import subprocess
import sys

from preceptor.settings.threads import take_one


def test_what_somebody_chose_stays() -> None:
    environ = {"MKL_NUM_THREADS": "4"}
    take_one(environ)
    assert environ == {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "4", "VECLIB_MAXIMUM_THREADS": "1"}


def test_the_command_line_loads_no_linear_algebra_before() -> None:
    asked = "import sys, preceptor.cli; raise SystemExit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0
